package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"foregate/cookies"
)

// Sessions is what the API needs of the signed-in browsers.
type Sessions interface {
	List(ctx context.Context, match func(cookies.Listed) bool, limit int) ([]cookies.Listed, error)
	RevokeMatching(ctx context.Context, match func(cookies.Listed) bool) (int, error)
}

const (
	apiTime   = 10 * time.Minute // all sessions of a large store may have to end, one by one
	listLimit = 1000             // sessions, unless said otherwise
	listMost  = 100_000
	maxOrder  = 16 << 10 // bytes of a request
)

// API answers the commands of an operator: JSON below /api/v1. It asks nobody who
// they are, so it belongs on a socket that only the operator can open.
type API struct {
	mux      *http.ServeMux
	sessions Sessions
	log      *slog.Logger
}

// NewAPI returns an API.
func NewAPI(sessions Sessions, log *slog.Logger) *API {
	a := &API{mux: http.NewServeMux(), sessions: sessions, log: log}
	a.mux.HandleFunc("GET /api/v1/sessions", a.answer(a.list))
	a.mux.HandleFunc("POST /api/v1/sessions/revoke", a.answer(a.revoke))
	return a
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxOrder)
	a.mux.ServeHTTP(w, r.WithContext(ctx))
}

// badOrder is a request that cannot be carried out as it is.
type badOrder struct{ error }

// answer is the one place where the API writes.
func (a *API) answer(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		v, err := do(r)
		var bad badOrder
		switch {
		case errors.As(err, &bad):
			status = http.StatusBadRequest
		case err != nil:
			status = http.StatusServiceUnavailable
			a.log.Warn("operator's request failed", "path", r.URL.Path, "err", err)
		}
		if err != nil {
			v = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // the peer may be gone
	}
}

// Selector says which sessions are meant: those that all of its fields fit. Empty
// fields fit everything.
type Selector struct {
	User   string `json:"user,omitempty"`
	Method string `json:"method,omitempty"`
	App    string `json:"app,omitempty"`
	Handle string `json:"handle,omitempty"`
	All    bool   `json:"all,omitempty"` // needed when the others are empty
}

// Empty reports whether s names no sessions at all.
func (s Selector) Empty() bool { return s == Selector{} }

// Query is s as the query of an address.
func (s Selector) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"user": s.User, "method": s.Method, "app": s.App, "handle": s.Handle} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func (s Selector) fits(l cookies.Listed) bool {
	return (s.User == "" || l.Is(s.User)) && (s.Method == "" || s.Method == l.Method) &&
		(s.App == "" || s.App == l.App) && (s.Handle == "" || s.Handle == l.Handle())
}

// SessionInfo is a session as the API shows it.
type SessionInfo struct {
	Handle string    `json:"handle"`
	User   string    `json:"user"`
	Name   string    `json:"name,omitempty"`
	Method string    `json:"method"`
	App    string    `json:"app"`
	Client string    `json:"client,omitempty"`
	Began  time.Time `json:"began"`
	Ends   time.Time `json:"ends"`
}

func (a *API) list(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit := listLimit
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > listMost {
			return nil, badOrder{fmt.Errorf("limit is a number from 1 to %d", listMost)}
		}
		limit = n
	}
	s := Selector{User: q.Get("user"), Method: q.Get("method"), App: q.Get("app"), Handle: q.Get("handle")}
	all, err := a.sessions.List(r.Context(), s.fits, limit+1)
	if err != nil {
		return nil, err
	}
	more := len(all) > limit
	all = all[:min(len(all), limit)]
	infos := make([]SessionInfo, len(all))
	for i, l := range all {
		infos[i] = SessionInfo{
			Handle: l.Handle(), User: l.User, Name: l.Name, Method: l.Method, App: l.App, Client: l.Client,
			Began: time.UnixMilli(l.Began).UTC(), Ends: l.Ends.UTC(),
		}
	}
	return map[string]any{"sessions": infos, "more": more}, nil
}

func (a *API) revoke(r *http.Request) (any, error) {
	var s Selector
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, badOrder{fmt.Errorf("read the request: %w", err)}
	}
	if s.Empty() {
		return nil, badOrder{errors.New("name a user, method, app or handle, or say all")}
	}
	n, err := a.sessions.RevokeMatching(r.Context(), s.fits)
	a.log.Info("sessions revoked by an operator", "by", operator(r.Context()), "sessions", n, "user", s.User, "method", s.Method, "app", s.App,
		"handle", s.Handle, "all", s.All, "complete", err == nil)
	if err != nil {
		return nil, fmt.Errorf("%d sessions ended, then: %w", n, err)
	}
	return map[string]int{"revoked": n}, nil
}
