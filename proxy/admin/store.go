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
func Watched(store Store, m *Metrics) Store {
	w := &watched{store, m}
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
	m *Metrics
}

func (w *watched) note(op string, err error) error {
	w.m.store.WithLabelValues(op).Inc()
	if err != nil && !errors.Is(err, cookies.ErrNotFound) && !errors.Is(err, cookies.ErrExists) && !errors.Is(err, cookies.ErrConflict) {
		w.m.faults.WithLabelValues(op).Inc()
	}
	return err
}

func (w *watched) Create(ctx context.Context, key string, r cookies.Record) error {
	return w.note("create", w.Store.Create(ctx, key, r))
}

func (w *watched) Load(ctx context.Context, key string) (cookies.Record, error) {
	r, err := w.Store.Load(ctx, key)
	return r, w.note("load", err)
}

func (w *watched) Update(ctx context.Context, key string, r cookies.Record) error {
	return w.note("update", w.Store.Update(ctx, key, r))
}

func (w *watched) Delete(ctx context.Context, key string) error {
	return w.note("delete", w.Store.Delete(ctx, key))
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
	n, err := w.Store.Count(ctx, key, window)
	return n, w.note("count", err)
}

func (w *watched) UpdateAll(ctx context.Context, updates []cookies.Update) error {
	return w.note("update", w.Store.UpdateAll(ctx, updates))
}
