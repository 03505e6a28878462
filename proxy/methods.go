package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// Method is one configured way to sign in. It is opened when somebody first
// needs it, or by Open.
type Method struct {
	Name   string
	Title  string
	Config authn.MethodConfig
	Env    authn.Env
	Admit  accounts.Policy // who of its people may come in
	Visits bool            // its sign-ins are counted; those of partners and places always are

	tracer Tracer // of the Server that it is in force at; nil: not followed

	mu     sync.Mutex
	opened atomic.Pointer[authn.Authenticator]
	closed bool
}

// open returns the method's authenticator.
func (m *Method) open() (authn.Authenticator, error) {
	if a := m.opened.Load(); a != nil {
		return *a, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("method %q is closed", m.Name)
	}
	if a := m.opened.Load(); a != nil {
		return *a, nil
	}
	a, err := m.Config.Open(m.Env)
	if err != nil {
		return nil, fmt.Errorf("opening method %q: %w", m.Name, err)
	}
	m.opened.Store(&a)
	return a, nil
}

// Open opens the method now: what is wrong with its configuration shows at the
// start and not when somebody signs in, and it begins to look for its provider.
func (m *Method) Open() error {
	_, err := m.open()
	return err
}

// Unstable reports whether nearly all people whom a partner's page sent lately had never
// been seen before, as when it sends session identifiers.
func (m *Method) Unstable() bool {
	auth, err := m.open()
	if err != nil {
		return false
	}
	u, ok := auth.(interface{ Unstable() bool })
	return ok && u.Unstable()
}

// Directory is the method if it knows everybody who may sign in, or nil.
func (m *Method) Directory() (authn.Directory, error) {
	auth, err := m.open()
	if err != nil {
		return nil, err
	}
	d, _ := auth.(authn.Directory)
	return d, nil
}

// Close ends what the method has open. It is not opened again.
func (m *Method) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	a := m.opened.Swap(nil)
	if a == nil {
		return nil
	}
	if c, ok := (*a).(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Methods returns all methods of the set.
func (set *Set) Methods() []*Method {
	all := make([]*Method, 0, len(set.methods))
	for _, m := range set.methods {
		all = append(all, m)
	}
	return all
}

// Apps returns all apps of the set, each once.
func (set *Set) Apps() []*App {
	seen := make(map[*App]bool)
	var all []*App
	for _, a := range set.hosts {
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all
}

// method returns a way to sign in by its name, where the app offers it.
func (set *Set) method(app *App, name string) (*Method, error) {
	m := set.methods[name]
	if m == nil || !app.offers(name) {
		return nil, refuse(http.StatusNotFound, "this app has no such method")
	}
	return m, nil
}

// opened returns a way to sign in, ready for use.
func (set *Set) opened(app *App, name string) (*Method, authn.Authenticator, error) {
	m, err := set.method(app, name)
	if err != nil {
		return nil, nil, err
	}
	auth, err := m.open()
	return m, auth, err
}

// authenticator is what a method of the set is given of another.
func (set *Set) authenticator(name string) (authn.Authenticator, error) {
	m := set.methods[name]
	if m == nil {
		return nil, fmt.Errorf("there is no method %q", name)
	}
	return m.open()
}

// Health says why the method cannot be used now, or nil.
func (m *Method) Health() error {
	a, err := m.open()
	if err != nil {
		return err
	}
	if h, ok := a.(authn.Healther); ok {
		return h.Health()
	}
	return nil
}

// note says beside a method's button why it cannot be used now; empty if it can.
func (m *Method) note() string {
	if m.Open() != nil {
		return "cannot be used at the moment"
	}
	switch err := m.Health(); {
	case err == nil:
		return ""
	case errors.Is(err, authn.ErrNotReady):
		return "is not ready yet"
	}
	return "cannot be reached at the moment"
}

// asks reports whether the method's first answer is a form that can stand on the
// page with the buttons.
func (m *Method) asks() bool {
	a, err := m.open()
	if err != nil {
		return false
	}
	_, ok := a.(authn.Asker)
	return ok
}

// federated reports whether the method has many providers.
func (m *Method) federated() bool {
	a, err := m.open()
	if err != nil {
		return false
	}
	f, ok := a.(authn.Federated)
	return ok && f.Federated()
}

// patience is how long people may wait for their turn at the method.
func (m *Method) patience() time.Duration {
	if a, err := m.open(); err == nil {
		if p, ok := a.(authn.Patient); ok {
			return p.Patience()
		}
	}
	return 0
}

func (m *Method) begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	auth, err := m.open()
	if err != nil {
		return nil, err
	}
	ctx, end := m.step(ctx, "begin")
	reply, err := auth.Begin(ctx, a)
	end(err)
	return reply, err
}

func (m *Method) resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	auth, err := m.open()
	if err != nil {
		return nil, err
	}
	ctx, end := m.step(ctx, "resume")
	reply, err := auth.Resume(ctx, a, r)
	end(err)
	return reply, err
}

func (set *Set) publicKeys(method string) []byte {
	m := set.methods[method]
	if m == nil {
		return nil
	}
	auth, err := m.open()
	if err != nil {
		return nil
	}
	if p, ok := auth.(authn.KeyPublisher); ok {
		return p.JWKS()
	}
	return nil
}
