package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"foregate/authn/accounts"
	"foregate/cookies"
)

const sessionsPage = 200 // sessions on a page

// sessionRow is a session as pages show it.
type sessionRow struct {
	SessionInfo
	End string // address of ending it; empty: the reader may not
}

func sessionRows(all []cookies.Listed) []sessionRow {
	rows := make([]sessionRow, 0, len(all))
	for _, info := range infosOf(all) {
		rows = append(rows, sessionRow{SessionInfo: info})
	}
	return rows
}

func latestFirst(all []cookies.Listed) {
	slices.SortFunc(all, func(a, b cookies.Listed) int {
		return cmp.Or(cmp.Compare(b.Began, a.Began), cmp.Compare(a.Key, b.Key))
	})
}

// sessionsOf are the sessions of an account, in whichever way its person signed in, the
// latest first.
func (c *Console) sessionsOf(ctx context.Context, account string, links []accounts.Link) ([]cookies.Listed, error) {
	people := []cookies.Person{{Issuer: accounts.Issuer, Subject: account}}
	for _, l := range links {
		people = append(people, cookies.Person{Issuer: l.Issuer, Subject: l.Subject})
	}
	found, err := c.Sessions.Of(ctx, people...)
	latestFirst(found)
	return found, err
}

// sessionsView is a list of sessions.
type sessionsView struct {
	Selector
	Sessions []sessionRow
	More     bool   // than are shown
	EndAll   string // address of ending all that were searched for
	People   bool   // there are accounts to look for
}

func (v *visit) selector() Selector {
	return Selector{User: v.asked("user"), Method: v.asked("method"), App: v.asked("app"), Handle: v.asked("handle")}
}

func (c *Console) sessions(v *visit) (shown, error) {
	view := sessionsView{Selector: v.selector(), People: c.Accounts != nil}
	found, err := c.Sessions.List(v.r.Context(), view.fits, sessionsPage+1)
	if err != nil {
		return shown{}, err
	}
	view.More = len(found) > sessionsPage
	found = found[:min(len(found), sessionsPage)]
	latestFirst(found)
	view.Sessions = sessionRows(found)
	if v.who.May(Desk) {
		for i := range view.Sessions {
			view.Sessions[i].End = "/sessions/end?" + url.Values{"handle": {view.Sessions[i].Handle}}.Encode()
		}
		if !view.Empty() && len(found) > 0 {
			view.EndAll = "/sessions/end?" + view.Query().Encode()
		}
	}
	return shown{page: "sessions", title: "Sessions", data: view}, nil
}

// askEnd asks whether to end the sessions that the address names.
func (c *Console) askEnd(v *visit) (shown, error) {
	s := v.selector()
	if s.Empty() {
		return shown{}, accounts.ErrNotFound
	}
	found, err := c.Sessions.List(v.r.Context(), s.fits, listLimit+1)
	if err != nil {
		return shown{}, err
	}
	if len(found) == 0 {
		return shown{}, accounts.ErrNotFound
	}
	how := plural(len(found), "session", "sessions")
	if len(found) > listLimit {
		how = "more than " + thousands(listLimit) + " sessions"
	}
	p := deedPage{
		Says:  "They are over with the next click, and what was not saved may be lost. The people can sign in again.",
		Label: "End " + how, Action: "/sessions/end", Back: "/sessions?" + s.Query().Encode(), Danger: true,
	}
	if len(found) == 1 {
		one := &found[0]
		p.Says = "It is over with the next click, and what was not saved may be lost. The person can sign in again."
		p.Facts = []attribute{{"User", one.User}, {"Signed in by", one.Method}, {"At", one.App}, {"Since", when(time.UnixMilli(one.Began)) + " UTC"}}
	}
	for name, values := range s.Query() {
		p.Keeps = append(p.Keeps, attribute{name, values[0]})
		if len(found) > 1 {
			p.Facts = append(p.Facts, attribute{strings.ToUpper(name[:1]) + name[1:], values[0]})
		}
	}
	return shown{page: "deed", title: "End " + how + "?", data: p}, nil
}

func (c *Console) end(v *visit) (shown, error) {
	s := v.selector()
	if s.Empty() {
		return shown{}, accounts.ErrNotFound
	}
	n, err := c.Sessions.RevokeMatching(v.r.Context(), s.fits)
	detail := map[string]any{"sessions": n}
	for name, values := range s.Query() {
		detail[name] = values[0]
	}
	err = errors.Join(err, c.noteEnd(v, accounts.Event{Method: s.Method, App: s.App, Detail: detail}, err))
	if err != nil {
		return shown{}, fmt.Errorf("%d sessions ended, then: %w", n, err)
	}
	return shown{to: "/sessions?done=sessions-ended"}, nil
}

// doEndOne ends a session if it is one of this account's.
func (c *Console) doEndOne(v *visit, a *accounts.Account) error {
	return c.endThese(v, a, func(l cookies.Listed) bool { return l.Handle() == v.asked("session") })
}

func (c *Console) doEndAll(v *visit, a *accounts.Account) error {
	return c.endThese(v, a, func(cookies.Listed) bool { return true })
}

// endThese ends those of an account's sessions that match. None is not found.
func (c *Console) endThese(v *visit, a *accounts.Account, match func(cookies.Listed) bool) error {
	links, err := c.Accounts.Links(v.r.Context(), a.ID)
	if err != nil {
		return err
	}
	found, err := c.sessionsOf(v.r.Context(), a.ID, links)
	if err != nil {
		return err
	}
	n := 0
	var failed error
	for _, l := range found {
		if !match(l) {
			continue
		}
		if err := c.Sessions.Revoke(v.r.Context(), l.Key); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		n++
	}
	if n == 0 && failed == nil {
		return accounts.ErrNotFound
	}
	return errors.Join(failed, c.noteEnd(v, accounts.Event{Account: a.ID, Organisation: a.Organisation, Detail: map[string]any{"sessions": n}}, failed))
}

// noteEnd writes who ended sessions into the log and the audit trail, also if the store
// did not answer to the end.
func (c *Console) noteEnd(v *visit, e accounts.Event, failed error) error {
	by := v.context()
	c.Log.Info("sessions revoked by an operator", "by", by.Actor, "which", e.Detail, "account", e.Account, "complete", failed == nil, "request_id", by.RequestID)
	if c.Accounts == nil {
		return nil
	}
	e.Actor, e.Client, e.RequestID, e.Action, e.Result = by.Actor, by.Client, by.RequestID, "end_sessions", "ok"
	if failed != nil {
		e.Result = "incomplete"
	}
	return c.Accounts.Audit.Append(context.WithoutCancel(v.r.Context()), e)
}
