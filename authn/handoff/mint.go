package handoff

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"foregate/authn"
)

// Draft is what a token shall say.
type Draft struct {
	User, Name, Email, Start string
	Claims                   map[string]any
	Made                     time.Time
	Host                     string // that it is for, where no audience is configured
	KeyID                    string // of the key to use; the first live one when empty
	SigningKey               []byte // PEM, the private half of jwt's public key
}

// Mint makes a token, for tests of a set-up. It returns the parameters for the
// query.
func (p *Partner) Mint(d Draft) (url.Values, error) {
	k, err := p.keyFor(d)
	if err != nil {
		return nil, err
	}
	c := Content{
		User: d.User, Name: d.Name, Email: d.Email, Start: d.Start, Claims: d.Claims,
		Made: d.Made, Expires: d.Made.Add(p.cfg.MaxAge), Audience: []string{p.audience(d.Host)}, Nonce: encodeWire(wireBase64URL, random(16)),
	}
	if reason := c.check(); reason != nil {
		return nil, errors.New(reason.Detail)
	}
	text, err := p.seal(k, c, d)
	if err != nil {
		return nil, err
	}
	if len(text) > maxToken {
		return nil, fmt.Errorf("the token has %d characters, more than %d", len(text), maxToken)
	}
	values := url.Values{p.cfg.Parameter: {text}}
	if p.macName != "" {
		values.Set(p.macName, encodeWire(p.macWire, macOf(k.mac, text)))
	}
	if p.cfg.PartnerParameter != "" {
		values.Set(p.cfg.PartnerParameter, p.name)
	}
	return values, nil
}

func (p *Partner) keyFor(d Draft) (*key, error) {
	for i := range p.keys {
		if k := &p.keys[i]; k.live(d.Made) && (d.KeyID == "" || k.id == d.KeyID) {
			return k, nil
		}
	}
	return nil, fmt.Errorf("there is no live key %q", authn.CutControl(d.KeyID, 32))
}

func (p *Partner) seal(k *key, c Content, d Draft) (string, error) {
	prefix := ""
	if k.id != "" {
		prefix = k.id + "."
	}
	switch p.cfg.Format {
	case formatAESGCM:
		plain, err := writeModern(c, "ts", "", "")
		if err != nil {
			return "", err
		}
		return prefix + encodeWire(wireBase64URL, sealGCM(k.aead, plain, additional(p.name, c.Audience[0]))), nil
	case formatJWE, formatJWT:
		payload, err := writeModern(c, "iat", "exp", p.name)
		if err != nil {
			return "", err
		}
		if p.cfg.Format == formatJWE {
			return sealJWE(k, payload)
		}
		private, err := signingKey(k, d.SigningKey)
		if err != nil {
			return "", err
		}
		return signJWT(k, private, payload)
	}
	plain, err := p.grammar.write(c)
	if err != nil {
		return "", err
	}
	return prefix + encodeWire(p.wire, p.legacy.encrypt(k.block, plain)), nil
}
