package cookies

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"foregate/authn"
)

// ErrNoLister says that the store cannot tell which sessions are whose.
var ErrNoLister = errors.New("cookies: this store cannot list a person's sessions")

const (
	tagSize  = 16     // bytes of a tag; 32 as text
	listMost = 10_000 // sessions of one person
)

// tagger names whose session a record is, in a way that only a session secret can
// tell. A new record is tagged with the first secret; look-ups try all of them.
type tagger [][]byte

func newTagger(secrets [][]byte) (tagger, error) {
	var keys tagger
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "foregate record tag 1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive tag key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// of returns the tags of a new record of id.
func (t tagger) of(id *authn.Identity) []string {
	tags := []string{tag(t[0], "person", id.Issuer, id.Subject)}
	if id.SID != "" {
		tags = append(tags, tag(t[0], "sid", id.Issuer, id.SID))
	}
	return tags
}

func tag(key []byte, kind, issuer, name string) string {
	mac := hmac.New(sha256.New, key)
	// With the length before it no issuer runs on into the name.
	_, _ = mac.Write([]byte(kind + " " + strconv.Itoa(len(issuer)) + " " + issuer + name))
	return hex.EncodeToString(mac.Sum(nil)[:tagSize])
}

// RevokePerson ends all sessions of one person and returns how many there were.
// After an error some of them may be alive.
func (s *Sessions) RevokePerson(ctx context.Context, issuer, subject string) (int, error) {
	if issuer == "" || subject == "" {
		return 0, errors.New("cookies: end the sessions of nobody")
	}
	keys, err := s.tagged(ctx, "person", issuer, subject)
	if err != nil {
		return 0, err
	}
	return s.revokeAll(ctx, keys)
}

// RevokeSID ends the sessions here that belong to one session at an issuer (the
// sid of OpenID Connect Back-Channel Logout 1.0, section 2.1) and returns how many
// there were. If subject is not empty, only those of this person end.
func (s *Sessions) RevokeSID(ctx context.Context, issuer, subject, sid string) (int, error) {
	if issuer == "" || sid == "" {
		return 0, errors.New("cookies: end sessions without a session ID")
	}
	keys, err := s.tagged(ctx, "sid", issuer, sid)
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if subject != "" {
		theirs, err := s.tagged(ctx, "person", issuer, subject)
		if err != nil {
			return 0, err
		}
		keys = slices.DeleteFunc(keys, func(key string) bool { return !slices.Contains(theirs, key) })
	}
	return s.revokeAll(ctx, keys)
}

// tagged returns the keys of all records with a tag, whichever secret made it.
func (s *Sessions) tagged(ctx context.Context, kind, issuer, name string) ([]string, error) {
	l, ok := s.store.(Lister)
	if !ok {
		return nil, ErrNoLister
	}
	var all []string
	for _, secret := range s.derived.Load().tagger {
		keys, err := l.Tagged(ctx, tag(secret, kind, issuer, name), listMost)
		if err != nil {
			return nil, fmt.Errorf("cookies: list sessions: %w", err)
		}
		if len(keys) == listMost {
			return nil, fmt.Errorf("cookies: list sessions: there are %d or more", listMost)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// revokeAll goes on to the end although one of them fails.
func (s *Sessions) revokeAll(ctx context.Context, keys []string) (n int, err error) {
	for _, key := range keys {
		if e := s.Revoke(ctx, key); e != nil {
			err = errors.Join(err, e)
			continue
		}
		n++
	}
	return n, err
}

// OfPerson returns the sessions of one person that are not over, in no order, wherever
// they are valid. One whose summary does not open has an empty one: it can be ended
// all the same.
func (s *Sessions) OfPerson(ctx context.Context, issuer, subject string) ([]Listed, error) {
	if issuer == "" || subject == "" {
		return nil, errors.New("cookies: list the sessions of nobody")
	}
	notes, ok := s.store.(Noter)
	if !ok {
		return nil, ErrNoLister
	}
	keys, err := s.tagged(ctx, "person", issuer, subject)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Clock()
	var all []Listed
	for _, key := range keys {
		r, err := notes.Note(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue // ended since
		}
		if err != nil {
			return nil, fmt.Errorf("cookies: list sessions: %w", err)
		}
		l := Listed{Key: key, Ends: r.Expires.Add(-afterlife)}
		if !now.Before(l.Ends) {
			continue
		}
		l.Summary, _ = s.derived.Load().noter.open(key, r.Note)
		all = append(all, l)
	}
	return all, nil
}
