package cookies

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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
	User   string `json:"u"`           // of a very long name the beginning, see Is
	Whole  string `json:"w,omitempty"` // what tells such a name from others that begin alike
	Name   string `json:"n,omitempty"`
	Method string `json:"m"`
	App    string `json:"a"`
	Client string `json:"c,omitempty"` // the address that the person signed in from
	Began  int64  `json:"b"`           // Unix milliseconds
}

// Is reports whether the session is this user's. A long name must be whole, also
// where User has only its beginning.
func (s Summary) Is(user string) bool {
	if s.Whole != "" {
		return s.Whole == nameSum(user)
	}
	return s.User == authn.CutControl(user, len(user))
}

func nameSum(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawStdEncoding.EncodeToString(sum[:nameSumSize])
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
	handleSize  = 12
	noteName    = 100 // bytes of a name in a summary, or fewer
	noteMost    = 512 // bytes of a note, see Record
	noteSeal    = 28  // of them for nonce and tag
	nameSumSize = 12
)

// noter seals summaries.
type noter struct{ Vault }

func newNoter(secrets [][]byte) (noter, error) {
	v, err := NewVault(secrets, "foregate session summary 1")
	return noter{v}, err
}

// seal binds a summary to its record: moved to another it does not open. Names are
// cut until it fits into a note: JSON may write a byte as six.
func (n noter) seal(key string, s Summary) ([]byte, error) {
	user, name := s.User, s.Name
	for most := noteName; ; most /= 2 {
		s.User, s.Name, s.Whole = authn.CutControl(user, most), authn.CutControl(name, most), ""
		if s.User != authn.CutControl(user, len(user)) {
			s.Whole = nameSum(user)
		}
		plain, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("cookies: encode summary: %w", err)
		}
		if len(plain) <= noteMost-noteSeal || most == 0 {
			return n.Seal(key, plain), nil
		}
	}
}

func (n noter) open(key string, note []byte) (s Summary, ok bool) {
	plain, err := n.Open(key, note)
	if err != nil || json.Unmarshal(plain, &s) != nil {
		return Summary{}, false
	}
	return s, true
}

// sessionKey reports whether a record is a session's: all others have a kind and a
// colon before their key.
func sessionKey(key string) bool { return !strings.Contains(key, ":") }

// List returns the sessions that match, limit of them at most, in no order. One
// whose summary does not open is left out: there is nothing to show of it.
func (s *Sessions) List(ctx context.Context, match func(Listed) bool, limit int) ([]Listed, error) {
	enough := errors.New("enough")
	var all []Listed
	err := s.each(ctx, func(l Listed, readable bool) error {
		if len(all) == limit {
			return enough
		}
		if readable && match(l) {
			all = append(all, l)
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	return all, nil
}

// RevokeMatching ends the sessions that match and returns how many there were. One
// whose summary does not open is matched with an empty one: it may be alive all the
// same, and whoever ends all sessions means it too. After an error some may be alive.
func (s *Sessions) RevokeMatching(ctx context.Context, match func(Listed) bool) (int, error) {
	var keys []string
	err := s.each(ctx, func(l Listed, _ bool) error {
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

// each visits the sessions of the store that are not over. It says whether their
// summary opens: it does not if its secret is gone, or if it is damaged or missing.
func (s *Sessions) each(ctx context.Context, visit func(l Listed, readable bool) error) error {
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
		if !now.Before(l.Ends) {
			return nil
		}
		var readable bool
		l.Summary, readable = s.derived.Load().noter.open(key, r.Note)
		return visit(l, readable)
	})
}
