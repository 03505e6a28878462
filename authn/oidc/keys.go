package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fetchWindow   = 30 * time.Second
	fetchesInside = 2 // one for the keys themselves, one for a rotation
	maxKeys       = 100
)

var (
	errNoKeys    = errors.New("key set holds no key that can be used")
	errThrottled = errors.New("key set was asked for moments ago")
	errFetch     = errors.New("fetch keys")
)

// keySet holds a provider's public keys; it is an oidc.KeySet.
//
// go-oidc's own set fetches anew for each token that does not verify, reads
// without limit, and forgets good keys when the answer is an empty set. This one
// fetches at most twice in half a minute, however many bad tokens arrive, and
// keeps what it has until it gets something better.
type keySet struct {
	client *http.Client
	url    string
	now    func() time.Time

	mu      sync.Mutex // guards what follows
	keys    []jose.JSONWebKey
	version int         // counts successful fetches
	fetches []time.Time // the last few, failed ones too

	turn chan struct{} // holds a token while somebody fetches
}

func newKeySet(client *http.Client, url string, now func() time.Time) *keySet {
	return &keySet{client: client, url: url, now: now, turn: make(chan struct{}, 1)}
}

// VerifySignature returns the payload that one of the provider's keys signed.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, asymmetric)
	if err != nil {
		return nil, fmt.Errorf("parse token: %w", err)
	}
	keys, version := s.cached()
	if payload, ok := verifyWith(keys, jws); ok {
		return payload, nil
	}
	if err := s.refetch(ctx, version); err != nil {
		return nil, fmt.Errorf("signature by an unknown key: %w", err)
	}
	keys, _ = s.cached()
	if payload, ok := verifyWith(keys, jws); ok {
		return payload, nil
	}
	return nil, errors.New("signature by an unknown key")
}

// asymmetric is what a key set is ever asked to verify; which of them a token
// may use, the caller has decided by the configuration.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// verifyWith tries each key that the token may mean. Several can bear one ID.
func verifyWith(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, bool) {
	if len(jws.Signatures) != 1 {
		return nil, false
	}
	header := jws.Signatures[0].Protected
	for i := range keys {
		k := &keys[i]
		if header.KeyID != "" && k.KeyID != header.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(k.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

func (s *keySet) cached() ([]jose.JSONWebKey, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.version
}

// ready fetches the keys if there are none at all. Without them a sign-in is
// better put off than begun, since a code can be redeemed only once.
func (s *keySet) ready(ctx context.Context) error {
	keys, version := s.cached()
	if len(keys) > 0 {
		return nil
	}
	return s.refetch(ctx, version)
}

// refetch brings keys newer than version, unless somebody else just did.
func (s *keySet) refetch(ctx context.Context, version int) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, current := s.cached(); current != version {
		return nil
	}
	if !s.mayFetch() {
		return errThrottled
	}
	// The result serves everybody who waits, so it outlives a person who leaves.
	return s.fetch(context.WithoutCancel(ctx))
}

// refresh fetches at the pace of its caller, the background watch.
func (s *keySet) refresh(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.fetch(ctx)
}

func (s *keySet) mayFetch() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := 0
	for _, t := range s.fetches {
		if s.now().Sub(t) < fetchWindow {
			recent++
		}
	}
	return recent < fetchesInside
}

// fetch is called by who holds the turn.
func (s *keySet) fetch(ctx context.Context) error {
	s.mu.Lock()
	s.fetches = append(s.fetches[max(0, len(s.fetches)-fetchesInside+1):], s.now())
	s.mu.Unlock()

	body, err := getJSON(ctx, s.client, s.url, "")
	if err != nil {
		return fmt.Errorf("%w: %w", errFetch, err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errFetch, s.url, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.version = keys, s.version+1
	return nil
}

// parseKeys reads a JWK set. It leaves out keys that it does not understand, as
// RFC 7517 section 5 asks, and those that no signature of ours may come from:
// symmetric, private, for encryption, or too short.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("is not a key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("key set holds more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && signing(&k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

func signing(k *jose.JSONWebKey) bool {
	if k.Use != "" && k.Use != "sig" {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
