package admin

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"foregate/cookies"
)

// CountedStore is a store that can also count.
type CountedStore interface {
	cookies.Store
	cookies.Counter
}

// Watched returns store with its calls and failures counted.
func Watched(store CountedStore, m *Metrics) CountedStore { return &watched{store, m} }

type watched struct {
	CountedStore
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
	return w.note("create", w.CountedStore.Create(ctx, key, r))
}

func (w *watched) Load(ctx context.Context, key string) (cookies.Record, error) {
	r, err := w.CountedStore.Load(ctx, key)
	return r, w.note("load", err)
}

func (w *watched) Update(ctx context.Context, key string, r cookies.Record) error {
	return w.note("update", w.CountedStore.Update(ctx, key, r))
}

func (w *watched) Delete(ctx context.Context, key string) error {
	return w.note("delete", w.CountedStore.Delete(ctx, key))
}

func (w *watched) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	n, err := w.CountedStore.Count(ctx, key, window)
	return n, w.note("count", err)
}
