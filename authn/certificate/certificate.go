// Package certificate signs people in by the X.509 certificate that their browser shows in
// the TLS handshake: a smart card, or a certificate that their device was given.
//
// The server asks for one at the hosts of the method's apps and hands over what was shown
// (authn.Shown). Begin verifies it by crypto/x509 against the authorities of the method
// (anchors.go, verify.go) and their lists of revoked certificates (crl.go), and takes from
// it who the person is (identity.go). There is nothing to come back with, so Resume judges
// as Begin does. A certificate is looked at when somebody signs in, and not after that.
//
// # What lets nobody in
//
// While a file of authorities or a list cannot be read, is empty, damaged or out of date,
// the method is out of order: it never takes the system's authorities, nor goes on with
// what it read before. The log says so at once, Health as long as it lasts.
//
// # Who is who
//
// The issuer is "certificate:", the field that people are known by, and the name of the
// trusted authority at the end of the chain (RFC 4514); the subject is that field. So the
// same person has a renewed certificate, and two fields with the same text are two people.
// Where a directory is named, the person is who that says they are (directory.go).
package certificate

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// recent is how old a connection may be where people must prove anew who they are.
const recent = 10 * time.Minute

// Method is an authn.Authenticator, authn.Certified and authn.Healther.
type Method struct {
	name       string
	files      files
	demands    demands
	knownBy    field
	user       field
	ous        bool // are groups
	trustEmail bool
	claims     []string
	directory  string // method in whose directory people are looked up; empty for none
	method     func(name string) (authn.Authenticator, error)
	log        *slog.Logger
	now        func() time.Time

	trust atomic.Pointer[trust] // never nil
	said  string                // of what is wrong, last; look alone uses it
	ended sync.Once
	done  chan struct{} // closed by Close
}

var (
	_ authn.Authenticator = (*Method)(nil)
	_ authn.Certified     = (*Method)(nil)
	_ authn.Healther      = (*Method)(nil)
)

// Begin implements authn.Authenticator: it answers authn.SignedIn, or an *authn.Error that
// has a *Reason.
func (m *Method) Begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	now := m.now()
	t := m.trust.Load()
	if err := t.fault(now); err != nil {
		return nil, unusable(err)
	}
	chain, err := m.demands.verify(t, a.Shown.Chain, now)
	if err != nil {
		note(a.Trial, a.Shown.Chain)
		return nil, refused(err)
	}
	if a.Fresh && (a.Shown.Since.IsZero() || now.Sub(a.Shown.Since) > recent) {
		return nil, refused(refuse(Old, "%s must prove anew who they are, and the connection is from %v", dn(chain[0].RawSubject), a.Shown.Since))
	}
	id, err := m.identity(chain, a.Trial)
	if err != nil {
		return nil, refused(err)
	}
	if m.directory != "" {
		if id, err = m.looked(ctx, id.Subject, a.Trial); err != nil {
			return nil, err
		}
	}
	if id.Authenticated = a.Shown.Since; id.Authenticated.IsZero() {
		id.Authenticated = now
	}
	a.Trial.Check("Certificate", dn(chain[0].RawSubject), "serial number "+serial(chain[0]), "until "+chain[0].NotAfter.Format(time.RFC3339))
	a.Trial.Check("Authority", dn(chain[len(chain)-1].RawSubject))
	if len(t.lists) == 0 {
		a.Trial.Check("Revoked", "not looked at: no crl is configured")
	}
	for _, l := range t.lists {
		a.Trial.Check("Not revoked by", dn(l.RawIssuer), "list of "+l.ThisUpdate.Format(time.RFC3339))
	}
	return authn.SignedIn{Identity: id}, nil
}

// Resume implements authn.Authenticator. It judges anew: what the request brings along
// counts for nothing.
func (m *Method) Resume(ctx context.Context, a *authn.Attempt, _ *http.Request) (authn.Reply, error) {
	return m.Begin(ctx, a)
}

// Authorities implements authn.Certified.
func (m *Method) Authorities() []*x509.Certificate {
	t := m.trust.Load()
	if t.fault(m.now()) != nil {
		return nil
	}
	return t.authorities
}

// Health implements authn.Healther.
func (m *Method) Health() error {
	if err := m.trust.Load().fault(m.now()); err != nil {
		return unusable(err)
	}
	return nil
}

// Ends is when the first authority of each file ends, and when each list is out of date,
// by the name of the file; 1970 where that cannot be read.
func (m *Method) Ends() (authorities, lists map[string]time.Time) {
	t := m.trust.Load()
	return t.ends, t.listEnds
}

// Close ends the watching of files.
func (m *Method) Close() error {
	m.ended.Do(func() { close(m.done) })
	return nil
}

// note tells a try-out of a certificate that was refused.
func note(t *authn.Trial, shown []*x509.Certificate) {
	if len(shown) > 0 {
		t.Check("Certificate refused", authn.CutControl(dn(shown[0].RawSubject), maxText), "of "+authn.CutControl(dn(shown[0].RawIssuer), maxText))
	}
}

// Words for people. Of what was not accepted none says more than another: it is in the log.
const (
	wordsNone        = "Your browser did not show a smart card or digital ID. Put your card in, close all windows of the browser and open it again. When it asks, choose your card. Or go back and choose another way to sign in."
	wordsNotAccepted = "The smart card or digital ID that your browser showed is not accepted here. If you have another one, close all windows of the browser, open it again and choose that one. Or go back and choose another way to sign in, or ask your IT department."
	wordsExpired     = "Your smart card or digital ID has run out. Ask your IT department for a new one. Until you have it, go back and choose another way to sign in."
	wordsEarly       = "Your smart card or digital ID does not hold yet, or a clock is wrong. Go back and choose another way to sign in, or ask your IT department."
	wordsOld         = "To go on, show again that it is you: close all windows of the browser, open it again and choose your card. Or sign in another way."
	wordsUnusable    = "Nobody can sign in with a smart card or digital ID at the moment. Go back and choose another way to sign in, or try again later. Your IT department can see what is wrong."
)

// refused gives a *Reason its words.
func refused(err error) error {
	words := wordsNotAccepted
	var r *Reason
	if errors.As(err, &r) {
		switch r.Code {
		case None:
			words = wordsNone
		case Expired:
			words = wordsExpired
		case Early:
			words = wordsEarly
		case Old:
			words = wordsOld
		}
	}
	return authn.Invalid(words, err)
}

func unusable(err error) error {
	return authn.Unavailable(wordsUnusable, fmt.Errorf("certificate: out of order: %w", err))
}
