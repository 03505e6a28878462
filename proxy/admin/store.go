package admin

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"foregate/cookies"
)

// Store keeps records, also many at a time, and counts.
type Store interface {
	cookies.Store
	cookies.Batcher
	cookies.Counter
}

// Watched returns store with its calls and failures counted. It is a
// cookies.Lister if store is.
func Watched(store Store, m *Metrics) Store {
	w := &watched{store, m}
	if l, ok := store.(cookies.Lister); ok {
		return &watchedLister{w, l}
	}
	return w
}

type watchedLister struct {
	*watched
	lister cookies.Lister
}

func (w *watchedLister) Tagged(ctx context.Context, tag string, limit int) ([]string, error) {
	keys, err := w.lister.Tagged(ctx, tag, limit)
	return keys, w.note("list", err)
}

type watched struct {
	Store
	m *Metrics
}

func (w *watched) note(op string, err error) error {
	w.m.store.With(prometheus.Labels{"operation": op}).Inc()
	if err != nil && !errors.Is(err, cookies.ErrNotFound) && !errors.Is(err, cookies.ErrExists) && !errors.Is(err, cookies.ErrConflict) {
		w.m.faults.With(prometheus.Labels{"operation": op}).Inc()
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

func (w *watched) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	n, err := w.Store.Count(ctx, key, window)
	return n, w.note("count", err)
}

func (w *watched) UpdateAll(ctx context.Context, updates []cookies.Update) error {
	return w.note("update", w.Store.UpdateAll(ctx, updates))
}
