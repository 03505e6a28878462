package partner

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/handoff"
)

// keys are what a partner and an application have in common.
type keys struct {
	key, mac          string // in hex
	partner, audience string // of the modern forms
	app               string // origin of the application
}

// formats are what Foregate calls a page's forms.
var formats = map[string]string{"legacy": "blowfish", "modern": "aes-gcm", "jwt": "jwt"}

// at are the same keys for an application at another host.
func (k keys) at(host string) keys {
	k.app = "https://" + host
	if k.audience != "" {
		k.audience = host
	}
	return k
}

func (k keys) host() string { return strings.TrimPrefix(k.app, "https://") }

// foregate opens tokens as the product does, with what an administrator would
// configure.
func (k keys) foregate(t *testing.T, form string) *handoff.Partner {
	t.Helper()
	c := handoff.Config{
		Page: "https://intranet.st-elsewhere.example/sso", Format: formats[form], MaxAge: 2 * time.Minute, ClockTolerance: time.Minute,
		Keys: []handoff.Key{{Key: authn.NewSecret(k.key), MACKey: authn.NewSecret(k.mac)}},
	}
	if form != "legacy" {
		c.Keys[0].MACKey = authn.Secret{}
	}
	p, err := handoff.NewPartner(&c, "st-elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sent is where a page sends the browser, without the token, and what Foregate reads
// in that.
func sent(t *testing.T, got answer, k keys, form string) (string, handoff.Content) {
	t.Helper()
	to, q := parameters(t, got)
	said, reason := k.foregate(t, form).Open(q, handoff.Circumstances{Host: k.host(), Now: time.Now()})
	if reason != nil {
		t.Fatalf("%q: %v", got.location, reason)
	}
	return to, said
}

// parameters are those of the token, and the address before them.
func parameters(t *testing.T, got answer) (string, url.Values) {
	t.Helper()
	to := got.location
	if got.status != http.StatusFound || to == "" {
		t.Fatalf("%d, Location %q: %.2000s", got.status, to, got.body)
	}
	i := strings.LastIndex(to, "token=")
	if j := strings.LastIndex(to, "mac="); j >= 0 && j < i {
		i = j
	}
	if i < 1 {
		t.Fatalf("no token in %q", to)
	}
	q, err := url.ParseQuery(to[i:])
	if err != nil {
		t.Fatal(err)
	}
	return to[:i], q
}
