package ldap

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	probeSoon = 10 * time.Second // after a failure
	probeTime = 10 * time.Second // for one look
)

// watch looks at the directory in the background when somebody doubts that it can be
// used, and until it can be used again.
type watch struct {
	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}

	mu  sync.Mutex
	err error // of the last look
}

func startWatch(m *Method) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	go w.run(ctx, m)
	return w
}

// close ends the background work and waits for it.
func (w *watch) close() {
	w.stop()
	<-w.done
}

func (w *watch) fault() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// doubt asks for a look soon.
func (w *watch) doubt() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) run(ctx context.Context, m *Method) {
	defer close(w.done)
	told := false
	for ctx.Err() == nil {
		err := m.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		before := w.err
		w.err = err
		w.mu.Unlock()
		switch {
		case err != nil && before == nil:
			m.log.Warn("directory cannot be used", "error", err)
		case err == nil && (before != nil || !told):
			m.log.Info("directory is ready")
			if !told {
				m.checkLockout(ctx)
			}
			told = true
		}
		w.sleep(ctx, m, err)
	}
}

// sleep waits for the next look. Doubts shorten the wait after a success; after a
// failure there is one look in a while, however many people are at the door.
func (w *watch) sleep(ctx context.Context, m *Method, err error) {
	if err != nil {
		timer := time.NewTimer(probeSoon*3/4 + rand.N(probeSoon/2))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return
	}
	tidy := time.NewTicker(maxIdle)
	defer tidy.Stop()
	for {
		select {
		case <-tidy.C:
			m.searches.rest()
			m.binds.rest()
		case <-w.wake:
			return
		case <-ctx.Done():
			return
		}
	}
}

// probe reads the entry below which people are.
func (m *Method) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return m.searches.with(ctx, true, m.readBase)
}

var errNoBase = errors.New("base_dn cannot be read: it is not there, or bind_dn may not read it")

func (m *Method) readBase(ctx context.Context, c *conn) error {
	r := ldap.NewSearchRequest(m.cfg.BaseDN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil)
	result, err := c.search(ctx, m.cfg.Timeouts.Search, r)
	switch {
	case err != nil && !answered(err):
		return err
	case err != nil:
		return errors.Join(errNoBase, err)
	case len(result.Entries) != 1:
		return errNoBase
	}
	return nil
}
