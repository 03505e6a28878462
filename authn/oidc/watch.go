package oidc

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
	refreshEvery = 10 * time.Minute
	settled      = 10 * time.Second // nobody's doubt is heard sooner after a success
)

// watch keeps a provider's metadata and keys current in the background. It is
// the one place that discovers, so that a hundred people at the door of a
// provider that is down make one request and not a hundred.
type watch struct {
	discover func(ctx context.Context, old *metadata) (*metadata, error)
	log      *slog.Logger
	wake     chan struct{}
	stop     context.CancelFunc
	done     chan struct{}

	mu    sync.Mutex // guards what follows
	md    *metadata
	err   error         // of the last try
	tried chan struct{} // closed after the next try
}

func startWatch(log *slog.Logger, discover func(context.Context, *metadata) (*metadata, error)) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{
		discover: discover, log: log, stop: stop,
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		tried: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// close ends the background work and waits for it.
func (w *watch) close() {
	w.stop()
	<-w.done
}

func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	pause := firstRetry
	for ctx.Err() == nil {
		if err := w.try(ctx); err == nil {
			pause = firstRetry
			rest(ctx, settled)
			w.sleep(ctx, jitter(refreshEvery)-settled)
			continue
		}
		// People at the door shorten the pause, but never below the first one.
		rest(ctx, firstRetry)
		w.sleep(ctx, jitter(pause)-firstRetry)
		pause = min(2*pause, longestRetry)
	}
}

// try discovers once. What was known stays in use while the provider is away.
func (w *watch) try(ctx context.Context) error {
	known, before := w.current()
	md, err := w.discover(ctx, known)
	if err == nil {
		err = md.keys.refresh(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.record(md, err)
	if err == nil {
		w.unasked()
	}
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		w.log.Warn("sign-in provider cannot be used", "error", err)
	case err == nil && (before != nil || known == nil):
		w.log.Info("sign-in provider is ready", "issuer", md.Issuer)
	}
	return err
}

func (w *watch) record(md *metadata, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	if md != nil {
		w.md = md
	}
	close(w.tried)
	w.tried = make(chan struct{})
}

func (w *watch) current() (*metadata, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.md, w.err
}

// get returns the metadata; if there is none yet it asks for a try and waits
// until ctx ends.
func (w *watch) get(ctx context.Context) (*metadata, error) {
	for {
		w.mu.Lock()
		md, err, tried := w.md, w.err, w.tried
		w.mu.Unlock()
		if md != nil {
			return md, nil
		}
		w.doubt()
		select {
		case <-tried:
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return nil, err
		}
	}
}

// doubt asks for a look at the provider soon.
func (w *watch) doubt() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// unasked drops a doubt that has been answered.
func (w *watch) unasked() {
	select {
	case <-w.wake:
	default:
	}
}

// sleep waits for d or until somebody doubts.
func (w *watch) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.wake:
	case <-ctx.Done():
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// jitter spreads replicas that fail together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}
