// Package handoff signs people in by a token that a partner organisation's own
// page made for them.
//
// Begin sends the browser to the partner's page, with the address to come back to.
// The page knows who it is, and sends the browser back with a token in the query,
// on whatever address: Recognize (recognise.go) finds it there. Resume judges it:
// may this client come (networks), is the token well formed and opened by a key of
// this partner and of no other (partner.go; keys.go, cipher.go, jose.go, wire.go),
// what does it say (plaintext.go, claims.go, content.go), is it meant for this
// application and made just now (timestamp.go), and was it used before (Once).
// Then there is a person.
//
// # What a stranger learns
//
// Every refusal has the same words and status; the reason (reason.go) goes to the
// log. An HMAC is compared before anything is decrypted. Without one, a token with
// wrong padding is read to its end like any other, and the partner has twenty bad
// tokens a minute, all clients together (throttle.go). Such tokens cannot be made
// safe: a configuration must name the partner's networks or accept the risk by
// name. docs/methods/handoff.md says what remains possible.
//
// # Once
//
// A token is known by what it says: partner, user, time, and what makes it unique
// where the partner's key vouches for that. Not by its ciphertext: a bit changed in
// that would make it a new one.
package handoff

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// method is an authn.Authenticator, Recognizer and Healther.
type method struct {
	name     string
	title    string
	claims   []string // further ones to keep
	partner  *Partner
	once     authn.Once
	log      *slog.Logger
	now      func() time.Time
	throttle *throttle
	steady   *steady
	drawn    *drawn
}

// Begin implements authn.Authenticator: it sends the browser to the partner's page,
// unless what that makes could not be opened.
func (m *method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	if err := m.Health(); err != nil {
		return nil, err
	}
	cfg := &m.partner.cfg
	if cfg.ReturnParameter == "" || a.Origin == "" {
		return authn.Redirect{URL: cfg.Page}, nil
	}
	joint := "?"
	if strings.Contains(cfg.Page, "?") {
		joint = "&"
	}
	to := a.Return
	if !strings.HasPrefix(to, "/") { // on another host; the attempt remembers it
		to = "/"
	}
	back := url.QueryEscape(a.Origin + to)
	return authn.Redirect{URL: cfg.Page + joint + cfg.ReturnParameter + "=" + back}, nil
}

// Resume implements authn.Authenticator: it judges a token, in the query or in a
// form. An error for a token that was used before is an *authn.AlreadyUsed too.
func (m *method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	c, reason := m.open(a, r.Form)
	if reason != nil {
		return nil, m.refused(ctx, a.Client, reason)
	}
	m.tell(c, a.Trial)
	id := m.identity(c)
	if start := m.start(c, r.Form); start != "" {
		a.Return = start // also where it was used before: who used it goes on to it
	}
	switch err := m.once.Spend(ctx, m.spentKey(c), m.partner.until(c)); {
	case errors.Is(err, authn.ErrSpent):
		return nil, m.refused(ctx, a.Client, &Reason{Code: Replay, Err: &authn.AlreadyUsed{Issuer: id.Issuer, Subject: id.Subject}})
	case err != nil:
		return nil, m.unavailable(fmt.Errorf("handoff: spend a token: %w", err))
	}
	if m.steady.saw(c.User, m.now()) {
		m.log.WarnContext(ctx, "nearly every hand-off is of a user never seen before: does the partner's page send session identifiers instead of users?", "partner", m.partner.name)
	}
	if c.iv != nil && m.drawn.again(c.iv, m.now()) {
		m.log.WarnContext(ctx, "two tokens have the same nonce or IV: the partner's page must draw it at random for each, or what is encrypted can be read and changed", "partner", m.partner.name)
	}
	return authn.SignedIn{Identity: id}, nil
}

// open judges what came, but for whether it was used before.
func (m *method) open(a *authn.Attempt, form url.Values) (Content, *Reason) {
	cfg := &m.partner.cfg
	if len(cfg.Networks) > 0 && !within(cfg.Networks, a.Client) {
		return Content{}, refuse(Network, "%v is not in the partner's networks", a.Client)
	}
	at := Circumstances{Host: a.Host, Now: m.now()}
	if cfg.authenticated() {
		return m.partner.Open(form, at)
	}
	return m.throttle.guess(at.Now, func() (Content, *Reason) { return m.partner.Open(form, at) })
}

func within(networks []netip.Prefix, client netip.Addr) bool {
	client = client.Unmap()
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

// refused counts a refusal and makes of it what the person is told. It is the same
// for all reasons, but when there were too many.
func (m *method) refused(ctx context.Context, client netip.Addr, reason *Reason) error {
	tooMany, err := m.throttle.failed(ctx, client, reason.Code, m.now())
	switch {
	case err != nil:
		return m.unavailable(errors.Join(reason, err))
	case tooMany:
		return &authn.Error{
			Public: fmt.Sprintf("Too many links from “%s” could not be used in the last minute. Wait a minute, go back to the page where you found the link, and follow it again.", m.title),
			Err:    reason, Status: http.StatusTooManyRequests, RetryAfter: time.Minute,
		}
	}
	return authn.Refused(fmt.Sprintf("This link from “%s” could not be used. Such a link can be used once, and only for a few minutes by the clocks of both sides. Go back to the page where you found it and follow the link again. If that does not help, tell the people who look after that page.", m.title), reason)
}

func (m *method) unavailable(err error) error {
	return authn.Unavailable("We cannot sign you in at the moment. Wait a minute, go back to the page where you found the link, and follow it again.", err)
}

// spentKey is what a token is remembered by. Without a key that vouches for the
// nonce it must not count: a changed one would make the token a new one.
func (m *method) spentKey(c Content) string {
	nonce := ""
	if m.partner.cfg.authenticated() {
		nonce = c.Nonce
	}
	h := sha256.New()
	for _, part := range []string{m.name, c.User, c.stamp.text, nonce} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "handoff:" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (m *method) identity(c Content) authn.Identity {
	cfg := &m.partner.cfg
	made := c.Made
	if now := m.now(); made.After(now) {
		made = now
	}
	return authn.Identity{
		Method:            m.name,
		Issuer:            "handoff:" + m.name,
		Subject:           c.User,
		User:              cfg.userPrefix(m.partner.name) + c.User,
		PreferredUsername: c.User,
		Email:             c.Email,
		Checked:           cfg.EmailVerified && c.Email != "",
		Name:              c.Name,
		Claims:            m.wanted(c.Claims),
		Authenticated:     made,
	}
}

// wanted are the claims that some application is sent, as JSON values.
func (m *method) wanted(claims map[string]any) map[string]any {
	var kept map[string]any
	for _, name := range m.claims {
		v, there := claims[name]
		if !there {
			continue
		}
		var plain any
		if b, err := json.Marshal(v); err != nil || json.Unmarshal(b, &plain) != nil {
			continue // cannot be: it was read from JSON
		}
		if kept == nil {
			kept = make(map[string]any)
		}
		kept[name] = plain
	}
	return kept
}

// start is the page to open by the token's own word, or by its parameter beside
// it; empty when neither names a local one.
func (m *method) start(c Content, form url.Values) string {
	if localPath(c.Start) {
		return c.Start
	}
	if name := m.partner.cfg.StartParameter; name != "" && len(form[name]) == 1 && localPath(form[name][0]) {
		return form[name][0]
	}
	return ""
}

// Health implements authn.Healther.
func (m *method) Health() error {
	now := m.now()
	live := slices.ContainsFunc(m.partner.keys, func(k key) bool { return k.live(now) })
	ended := !m.partner.sunset.IsZero() && !now.Before(m.partner.sunset)
	if live && !ended {
		return nil
	}
	return authn.Unavailable("This way to sign in has ended. Choose another one, or ask your organisation how to sign in now.",
		errors.New("handoff: no key of the partner is live, or refuse_legacy_after is over"))
}

// Format is the configured format, for figures.
func (m *method) Format() string { return m.partner.cfg.Format }

// Unstable reports whether nearly all of the people who were handed off lately had
// never been seen before, as when a partner's page sends session identifiers.
func (m *method) Unstable() bool { return m.steady.unstable() }
