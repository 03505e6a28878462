// Package kerberos signs people in by the ticket of their device: a PC that is joined
// to a domain, on which somebody has signed in to Windows (SPNEGO, RFC 4559).
//
// Begin sends the browser to the method's callback, which belongs to the attempt.
// There Resume answers authn.Challenge, and a browser that has a ticket for us repeats
// the request with it. token.go takes the Kerberos request out of what was sent,
// ticket.go verifies it with a key of the keytab (keys.go). A browser without a
// ticket, one that offers NTLM, and one whose ticket is no good is led to the other
// ways in (authn.Elsewhere) and is not asked again: there is no circle.
//
// Since the callback is that of an attempt, a ticket signs in only the browser that
// began; and a browser that sends its ticket unasked has an attempt when it does.
//
// # What is accepted
//
// Tickets encrypted with AES for a name of this host, of a person of an expected realm,
// within five minutes of clock difference. Each request counts once, on all replicas:
// it is spent in the shared store, by the hash of its authenticator, which cannot be
// changed without the session key. Delegated credentials are ignored.
//
// # Who is who
//
// The issuer is "kerberos:" and the method's name, the subject is the principal with
// its realm, or the SID, which outlives a change of name. A computer and a service are
// nobody. The SID and the groups are in the ticket, signed by the KDC (pac.go).
//
// Where a directory is named, the person is who that says they are (directory.go).
package kerberos

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"foregate/authn"
)

// recent is how old a person's typing their password may be where they must prove anew
// who they are.
const recent = 10 * time.Minute

// Method is an authn.Authenticator and authn.Near.
type Method struct {
	name      string
	keys      keys
	services  []string // empty: HTTP/ and the host of the attempt
	realms    []string
	networks  []netip.Prefix
	principal bool // is the user
	rc4       bool
	bySID     bool   // people are known by their SID
	groups    bool   // SIDs of groups are wanted
	directory string // method in whose directory people are looked up; empty for none
	method    func(name string) (authn.Authenticator, error)
	once      authn.Once
	log       *slog.Logger
	now       func() time.Time
}

var (
	_ authn.Authenticator = (*Method)(nil)
	_ authn.Near          = (*Method)(nil)
)

// Begin implements authn.Authenticator.
func (m *Method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	if !m.Near(a.Client) {
		return nil, m.far(a)
	}
	return authn.Redirect{URL: a.Callback + "?" + url.Values{"state": {a.ID}}.Encode()}, nil
}

// Near implements authn.Near. The zero address is nowhere.
func (m *Method) Near(client netip.Addr) bool {
	if client.Zone() != "" {
		return false
	}
	client = client.Unmap()
	for _, n := range m.networks {
		if n.Contains(client) {
			return true
		}
	}
	return false
}

func (m *Method) far(a *authn.Attempt) error {
	return authn.Refused("This way to sign in works only with devices on your organisation's own network. Go back and choose another way to sign in.",
		fmt.Errorf("kerberos: client %s is in none of the networks of %q", a.Client.WithZone(""), m.name))
}

// Resume implements authn.Authenticator.
func (m *Method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if !m.Near(a.Client) {
		return nil, m.far(a)
	}
	text, ok := given(r)
	if !ok {
		return authn.Challenge{Scheme: scheme}, nil
	}
	req, err := readToken(text)
	if err != nil {
		return m.elsewhere(ctx, a, err), nil
	}
	c, err := m.verify(req, m.servicesOf(a.Host), a.Client)
	if err != nil {
		return m.elsewhere(ctx, a, err), nil
	}
	if a.Fresh && m.now().Sub(c.proved) > recent {
		return nil, authn.Refused("To go on, show again that it is you: lock this device, unlock it with your password, and try again. Or sign in another way.",
			fmt.Errorf("kerberos: %s must prove anew who they are, and did so at %v", c.name, c.proved))
	}
	if err := m.spend(ctx, req.EncryptedAuthenticator.Cipher, c.until); err != nil {
		return nil, err
	}
	if m.directory == "" {
		return authn.SignedIn{Identity: m.identity(c)}, nil
	}
	id, err := m.looked(ctx, c)
	if errors.Is(err, authn.ErrNoPerson) {
		return m.elsewhere(ctx, a, err), nil
	}
	return authn.SignedIn{Identity: id}, err
}

// servicesOf are the names that a ticket may be for. Tickets name no port.
func (m *Method) servicesOf(host string) []string {
	if len(m.services) > 0 {
		return m.services
	}
	if u, err := url.Parse("//" + host); err == nil {
		host = u.Hostname()
	}
	return []string{"HTTP/" + host}
}

// elsewhere leads a person to the other ways and tells the operator why.
func (m *Method) elsewhere(ctx context.Context, a *authn.Attempt, err error) authn.Reply {
	a.Trial.Check("Ticket refused", authn.CutControl(err.Error(), 500))
	m.log.InfoContext(ctx, "ticket refused", "reason", authn.CutControl(err.Error(), 500), "host", a.Host, "client", a.Client.String())
	return authn.Elsewhere{}
}

// spend refuses a request that was sent before.
func (m *Method) spend(ctx context.Context, authenticator []byte, until time.Time) error {
	err := m.once.Spend(ctx, fmt.Sprintf("kerberos:%s:%x", m.name, sha256.Sum256(authenticator)), until)
	switch {
	case errors.Is(err, authn.ErrSpent):
		return authn.Invalid("This sign-in was used already. Please sign in again.", fmt.Errorf("kerberos: request was sent before: %w", err))
	case err != nil:
		return authn.Unavailable("You cannot be signed in this way at the moment. Try again in a minute, or sign in another way.", fmt.Errorf("kerberos: %w", err))
	}
	return nil
}

func (m *Method) identity(c client) authn.Identity {
	principal := c.name + "@" + c.realm
	id := authn.Identity{
		Method: m.name, Issuer: "kerberos:" + m.name, Subject: principal,
		User: c.name, PreferredUsername: c.name,
		Authenticated: c.proved,
	}
	if m.principal {
		id.User = principal
	}
	if m.bySID {
		id.Subject = c.facts.sid
	}
	if m.groups {
		id.Groups = c.facts.groups
	}
	id.Name = c.facts.name
	return id
}

// shown is a stranger's text for the log.
func shown(s string) string { return authn.CutControl(s, 255) }
