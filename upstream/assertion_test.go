package upstream

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// check verifies as a careful application would.
func check(t *testing.T, s *Signer, token, audience string) (assertion, error) {
	t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(s.JWKS(), &keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if typ := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != assertionType {
		t.Errorf("typ is %v", typ)
	}
	var claims assertion
	if err := parsed.Claims(keys.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil {
		t.Fatal(err)
	}
	expected := jwt.Expected{Issuer: assertionIssuer, AnyAudience: jwt.Audience{audience}, Time: time.Now()}
	return claims, claims.ValidateWithLeeway(expected, 0)
}

func TestHD9AssertionIsForOneApplicationAndFiveMinutes(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}, Assertion: true})
	id := alice()
	id.Authenticated = time.Now().Add(-time.Hour).Truncate(time.Second)
	send(t, front(t, u, tripFor(u, id)), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	token := values(a.head(t), AssertionHeader)[0]

	got, err := check(t, u.signer, token, "careplan")
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "0017" || got.IdP != "https://idp.example" || got.User != "alice" || !slices.Equal(got.Groups, []string{"users"}) ||
		!got.AuthTime.Time().Equal(id.Authenticated) || got.ID == "" {
		t.Errorf("got %+v", got)
	}
	if life := got.Expiry.Time().Sub(got.IssuedAt.Time()); life > 5*time.Minute {
		t.Errorf("lives %v", life)
	}
	if _, err := check(t, u.signer, token, "formulary"); err == nil {
		t.Error("another application would take it")
	}
}

func TestAssertionIsSignedOnceAndRenewedAtHalfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, err := New(Config{Name: "careplan", Route: Route{URL: nowhere()}, Assertion: true}, signer(t))
		if err != nil {
			t.Fatal(err)
		}
		c := u.Credentials(alice())
		get := func() string {
			value, err := c.assertion()
			if err != nil {
				t.Fatal(err)
			}
			return value[0]
		}
		first := get()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if get() != first {
					t.Error("signed anew at once")
				}
			})
		}
		wg.Wait()
		time.Sleep(assertionLife/2 - time.Second)
		if get() != first {
			t.Error("renewed early")
		}
		time.Sleep(time.Second)
		second := get()
		if second == first {
			t.Error("not renewed at half its life")
		}
		if _, err := check(t, u.signer, second, "careplan"); err != nil {
			t.Error(err)
		}
	})
}

func TestAllKeysArePublishedAndNoPrivatePart(t *testing.T) {
	var keys []*ecdsa.PrivateKey
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	s, err := NewSigner(keys)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(s.JWKS(), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	for i, key := range set.Keys {
		thumbprint, _ := key.Thumbprint(crypto.SHA256)
		if !key.IsPublic() || len(thumbprint) == 0 || !keys[i].PublicKey.Equal(key.Key) {
			t.Errorf("key %d is not the public half", i)
		}
	}
	if strings.Contains(string(s.JWKS()), `"d"`) {
		t.Error("the private part is published")
	}
}

func TestNewSignerRefusesOtherKeys(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]*ecdsa.PrivateKey{nil, {nil}, {p384}} {
		if _, err := NewSigner(keys); err == nil {
			t.Errorf("%v was accepted", keys)
		}
	}
}

func TestReplicasWithOneSecretDeriveOneKey(t *testing.T) {
	derive := func(secret string) *ecdsa.PrivateKey {
		key, err := DeriveKey([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	one, same, other := derive("0123456789abcdef"), derive("0123456789abcdef"), derive("0123456789abcdeg")
	if !one.Equal(same) || one.Equal(other) {
		t.Error("keys do not follow their secrets")
	}
	if _, err := NewSigner([]*ecdsa.PrivateKey{one}); err != nil {
		t.Error(err)
	}
	if _, err := DeriveKey([]byte("short")); err == nil {
		t.Error("a short secret was accepted")
	}
}
