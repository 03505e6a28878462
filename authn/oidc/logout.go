package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

const (
	logoutEvent  = "http://schemas.openid.net/event/backchannel-logout"
	maxLogoutAge = 2 * time.Minute
	maxSID       = 255
	maxTokenID   = 1 << 10
)

// Logout checks a logout token in full (OpenID Connect Back-Channel Logout 1.0,
// section 2.6). A token counts once; where that cannot be noted, or the provider's
// keys cannot be had, the provider is asked to try again.
func (m *Method) Logout(ctx context.Context, r *http.Request) (authn.Ended, error) {
	ctx, cancel := context.WithTimeout(ctx, resumeLimit)
	defer cancel()
	raw, err := logoutToken(r)
	if err != nil {
		return authn.Ended{}, notOurs(err)
	}
	if err := m.checkLogoutHeader(raw); err != nil {
		return authn.Ended{}, notOurs(err)
	}
	md, err := m.metadata(ctx)
	if err != nil {
		return authn.Ended{}, err
	}
	body, err := md.keys.VerifySignature(ctx, raw)
	switch {
	case errors.Is(err, errFetch), ctx.Err() != nil:
		return authn.Ended{}, authn.Unavailable(notAnswering, fmt.Errorf("oidc: logout token: %w", errors.Join(err, ctx.Err())))
	case err != nil:
		return authn.Ended{}, notOurs(err)
	}
	c, err := parseClaims(body)
	if err != nil {
		return authn.Ended{}, notOurs(err)
	}
	return m.logout(ctx, md, c)
}

func notOurs(err error) error {
	return authn.Invalid("This is no valid logout request.", fmt.Errorf("oidc: logout token: %w", err))
}

// logoutToken returns the one parameter of the request (section 2.5).
func logoutToken(r *http.Request) (string, error) {
	tokens := r.PostForm["logout_token"]
	switch {
	case r.Method != http.MethodPost:
		return "", errors.New("is not posted")
	case r.URL != nil && r.URL.RawQuery != "":
		return "", errors.New("comes with a query")
	case len(tokens) != 1 || tokens[0] == "":
		return "", fmt.Errorf("is sent %d times", len(tokens))
	}
	return tokens[0], nil
}

// checkLogoutHeader refuses what is no logout token. The plain type JWT is what
// providers write who do not know the one that section 2.4 recommends.
func (m *Method) checkLogoutHeader(raw string) error {
	typ, err := m.header(raw)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", "jwt", "logout+jwt", "application/logout+jwt"}, strings.ToLower(typ)) {
		return fmt.Errorf("is of another kind: %q", authn.CutControl(typ, 60))
	}
	return nil
}

// logout reads a token whose signature is good.
func (m *Method) logout(ctx context.Context, md *metadata, c claims) (authn.Ended, error) {
	ended, err := m.whoEnds(md, c)
	if err = errors.Join(err, m.checkAudience(c), m.checkLogoutTimes(c), checkLogoutMeaning(c)); err != nil {
		return authn.Ended{}, notOurs(err)
	}
	// Older tokens are refused by their age, so that is how long the mark is needed.
	until := m.now().Add(maxLogoutAge + 2*m.cfg.ClockTolerance)
	err = m.once.Spend(ctx, "oidc-logout:"+m.name+":"+c.text("jti"), until)
	if errors.Is(err, authn.ErrSpent) {
		return authn.Ended{}, notOurs(err)
	}
	if err != nil {
		return authn.Ended{}, authn.Unavailable("Signing out does not work at the moment. Try again in a minute.",
			fmt.Errorf("oidc: mark logout token as used: %w", err))
	}
	return ended, nil
}

// whoEnds names the sessions that the token means, in the words in which identity
// made them.
func (m *Method) whoEnds(md *metadata, c claims) (authn.Ended, error) {
	ended := authn.Ended{Issuer: md.Issuer, Subject: c.text("sub"), SID: c.text("sid")}
	switch {
	case c.has("sub") && !plainText(ended.Subject, maxSubject), c.has("sid") && !plainText(ended.SID, maxSID):
		return authn.Ended{}, errors.New("sub or sid is not a text of 1 to 255 bytes")
	case ended.Subject == "" && ended.SID == "":
		return authn.Ended{}, errors.New("has neither sub nor sid")
	}
	if m.cfg.Preset == presetEntra {
		// There sub is not what names a person, see entra.go.
		ended.Issuer, ended.Subject = m.tenantIssuer(md, c.text("iss")), ""
		if ended.SID == "" {
			return authn.Ended{}, errors.New("has no sid")
		}
	}
	if iss := c.text("iss"); iss == "" || iss != ended.Issuer {
		return authn.Ended{}, fmt.Errorf("is of another issuer %q", authn.CutControl(iss, 200))
	}
	return ended, nil
}

// tenantIssuer returns the issuer of the tenant that iss names, where it is one of
// ours, or else the provider's own.
func (m *Method) tenantIssuer(md *metadata, iss string) string {
	for _, t := range m.cfg.Tenants {
		if iss == md.issuerOf(strings.ToLower(t)) {
			return iss
		}
	}
	return md.Issuer
}

func plainText(s string, max int) bool {
	return s != "" && authn.CutControl(s, max) == s
}

func (m *Method) checkAudience(c claims) error {
	audience, err := texts(c["aud"])
	if err != nil {
		return fmt.Errorf("aud %w", err)
	}
	if !slices.Contains(audience, m.cfg.ClientID) {
		return errors.New("aud is another client")
	}
	return nil
}

func (m *Method) checkLogoutTimes(c claims) error {
	now, skew := m.now(), m.cfg.ClockTolerance
	issued, err := c.time("iat")
	switch {
	case err != nil:
		return err
	case issued.After(now.Add(skew)):
		return fmt.Errorf("is issued in the future, at %s; are the clocks right?", issued)
	case now.Sub(issued) > maxLogoutAge+skew:
		return fmt.Errorf("is too old, issued at %s", issued)
	}
	// The final specification wants exp; providers that follow a draft lack it.
	if c.has("exp") {
		expires, err := c.time("exp")
		if err != nil {
			return err
		}
		if now.After(expires.Add(skew)) {
			return fmt.Errorf("expired at %s", expires)
		}
	}
	return m.checkNotBefore(c)
}

// checkLogoutMeaning tells a logout token from every other kind (section 2.4).
func checkLogoutMeaning(c claims) error {
	events, _ := c["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return errors.New("events does not say that it is a logout")
	}
	if c.has("nonce") {
		return errors.New("has a nonce, so it may be an ID token")
	}
	if !plainText(c.text("jti"), maxTokenID) {
		return errors.New("has no jti")
	}
	return nil
}

// FrameOrigin is where the issuer's pages are.
func (m *Method) FrameOrigin() string {
	u, err := url.Parse(m.cfg.Issuer)
	if err != nil {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}
