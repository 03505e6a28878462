package ldap

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

const (
	connectTime = 10 * time.Second
	pageTime    = 30 * time.Second // for one page of everybody
)

// Everybody implements authn.Directory. It reads page by page, on connections of
// its own. Where the server knows no pages (RFC 2696), or its limits hold for all
// pages together, it goes on by first letter (letters.go).
//
// In memory are one page, the groups above others, and a hash for each person, so
// that nobody is given twice.
func (m *Method) Everybody(ctx context.Context, yield func(id authn.Identity, enabled bool) error) error {
	c, err := m.openService(ctx)
	if err != nil {
		return fmt.Errorf("ldap: read everybody: %w", err)
	}
	defer c.close()
	// OpenLDAP forgets where it was in one search in pages when another begins.
	second, err := m.openService(ctx)
	if err != nil {
		return fmt.Errorf("ldap: read everybody: %w", err)
	}
	defer second.close()
	r := &reading{
		Method: m,
		c:      c,
		groups: groups{Method: m, c: second, above: make(map[string][]group), primary: make(map[uint32]group)},
		given:  make(map[[16]byte]bool),
		yield:  yield,
	}
	if err := r.all(ctx); err != nil {
		return fmt.Errorf("ldap: read everybody: %w", err)
	}
	if r.left > 0 {
		m.log.WarnContext(ctx, "entries without a key or a user name were left out", "entries", r.left, "for example", r.example)
	}
	return nil
}

func (m *Method) openService(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	return m.servers.connect(ctx, m.service.bind)
}

// reading is one reading of everybody.
type reading struct {
	*Method
	c      *conn
	groups groups
	given  map[[16]byte]bool
	yield  func(authn.Identity, bool) error

	left    int // entries that are nobody
	example string
}

// all reads everybody, in pages or by letters.
func (r *reading) all(ctx context.Context) error {
	pages, err := r.pages(ctx)
	if err != nil {
		return err
	}
	if pages {
		err := r.c.paged(ctx, pageTime, r.cfg.PageSize, r.search(r.cfg.Filter, 0), func(e *ldap.Entry) error { return r.give(ctx, e) })
		if !tooMany(err) {
			return err
		}
		r.log.InfoContext(ctx, "the directory does not give everybody in pages; reading by letters", "answer", err.Error())
	}
	return r.byLetters(ctx)
}

// search is a search for people, with what their groups are found by.
func (r *reading) search(filter string, most int) *ldap.SearchRequest {
	return r.people(filter, most, append(r.wanted(), "memberOf"))
}

// pages reports whether the server knows pages. One that does not say gets a try.
func (r *reading) pages(ctx context.Context) (bool, error) {
	root := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"supportedControl"}, nil)
	result, err := r.c.search(ctx, pageTime, root)
	if err != nil && !answered(err) {
		return false, err
	}
	for _, e := range result.Entries {
		if known := texts(e, "supportedControl"); len(known) > 0 {
			return foldedIn(known, ldap.ControlTypePaging), nil
		}
	}
	return true, nil
}

// tooMany reports whether the server holds back entries, or knows no pages.
func tooMany(err error) bool {
	var mine *yieldError
	return !errors.As(err, &mine) && ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded,
		ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultUnavailableCriticalExtension)
}

// yieldError is what went wrong with a person and not with the search for people.
type yieldError struct{ err error }

func (e *yieldError) Error() string { return e.err.Error() }
func (e *yieldError) Unwrap() error { return e.err }

// give hands one person on, once.
func (r *reading) give(ctx context.Context, e *ldap.Entry) error {
	p, err := r.personOf(e)
	if err != nil {
		r.left++
		r.example = authn.CutControl(e.DN, 500)
		return nil
	}
	sum := sha256.Sum256([]byte(p.key))
	mark := [16]byte(sum[:])
	if r.given[mark] {
		return nil
	}
	r.given[mark] = true
	var names []string
	if r.cfg.Groups.From != fromNone {
		if names, err = r.groups.of(ctx, p); err != nil {
			return &yieldError{fmt.Errorf("groups of %q: %w", p.user, err)}
		}
	}
	if err := r.yield(r.identity(p, names), p.enabled(r.now())); err != nil {
		return &yieldError{err}
	}
	return nil
}
