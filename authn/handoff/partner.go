package handoff

import (
	"cmp"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Partner reads and makes the tokens of one partner. It is a Config made ready: it
// neither remembers tokens nor counts them.
type Partner struct {
	cfg     Config
	name    string // within tokens
	keys    []key
	macWire string
	macName string // parameter; empty without HMAC
	wire    string
	legacy  legacy
	grammar *grammar  // nil for aes-gcm, jwe and jwt
	sunset  time.Time // zero: none
}

// NewPartner makes a configuration ready for the method of this name. What is wrong
// with it is what Validate reports.
func NewPartner(c *Config, method string) (*Partner, error) {
	p, faults := c.compile(method, time.Now())
	return p, faults.join()
}

// compile makes everything ready and collects what is wrong on the way.
func (c *Config) compile(method string, now time.Time) (*Partner, *faults) {
	f := new(faults)
	p := &Partner{cfg: *c, name: cmp.Or(c.Partner, method)}
	p.cfg.Parameter = cmp.Or(c.Parameter, "token")
	p.cfg.MaxAge = cmp.Or(c.MaxAge, 2*time.Minute)
	if !slices.Contains(formats, c.Format) {
		f.add("format", fmt.Sprintf("%q is not known", authn.CutControl(c.Format, 32)), "use aes-gcm, jwe or jwt; blowfish, triple-des or aes-cbc for what there is already")
		return p, f
	}
	p.checkPage(f)
	p.checkKeys(f, now)
	p.checkRecipe(f)
	p.checkRisks(f)
	p.checkParameters(f)
	return p, f
}

// Circumstances are what a token is held against.
type Circumstances struct {
	Host string    // that the token came to
	Now  time.Time //
}

// Open decrypts, verifies and checks what came in a query or form. It does not
// know whether the token was used before. What is wrong is a *Reason. Whatever is
// wrong with a cipher's token, the same work is done before it is said.
func (p *Partner) Open(values url.Values, at Circumstances) (Content, *Reason) {
	text, mac, reason := p.parameters(values)
	if reason != nil {
		return Content{}, reason
	}
	if !p.sunset.IsZero() && !at.Now.Before(p.sunset) {
		return Content{}, refuse(Sunset, "%s is not accepted since %s", p.cfg.Format, p.sunset.Format(time.DateOnly))
	}
	audience := p.audience(at.Host)
	var best *Reason
	for _, k := range p.candidates(text, at.Now) {
		c, reason := p.openWith(k, text, mac, audience, at.Now)
		if reason == nil {
			c.KeyID = k.id
			return c, p.timely(c, at.Now)
		}
		if best == nil || reason.rank() > best.rank() {
			best = reason
		}
	}
	if best == nil {
		best = refuse(BadKey, "no live key, or none of the token's key ID")
	}
	return Content{}, best
}

func (p *Partner) audience(host string) string {
	if p.cfg.Audience != "" {
		return p.cfg.Audience
	}
	return host
}

// parameters takes token and HMAC from what came, each of which may be there once.
func (p *Partner) parameters(values url.Values) (text, mac string, reason *Reason) {
	names := []string{p.cfg.Parameter}
	if p.macName != "" {
		names = append(names, p.macName)
	}
	if p.cfg.PartnerParameter != "" {
		names = append(names, p.cfg.PartnerParameter)
	}
	for _, name := range names {
		switch v := values[name]; {
		case len(v) > 1:
			return "", "", refuse(Duplicate, "parameter %s stands there %d times", name, len(v))
		case len(v) == 1 && len(v[0]) > maxToken:
			return "", "", refuse(TooLong, "parameter %s has %d characters, more than %d", name, len(v[0]), maxToken)
		}
	}
	text, mac = values.Get(p.cfg.Parameter), values.Get(p.macName)
	switch {
	case text == "":
		return "", "", refuse(Missing, "no parameter %s", p.cfg.Parameter)
	case p.macName != "" && mac == "":
		return "", "", refuse(MAC, "no parameter %s", p.macName)
	case p.cfg.PartnerParameter != "" && values.Get(p.cfg.PartnerParameter) != p.name:
		return "", "", refuse(Audience, "parameter %s does not name this partner", p.cfg.PartnerParameter)
	}
	if p.grammar != nil {
		text = repaired(p.wire, text)
	}
	return text, repaired(p.macWire, mac), nil
}

// candidates are the live keys that a token may be of: the one it names, or all.
func (p *Partner) candidates(text string, now time.Time) []*key {
	var id string
	if p.cfg.Format == formatJWE || p.cfg.Format == formatJWT {
		first, _, _ := strings.Cut(text, ".")
		if b, err := decodeWire(wireBase64URL, first); err == nil {
			if header, err := readObject(b); err == nil {
				id, _ = header["kid"].(string)
			}
		}
	} else if before, _, named := strings.Cut(text, "."); named {
		if id = before; id == "" {
			return nil
		}
	}
	var all []*key
	for i := range p.keys {
		if k := &p.keys[i]; k.live(now) && (id == "" || k.id == id) {
			all = append(all, k)
		}
	}
	return all
}

// openWith opens a token with one key and reads what is in it.
func (p *Partner) openWith(k *key, text, mac, audience string, now time.Time) (Content, *Reason) {
	var c Content
	var reason *Reason
	switch p.cfg.Format {
	case formatAESGCM:
		c, reason = p.openGCM(k, text, audience)
	case formatJWE, formatJWT:
		c, reason = p.openJOSE(k, text)
	default:
		c, reason = p.openLegacy(k, text, mac, now)
	}
	if reason == nil && c.Audience != nil && !slices.Contains(c.Audience, audience) {
		reason = refuse(Audience, "the token is not for %q", audience)
	}
	return c, reason
}

func (p *Partner) openGCM(k *key, text, audience string) (Content, *Reason) {
	sealed, err := decodeWire(wireBase64URL, withoutID(text))
	if err != nil {
		return Content{}, &Reason{Code: Format, Err: err}
	}
	plain, err := openGCM(k.aead, sealed, additional(p.name, audience))
	if err != nil {
		return Content{}, &Reason{Code: BadKey, Err: err,
			Detail: fmt.Sprintf("another key, changed on the way, or not for partner %q and audience %q", p.name, audience)}
	}
	c, reason := readGCM(plain)
	c.iv = sealed[:k.aead.NonceSize()]
	return c, reason
}

func (p *Partner) openJOSE(k *key, text string) (Content, *Reason) {
	open := openJWT
	if p.cfg.Format == formatJWE {
		open = openJWE
	}
	payload, err := open(k, text)
	var shape *shapeError
	switch {
	case errors.As(err, &shape):
		return Content{}, &Reason{Code: Format, Err: err}
	case err != nil:
		return Content{}, &Reason{Code: BadKey, Detail: "another key, or changed on the way", Err: err}
	}
	c, reason := readClaims(payload, p.name)
	if p.cfg.Format == formatJWE {
		c.iv = []byte(strings.Split(text, ".")[2])
	}
	return c, reason
}

// openLegacy opens the token of a cipher. With an HMAC nothing is decrypted before
// it holds. Without one, a token with wrong padding is parsed to the end all the
// same, so that neither words nor time are a padding oracle.
func (p *Partner) openLegacy(k *key, text, mac string, now time.Time) (Content, *Reason) {
	if p.macName != "" {
		got, err := decodeWire(p.macWire, mac)
		if err != nil {
			return Content{}, &Reason{Code: MAC, Err: err}
		}
		if !hmac.Equal(got, macOf(k.mac, text)) {
			return Content{}, refuse(MAC, "another mac_key, or changed on the way")
		}
	}
	sealed, err := decodeWire(p.wire, withoutID(text))
	if err != nil {
		return Content{}, &Reason{Code: Format, Err: err}
	}
	plain, iv, padded, err := p.legacy.decrypt(k.block, sealed)
	if err != nil {
		return Content{}, &Reason{Code: Format, Err: err}
	}
	c, reason := p.grammar.read(plain, now)
	if !padded {
		return Content{}, refuse(Padding, "another key, mode or padding, or changed on the way")
	}
	if p.legacy.prefix {
		c.iv = iv
	}
	if reason == nil && c.Nonce == "" && p.macName != "" && p.legacy.prefix {
		c.Nonce = encodeWire(wireHex, iv) // authentic, so two tokens of one second are two
	}
	return c, reason
}

// withoutID cuts the key ID off a token.
func withoutID(text string) string {
	if _, after, named := strings.Cut(text, "."); named {
		return after
	}
	return text
}

// timely reports whether the content may be used now; nil if so.
func (p *Partner) timely(c Content, now time.Time) *Reason {
	skew := c.Made.Sub(now)
	switch {
	case skew > p.cfg.ClockTolerance || c.notBefore.Sub(now) > p.cfg.ClockTolerance:
		return &Reason{Code: Future, Skew: max(skew, c.notBefore.Sub(now)),
			Detail: fmt.Sprintf("made %s after our time, %s are tolerated", span(max(skew, c.notBefore.Sub(now))), p.cfg.ClockTolerance)}
	case -skew > p.cfg.MaxAge:
		return &Reason{Code: Age, Skew: skew, Detail: fmt.Sprintf("made %s before our time, at most %s are allowed", span(-skew), p.cfg.MaxAge)}
	case !c.Expires.IsZero() && now.After(c.Expires):
		return &Reason{Code: Age, Skew: c.Expires.Sub(now), Detail: fmt.Sprintf("expired %s ago by its own exp", span(now.Sub(c.Expires)))}
	}
	return nil
}

func span(d time.Duration) string { return d.Round(time.Second).String() }

// until is when the token can be forgotten: no replica takes it any more.
func (p *Partner) until(c Content) time.Time {
	return c.stamp.latest.Add(p.cfg.MaxAge + p.cfg.ClockTolerance)
}

// Parameter is the query parameter that holds the token.
func (p *Partner) Parameter() string { return p.cfg.Parameter }

// Bare gives Open a token that came without its query. Where an HMAC belongs to
// it, it will be missed.
func (p *Partner) Bare(token string) url.Values {
	values := url.Values{p.cfg.Parameter: {token}}
	if p.cfg.PartnerParameter != "" {
		values.Set(p.cfg.PartnerParameter, p.name)
	}
	return values
}
