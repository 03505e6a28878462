package handoff

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"foregate/authn"
)

// Config is the part "handoff" of a method: one partner.
type Config struct {
	Page             string        `yaml:"page" required:"true" default:"" doc:"Address of the partner's own page, where browsers are sent to be signed in. Foregate itself never calls it."`
	ReturnParameter  string        `yaml:"return_parameter" default:"return_to" doc:"Parameter in which that page is told the absolute address to send the browser back to. Empty when it always sends to the same one; what the person wanted is then remembered here."`
	Format           string        `yaml:"format" required:"true" default:"" enum:"blowfish|triple-des|aes-cbc|aes-gcm|jwe|jwt" doc:"How the token is protected. Take aes-gcm, jwe or jwt for anything new."`
	Keys             []Key         `yaml:"keys" required:"true" default:"" doc:"The keys shared with the partner, two at most at a time."`
	Parameter        string        `yaml:"parameter" default:"token" doc:"Query parameter that holds the token."`
	Recipe           *Recipe       `yaml:"recipe" doc:"How the page makes a token of blowfish, triple-des or aes-cbc. Without it the defaults of each key hold."`
	Partner          string        `yaml:"partner" default:"" doc:"Name of the partner within the token: in the authenticated data of aes-gcm, as iss in jwe and jwt. The method's name by default."`
	PartnerParameter string        `yaml:"partner_parameter" default:"" doc:"Query parameter that must hold the partner's name, where several partners send their token in the same parameter."`
	Audience         string        `yaml:"audience" default:"" doc:"Whom aes-gcm, jwe and jwt tokens must be meant for. The host of the application by default."`
	StartParameter   string        `yaml:"start_parameter" default:"" doc:"Query parameter that may hold the local path of the page to open. Without it the page to open is the address that the token came to."`
	UserPrefix       string        `yaml:"user_prefix" default:"'{partner}:'" doc:"What stands before the partner's identifier in the user name that the application is given, so that no partner can name somebody else's user."`
	MaxAge           time.Duration `yaml:"max_age" min:"10s" max:"15m" default:"2m" doc:"How old a token may be."`
	ClockTolerance   time.Duration `yaml:"clock_tolerance" max:"5m" default:"60s" doc:"How far the partner's clock may be ahead."`

	Networks      []netip.Prefix `yaml:"networks" default:"[]" doc:"Where the partner's people are. A token from elsewhere is refused."`
	EmailVerified bool           `yaml:"email_verified" default:"false" doc:"That the partner vouches for the e-mail addresses it sends."`

	RefuseLegacyAfter            string `yaml:"refuse_legacy_after" default:"" doc:"The last day, as 2027-06-30, on which blowfish, triple-des and aes-cbc are accepted. It ends in UTC."`
	InsecureUnauthenticatedToken bool   `yaml:"insecure_unauthenticated_token" default:"false" doc:"Accept tokens without mac_key from everywhere, though whoever saw one can change it."`
}

// Key is one key shared with the partner.
type Key struct {
	ID       string       `yaml:"id" default:"" doc:"Names the key within a token: kid in jwe and jwt, ID and a dot before others. Without it the keys are tried in order."`
	Key      authn.Secret `yaml:"key" required:"true" default:"" doc:"The key, of 128 bits or more. For jwt a public key, or a secret of 256 bits."`
	MACKey   authn.Secret `yaml:"mac_key" default:"" doc:"Another key, of blowfish, triple-des and aes-cbc: each token must then come with its HMAC-SHA256."`
	Encoding string       `yaml:"encoding" default:"hex" enum:"hex|base64|text|pem|jwk" doc:"How both keys are written. pem and jwk are for the public keys of jwt."`
	Until    string       `yaml:"until" default:"" doc:"The last day, as 2027-06-30, on which the key is accepted. It ends in UTC."`
}

// Recipe is how a page makes a token of a cipher that does not say it itself.
type Recipe struct {
	Mode         string            `yaml:"mode" default:"cbc" enum:"cbc|ecb" doc:"Mode of the cipher."`
	IV           string            `yaml:"iv" default:"prefix" doc:"The first block of cbc: prefix (random, before the ciphertext), zero, or a fixed one in hex."`
	Padding      string            `yaml:"padding" default:"pkcs5" enum:"pkcs5|zero" doc:"How the last block is filled up."`
	Wire         string            `yaml:"wire" default:"base64url" enum:"base64url|base64|hex" doc:"How the token's octets are written."`
	MACParameter string            `yaml:"mac_parameter" default:"mac" doc:"Query parameter with the HMAC-SHA256 of the token's text, when the keys have a mac_key."`
	MACWire      string            `yaml:"mac_wire" default:"hex" enum:"hex|base64url|base64" doc:"How it is written."`
	Plaintext    string            `yaml:"plaintext" default:"delimited" enum:"delimited|query|json|fixed" doc:"How the fields stand in the encrypted text."`
	Delimiter    string            `yaml:"delimiter" default:"'|'" doc:"What stands between the fields of delimited."`
	Fields       []string          `yaml:"fields" default:"[timestamp, user, name]" doc:"The fields, exactly these and in this order: timestamp, user, and any of name, email, start, audience, nonce; any other name is a claim."`
	Columns      []int             `yaml:"columns" default:"[]" doc:"Widths of the fields of fixed, in bytes; shorter values are followed by spaces."`
	Names        map[string]string `yaml:"names" default:"{}" doc:"What the page calls a field of query or json, where it is another name."`
	Timestamp    string            `yaml:"timestamp" default:"unix" doc:"unix (seconds), unix-ms, iso8601, or a pattern of yyyy MM dd HH mm ss SSS such as yyyyMMddHHmmss."`
	Zone         string            `yaml:"zone" default:"UTC" doc:"Time zone of a timestamp that does not say it, as Europe/London."`
}

// The formats.
const (
	formatBlowfish  = "blowfish"
	formatTripleDES = "triple-des"
	formatAESCBC    = "aes-cbc"
	formatAESGCM    = "aes-gcm"
	formatJWE       = "jwe"
	formatJWT       = "jwt"
)

var formats = []string{formatBlowfish, formatTripleDES, formatAESCBC, formatAESGCM, formatJWE, formatJWT}

var _ authn.MethodConfig = (*Config)(nil)

// legacy reports whether the format needs a recipe.
func (c *Config) legacy() bool {
	return c.Format == formatBlowfish || c.Format == formatTripleDES || c.Format == formatAESCBC
}

// maced reports whether each token must come with its HMAC.
func (c *Config) maced() bool {
	return c.legacy() && len(c.Keys) > 0 && !c.Keys[0].MACKey.Empty()
}

// authenticated reports whether the partner's key vouches for a token's content.
func (c *Config) authenticated() bool { return !c.legacy() || c.maced() }

// recipe is the recipe with its defaults.
func (c *Config) recipe() Recipe {
	var r Recipe
	if c.Recipe != nil {
		r = *c.Recipe
	}
	r.Mode = cmp.Or(r.Mode, "cbc")
	r.IV = cmp.Or(r.IV, ivPrefix)
	r.Padding = cmp.Or(r.Padding, "pkcs5")
	r.Wire = cmp.Or(r.Wire, wireBase64URL)
	r.MACParameter = cmp.Or(r.MACParameter, "mac")
	r.MACWire = cmp.Or(r.MACWire, wireHex)
	r.Plaintext = cmp.Or(r.Plaintext, "delimited")
	r.Delimiter = cmp.Or(r.Delimiter, "|")
	if len(r.Fields) == 0 {
		r.Fields = []string{fieldTimestamp, fieldUser, fieldName}
	}
	r.Timestamp = cmp.Or(r.Timestamp, "unix")
	r.Zone = cmp.Or(r.Zone, "UTC")
	return r
}

// Open implements authn.MethodConfig.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	return c.open(env, time.Now)
}

func (c *Config) open(env authn.Env, now func() time.Time) (*method, error) {
	if env.Once == nil || env.Tries == nil {
		return nil, errors.New("handoff: no store for used tokens")
	}
	p, err := NewPartner(c, env.Name)
	if err != nil {
		return nil, err
	}
	m := &method{
		name: env.Name, title: authn.CutControl(env.Title, 80), claims: env.Claims, partner: p,
		once: env.Once, log: env.Log.With("method", env.Name), now: now,
		throttle: newThrottle(env.Tries, env.Name),
		steady:   newSteady(now()),
		drawn:    newDrawn(),
	}
	return m, nil
}

// Takes is what a method of this name recognises in a query: no two methods of one
// app may take the same, or the first would take the other's tokens for bad ones.
func (c *Config) Takes(method string) string {
	what := "the parameter " + cmp.Or(c.Parameter, "token")
	if c.PartnerParameter != "" {
		what += " beside " + c.PartnerParameter + "=" + cmp.Or(c.Partner, method)
	}
	return what
}

// Warnings says what is allowed, but should be known at every start.
func (c *Config) Warnings() []*authn.Fault {
	var all []*authn.Fault
	if !c.authenticated() && !c.InsecureUnauthenticatedToken {
		all = append(all, &authn.Fault{
			Path: "keys", Problem: "tokens without mac_key can be changed by whoever saw one, in the partner's networks",
			Remedy: "let the partner's page add an HMAC, or use aes-gcm",
		})
	}
	if c.UserPrefix == "" {
		all = append(all, &authn.Fault{
			Path: "user_prefix", Problem: "is empty, so this partner chooses user names that may be somebody else's",
			Remedy: "leave it out, unless this partner's identifiers are the application's own user names",
		})
	}
	if end, err := lastDay(c.RefuseLegacyAfter); err == nil && !end.IsZero() && time.Until(end) < 30*24*time.Hour {
		all = append(all, &authn.Fault{
			Path: "refuse_legacy_after", Problem: c.Format + " ends on " + c.RefuseLegacyAfter, Remedy: "see to it that the partner's page makes another format by then",
		})
	}
	for i, k := range c.Keys {
		if until, err := lastDay(k.Until); err == nil && !until.IsZero() && !time.Now().Before(until) {
			all = append(all, &authn.Fault{Path: fmt.Sprintf("keys[%d].until", i), Problem: "is over, so the key opens nothing", Remedy: "remove the key"})
		}
	}
	return all
}

// userPrefix is the configured prefix for the partner of this name.
func (c *Config) userPrefix(name string) string {
	return strings.ReplaceAll(c.UserPrefix, "{partner}", name)
}

// lastDay is the end of a day in UTC; zero for none.
func lastDay(day string) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a day", day)
	}
	return t.AddDate(0, 0, 1), nil
}
