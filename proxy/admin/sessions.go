package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"foregate/authn/accounts"
	"foregate/cookies"
)

// Sessions is what the API needs of the signed-in browsers.
type Sessions interface {
	List(ctx context.Context, match func(cookies.Listed) bool, limit int) ([]cookies.Listed, error)
	Of(ctx context.Context, people ...cookies.Person) ([]cookies.Listed, error)
	Revoke(ctx context.Context, key string) error
	RevokeMatching(ctx context.Context, match func(cookies.Listed) bool) (int, error)
}

const (
	listLimit = 1000 // sessions, unless said otherwise
	listMost  = 100_000
)

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
	Ends   time.Time `json:"ends"` // at most
}

// SessionList is what the API answers to a list of sessions.
type SessionList struct {
	Sessions []SessionInfo `json:"sessions"`
	More     bool          `json:"more"`
}

// RevokedInfo says how many sessions have ended.
type RevokedInfo struct {
	Revoked int `json:"revoked"`
}

func infosOf(all []cookies.Listed) []SessionInfo {
	infos := make([]SessionInfo, len(all))
	for i, l := range all {
		infos[i] = SessionInfo{
			Handle: l.Handle(), User: l.User, Name: l.Name, Method: l.Method, App: l.App, Client: l.Client,
			Began: time.UnixMilli(l.Began).UTC(), Ends: l.Ends.UTC(),
		}
	}
	return infos
}

func listSessions(a *API, c *call) (any, error) {
	limit, err := c.number("limit", listLimit, listMost)
	if err != nil {
		return nil, err
	}
	q := c.URL.Query()
	s := Selector{User: q.Get("user"), Method: q.Get("method"), App: q.Get("app"), Handle: q.Get("handle")}
	all, err := a.Sessions.List(c.Context(), s.fits, limit+1)
	if err != nil {
		return nil, err
	}
	return SessionList{Sessions: infosOf(all[:min(len(all), limit)]), More: len(all) > limit}, nil
}

func revokeSessions(a *API, c *call) (any, error) {
	var s Selector
	if err := c.read(&s); err != nil {
		return nil, err
	}
	if s.Empty() {
		return nil, badOrder{errors.New("name a user, method, app or handle, or say all")}
	}
	n, err := a.Sessions.RevokeMatching(c.Context(), s.fits)
	a.Log.Info("sessions revoked by an operator", "request_id", requestID(c.Context()), "by", c.who.Actor, "sessions", n,
		"user", s.User, "method", s.Method, "app", s.App, "handle", s.Handle, "all", s.All, "complete", err == nil)
	if err != nil {
		return nil, fmt.Errorf("%d sessions ended, then: %w", n, err)
	}
	return RevokedInfo{n}, a.trail(c, accounts.Event{
		Action: "end_sessions", Method: s.Method, App: s.App, Result: "ok",
		Detail: map[string]any{"sessions": n, "user": s.User, "handle": s.Handle, "all": s.All},
	})
}

// trail writes a line of what is not a change of an account.
func (a *API) trail(c *call, e accounts.Event) error {
	if a.Accounts == nil {
		return nil
	}
	on := c.context()
	e.Actor, e.Client, e.RequestID = on.Actor, on.Client, on.RequestID
	return a.Accounts.Audit.Append(c.Context(), e)
}

// sessionsOf lists what an account has open, in whichever way its person signed in.
func (a *API) sessionsOf(ctx context.Context, account string) ([]cookies.Listed, error) {
	links, err := a.Accounts.Links(ctx, account)
	if err != nil {
		return nil, err
	}
	people := []cookies.Person{{Issuer: accounts.Issuer, Subject: account}}
	for _, l := range links {
		people = append(people, cookies.Person{Issuer: l.Issuer, Subject: l.Subject})
	}
	return a.Sessions.Of(ctx, people...)
}

func accountSessions(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	all, err := a.sessionsOf(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	return SessionList{Sessions: infosOf(all)}, nil
}

// WhichSession names a session of an account; empty: all of them.
type WhichSession struct {
	Handle string `json:"handle,omitempty"`
}

func endAccountSessions(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	var which WhichSession
	if err := c.read(&which); err != nil {
		return nil, err
	}
	all, err := a.sessionsOf(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, l := range all {
		if which.Handle != "" && which.Handle != l.Handle() {
			continue
		}
		if e := a.Sessions.Revoke(c.Context(), l.Key); e != nil {
			err = errors.Join(err, e)
			continue
		}
		n++
	}
	a.Log.Info("sessions of an account ended by an operator", "request_id", requestID(c.Context()), "by", c.who.Actor,
		"account", account.ID, "sessions", n, "complete", err == nil)
	if err != nil {
		return nil, fmt.Errorf("%d sessions ended, then: %w", n, err)
	}
	if n == 0 && which.Handle != "" {
		return nil, accounts.ErrNotFound
	}
	return RevokedInfo{n}, a.trail(c, accounts.Event{
		Action: "end_sessions", Account: account.ID, Organisation: account.Organisation, Result: "ok", Detail: map[string]any{"sessions": n},
	})
}
