package saml

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstRetry   = time.Second
	longestRetry = time.Minute
	settled      = 30 * time.Second // nobody's doubt is heard sooner after a success
)

// watch keeps what is known of a provider current in the background. It is the
// one place that reads it, so that many people at the door make one request.
type watch struct {
	src  *source
	log  *slog.Logger
	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex // guards what follows
	c     *circle
	err   error         // of the last try
	tried chan struct{} // closed after the next try
}

func startWatch(log *slog.Logger, src *source) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{src: src, log: log, stop: stop, wake: make(chan struct{}, 1), done: make(chan struct{}), tried: make(chan struct{})}
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
			every := jitter(w.src.every())
			rest(ctx, min(settled, every))
			w.sleep(ctx, every-settled)
			continue
		}
		// People at the door shorten the pause, but never below the first one.
		rest(ctx, firstRetry)
		w.sleep(ctx, jitter(pause)-firstRetry)
		pause = min(2*pause, longestRetry)
	}
}

// try reads once. What was known stays in use when that fails.
func (w *watch) try(ctx context.Context) error {
	known, before := w.current()
	c, err := w.src.load(ctx, known)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	w.err = err
	if c != nil {
		w.c = c
	}
	close(w.tried)
	w.tried = make(chan struct{})
	w.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		w.log.Warn("sign-in provider cannot be read", "error", err, "last_good_copy", known != nil)
	case err == nil && (before != nil || known == nil):
		if p := c.only(); p != nil {
			w.log.Info("sign-in provider is ready", "entity_id", p.entityID)
		} else {
			w.log.Info("sign-in providers are ready", "providers", len(c.all))
		}
	}
	return err
}

func (w *watch) current() (*circle, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.c, w.err
}

// get returns the providers; if they have not been read yet it asks for a try and
// waits until ctx ends.
func (w *watch) get(ctx context.Context) (*circle, error) {
	for {
		w.mu.Lock()
		c, err, tried := w.c, w.err, w.tried
		w.mu.Unlock()
		if c != nil {
			return c, nil
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
