package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// sessionsShown is how many sessions the person's page has.
const sessionsShown = 30

// mine returns the person's sessions, by whichever identity they signed in: this one
// first, then the newest. None for who is known by their place alone: all who are
// there are one person to us, and none of them may see or end what the others do.
func (s *Server) mine(ctx context.Context, me *self) ([]cookies.Listed, error) {
	if me.sess.Identity.Placed {
		return nil, nil
	}
	type person struct{ issuer, subject string }
	people := []person{{me.sess.Identity.Issuer, me.sess.Identity.Subject}}
	if me.has() {
		people = append(people, person{accounts.Issuer, me.account.ID})
		links, err := s.Accounts.Links(ctx, me.account.ID)
		if err != nil {
			return nil, noAccounts(err)
		}
		for _, l := range links {
			people = append(people, person{l.Issuer, l.Subject})
		}
	}
	var all []cookies.Listed
	seen := make(map[person]bool)
	for _, p := range people {
		if seen[p] {
			continue
		}
		seen[p] = true
		found, err := s.Sessions.OfPerson(ctx, p.issuer, p.subject)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	this := me.sess.Key()
	slices.SortFunc(all, func(a, b cookies.Listed) int {
		switch {
		case a.Key == this:
			return -1
		case b.Key == this:
			return 1
		}
		return cmp.Compare(b.Began, a.Began)
	})
	return all, nil
}

func (s *Server) addSessions(ctx context.Context, set *Set, me *self, page *pages.Account) error {
	all, err := s.mine(ctx, me)
	if errors.Is(err, cookies.ErrNoLister) {
		return nil // this store cannot tell
	}
	if err != nil {
		return storeDown(err)
	}
	titles := make(map[string]string)
	for _, app := range set.Apps() {
		titles[app.Name] = app.Name
		if app.Look.Title != "" {
			titles[app.Name] = app.Look.Title
		}
	}
	for i, l := range all {
		if i == sessionsShown {
			page.More = len(all) - i
			break
		}
		row := pages.Session{ID: l.Handle(), Where: titles[l.App], From: l.Client, This: l.Key == me.sess.Key()}
		if l.Began != 0 { // otherwise its summary was sealed with a secret that is gone
			row.Since = time.UnixMilli(l.Began)
		}
		page.Sessions = append(page.Sessions, row)
	}
	return nil
}

// endMine ends one of the person's other sessions, or all of them.
func (s *Server) endMine(ctx context.Context, x *exchange, r *http.Request, set *Set, me *self) error {
	if r.PostForm.Get(pages.FieldOthers) == "1" {
		if err := s.endMyOthers(ctx, x, me); err != nil {
			return err
		}
		redirect(x, http.StatusSeeOther, s.accountURL("")+"?done=others")
		return nil
	}
	all, err := s.mine(ctx, me)
	if err != nil {
		return storeDown(err)
	}
	handle := r.PostForm.Get(pages.FieldSession)
	i := slices.IndexFunc(all, func(l cookies.Listed) bool { return l.Handle() == handle && l.Key != me.sess.Key() })
	if i < 0 { // over already, or somebody else's
		return s.showAccount(ctx, x, r, set, me, "That device was signed out already.")
	}
	if err := s.Sessions.Revoke(ctx, all[i].Key); err != nil {
		return storeDown(err)
	}
	s.Log.Info("session ended by its person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "session", all[i].Handle(), "client", x.peer)
	redirect(x, http.StatusSeeOther, s.accountURL("")+"?done=session")
	return nil
}

// endMyOthers ends all sessions of the person but this one. It goes on to the end
// although one of them fails.
func (s *Server) endMyOthers(ctx context.Context, x *exchange, me *self) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signInTime)
	defer cancel()
	all, err := s.mine(ctx, me)
	n := 0
	for _, l := range all {
		if l.Key == me.sess.Key() {
			continue
		}
		e := s.Sessions.Revoke(ctx, l.Key)
		if e == nil {
			n++
		}
		err = errors.Join(err, e)
	}
	s.Log.Info("other sessions ended by their person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "sessions", n, "client", x.peer)
	if err != nil {
		return authn.Unavailable("Your other devices could not be signed out just now. Try again in a few seconds, or sign out on each of them.", fmt.Errorf("ending other sessions: %w", err))
	}
	return nil
}
