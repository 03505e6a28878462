package admin

import (
	"context"
	"errors"
	"time"

	"foregate/cookies"
)

// Store keeps records, also many at a time, finds them by tags, lists them, and
// counts. It may be a cookies.Notifier too.
type Store interface {
	cookies.Store
	cookies.Batcher
	cookies.Counter
	cookies.Lister
	cookies.Noter
	cookies.Walker
}

// Watched returns store with its calls and failures counted. It is a
// cookies.Notifier if store is.
//
// step, which may be nil, follows a call for traces; what it returns is called at its end.
func Watched(store Store, m *Metrics, step func(ctx context.Context, name string) (context.Context, func(error))) Store {
	if step == nil {
		step = func(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	w := &watched{store, m, step}
	if n, ok := store.(cookies.Notifier); ok {
		return &watchedNotifier{w, n}
	}
	return w
}

type watchedNotifier struct {
	*watched
	cookies.Notifier
}

type watched struct {
	Store
	m    *Metrics
	step func(context.Context, string) (context.Context, func(error))
}

func (w *watched) note(op string, err error) error {
	w.m.store.WithLabelValues(op).Inc()
	if failure(err) != nil {
		w.m.faults.WithLabelValues(op).Inc()
	}
	return err
}

// failure is err, unless the store has answered by it.
func failure(err error) error {
	if errors.Is(err, cookies.ErrNotFound) || errors.Is(err, cookies.ErrExists) || errors.Is(err, cookies.ErrConflict) {
		return nil
	}
	return err
}

func (w *watched) Create(ctx context.Context, key string, r cookies.Record) error {
	ctx, end := w.step(ctx, "store create")
	err := w.Store.Create(ctx, key, r)
	end(failure(err))
	return w.note("create", err)
}

func (w *watched) Load(ctx context.Context, key string) (cookies.Record, error) {
	ctx, end := w.step(ctx, "store load")
	r, err := w.Store.Load(ctx, key)
	end(failure(err))
	return r, w.note("load", err)
}

func (w *watched) Update(ctx context.Context, key string, r cookies.Record) error {
	ctx, end := w.step(ctx, "store update")
	err := w.Store.Update(ctx, key, r)
	end(failure(err))
	return w.note("update", err)
}

func (w *watched) Delete(ctx context.Context, key string) error {
	ctx, end := w.step(ctx, "store delete")
	err := w.Store.Delete(ctx, key)
	end(failure(err))
	return w.note("delete", err)
}

func (w *watched) Tagged(ctx context.Context, tag string, limit int) ([]string, error) {
	keys, err := w.Store.Tagged(ctx, tag, limit)
	return keys, w.note("list", err)
}

func (w *watched) Note(ctx context.Context, key string) (cookies.Record, error) {
	r, err := w.Store.Note(ctx, key)
	return r, w.note("list", err)
}

func (w *watched) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	ctx, end := w.step(ctx, "store count")
	n, err := w.Store.Count(ctx, key, window)
	end(failure(err))
	return n, w.note("count", err)
}

func (w *watched) UpdateAll(ctx context.Context, updates []cookies.Update) error {
	return w.note("update", w.Store.UpdateAll(ctx, updates))
}
