package oidc

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clock is a time that only the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func testKeys(t *testing.T, p *provider) (*keySet, *clock) {
	t.Helper()
	client := newClient(nil, time.Second)
	t.Cleanup(client.CloseIdleConnections)
	c := &clock{at: time.Now()}
	return newKeySet(client, p.URL+"/jwks", c.now), c
}

func TestOI10FloodOfUnknownKeysFetchesTwiceInHalfAMinute(t *testing.T) {
	p := newProvider(t)
	s, c := testKeys(t, p)
	good := p.token("n")
	if _, err := s.VerifySignature(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	stranger := ecKey(t)
	for i := range 1000 {
		c.at = c.at.Add(10 * time.Millisecond)
		bad := sign(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: fmt.Sprint("kid-", i)}}, nil, []byte("{}"))
		if _, err := s.VerifySignature(t.Context(), bad); err == nil {
			t.Fatal("a stranger's key verified")
		}
		if _, err := s.VerifySignature(t.Context(), good); err != nil {
			t.Fatalf("good token after %d bad ones: %v", i, err)
		}
	}
	if n := p.count("/jwks"); n > 2 {
		t.Errorf("keys were fetched %d times in ten seconds", n)
	}
	c.at = c.at.Add(fetchWindow)
	p.rotate(ecKey(t), "key-2")
	if _, err := s.VerifySignature(t.Context(), p.token("n")); err != nil {
		t.Errorf("after the flood, with new keys: %v", err)
	}
}

func TestOI10RotationWithoutOverlapCostsOneFetch(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	p.mustIn(t, m)
	before := p.count("/jwks")
	p.rotate(ecKey(t), "key-2")
	p.mustIn(t, m)
	p.mustIn(t, m)
	if n := p.count("/jwks") - before; n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestOI10CachedKeysOutliveABrokenEndpoint(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"slow":    func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"10 MB":   func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 10<<20)) },
		"HTML":    func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>down</html>")) },
		"empty":   func(w http.ResponseWriter, r *http.Request) {},
		"no keys": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"null":    func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`null`)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			s, c := testKeys(t, p)
			good := p.token("n")
			if err := s.refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.answer("/jwks", answer)
			c.at = c.at.Add(time.Hour)
			if err := s.refresh(t.Context()); err == nil {
				t.Error("refresh took the answer")
			}
			start := time.Now()
			if _, err := s.VerifySignature(t.Context(), good); err != nil {
				t.Errorf("good token: %v", err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("good token waited %s", took)
			}
		})
	}
}

func TestOI4KeysThatShareAnIDAreAllTried(t *testing.T) {
	p := newProvider(t)
	other := jose.JSONWebKey{Key: ecKey(t).Public(), KeyID: "key-1"}
	p.published = append([]jose.JSONWebKey{other}, p.published...)
	s, _ := testKeys(t, p)
	if _, err := s.VerifySignature(t.Context(), p.token("n")); err != nil {
		t.Error(err)
	}
}

func TestKeysOfAnotherAlgorithmDoNotVerify(t *testing.T) {
	p := newProvider(t)
	p.published = []jose.JSONWebKey{{Key: rsaKey().Public(), KeyID: "rsa", Algorithm: "PS256"}}
	p.signer = jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKey(), KeyID: "rsa"}}
	s, _ := testKeys(t, p)
	if _, err := s.VerifySignature(t.Context(), p.token("n")); err == nil {
		t.Error("a PS256 key verified an RS256 signature")
	}
}
