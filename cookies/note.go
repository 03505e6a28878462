package cookies

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"foregate/authn"
)

// Summary is what a list shows of a session. Only the browser's cookie opens a
// session; a summary is sealed with the session secret, so that an operator can
// see who is signed in and end it. The store alone reads neither.
type Summary struct {
	User   string `json:"u"`
	Name   string `json:"n,omitempty"`
	Method string `json:"m"`
	App    string `json:"a"`
	Client string `json:"c,omitempty"` // the address that the person signed in from
	Began  int64  `json:"b"`           // Unix milliseconds
}

// Listed is a session in a list.
type Listed struct {
	Summary
	Key  string    // for Revoke
	Ends time.Time // when its lifetime is over
}

// Handle is the session's short name in logs.
func (l Listed) Handle() string { return handle(l.Key) }

func handle(key string) string { return key[:min(len(key), handleSize)] }

const (
	handleSize = 12
	noteName   = 100 // bytes of a name in a summary
)

// noter seals summaries, one key for each secret: the first seals, all open.
type noter []cipher.AEAD

func newNoter(secrets [][]byte) (noter, error) {
	var n noter
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "foregate session summary 1", 32)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive summary key: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("cookies: summary cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("cookies: summary cipher: %w", err)
		}
		n = append(n, aead)
	}
	return n, nil
}

// seal binds a summary to its record: moved to another it does not open.
func (n noter) seal(key string, s Summary) ([]byte, error) {
	s.User, s.Name = authn.CutControl(s.User, noteName), authn.CutControl(s.Name, noteName)
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cookies: encode summary: %w", err)
	}
	return n[0].Seal(nil, nil, plain, []byte(key)), nil
}

func (n noter) open(key string, note []byte) (s Summary, ok bool) {
	for _, aead := range n {
		if plain, err := aead.Open(nil, nil, note, []byte(key)); err == nil {
			return s, json.Unmarshal(plain, &s) == nil
		}
	}
	return Summary{}, false
}

// sessionKey reports whether a record is a session's: all others have a kind and a
// colon before their key.
func sessionKey(key string) bool { return !strings.Contains(key, ":") }

// List returns the sessions that match, limit of them at most, in no order.
func (s *Sessions) List(ctx context.Context, match func(Listed) bool, limit int) ([]Listed, error) {
	enough := errors.New("enough")
	var all []Listed
	err := s.each(ctx, func(l Listed) error {
		if len(all) == limit {
			return enough
		}
		if match(l) {
			all = append(all, l)
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	return all, nil
}

// RevokeMatching ends the sessions that match and returns how many there were.
// After an error some of them may be alive.
func (s *Sessions) RevokeMatching(ctx context.Context, match func(Listed) bool) (int, error) {
	var keys []string
	err := s.each(ctx, func(l Listed) error {
		if match(l) {
			keys = append(keys, l.Key)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return s.revokeAll(ctx, keys)
}

// each visits the sessions of the store that are not over. One whose summary does
// not open was sealed with a secret that is gone: nobody can use it.
func (s *Sessions) each(ctx context.Context, visit func(Listed) error) error {
	w, ok := s.store.(Walker)
	if !ok {
		return ErrNoLister
	}
	now := s.cfg.Clock()
	return w.Walk(ctx, func(key string, r Record) error {
		if !sessionKey(key) {
			return nil
		}
		l := Listed{Key: key, Ends: r.Expires.Add(-afterlife)}
		if l.Summary, ok = s.noter.open(key, r.Note); !ok || !now.Before(l.Ends) {
			return nil
		}
		return visit(l)
	})
}
