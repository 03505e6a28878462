package gate

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

// TestHD9AssertionIsForOneApplicationAndShort: an application that follows the
// documentation accepts its own assertions and no other application's.
func TestHD9AssertionIsForOneApplicationAndShort(t *testing.T) {
	t.Parallel()
	f := start(t, options{apps: `
  - name: other
    hosts: [other.test]
    upstream: {url: "http://APPLICATION"}
    methods: [local]
    headers: {assertion: true}`})
	alice := f.alice()
	f.up.takeRequests()
	f.get("/x", alice)
	got := f.up.takeRequests()
	if len(got) != 1 || len(values(got[0].head, "X-Foregate-Assertion")) != 1 {
		t.Fatal("no assertion arrived")
	}
	token := values(got[0].head, "X-Foregate-Assertion")[0]
	keys := f.publishedKeys()

	claims, err := accept(token, keys, "app", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if claims.Issuer != "foregate" || claims.Subject != "alice" || claims.IdP != "foregate:local/local" || claims.User != "alice" {
		t.Errorf("who: %+v", claims)
	}
	if diff := cmp.Diff([]string{"users"}, claims.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if life := claims.Expiry.Time().Sub(claims.IssuedAt.Time()); life <= 0 || life > 5*time.Minute {
		t.Errorf("it lives %v", life)
	}
	if _, err := accept(token, keys, "other", time.Now()); err == nil {
		t.Error("another application accepts it")
	}
	if _, err := accept(token, keys, "app", time.Now().Add(7*time.Minute)); err == nil {
		t.Error("it is accepted when it is over")
	}
	if _, err := accept(token, keys, "app", time.Now().Add(-7*time.Minute)); err == nil {
		t.Error("it is accepted before it was issued")
	}
}

// claims are what an application reads of an assertion.
type claims struct {
	jwt.Claims
	IdP    string   `json:"idp"`
	User   string   `json:"user"`
	Groups []string `json:"groups"`
}

// accept checks an assertion as an application should (RFC 8725): one algorithm,
// the published keys, its own name as the audience, the times.
func accept(token string, keys jose.JSONWebKeySet, audience string, now time.Time) (claims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return claims{}, err
	}
	var c claims
	if err := parsed.Claims(keys, &c); err != nil {
		return claims{}, err
	}
	return c, c.ValidateWithLeeway(jwt.Expected{Issuer: "foregate", AnyAudience: jwt.Audience{audience}, Time: now}, time.Minute)
}

func (f *foregate) publishedKeys() jose.JSONWebKeySet {
	f.t.Helper()
	resp := newBrowser(f).get("/sso/keys")
	if resp.StatusCode != http.StatusOK {
		f.t.Fatalf("keys: %s", resp.Status)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(resp.body), &keys); err != nil {
		f.t.Fatal(err)
	}
	for _, k := range keys.Keys {
		if !k.IsPublic() || !k.Valid() {
			f.t.Fatal("a published key is not a public key")
		}
	}
	return keys
}
