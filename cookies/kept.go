package cookies

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"foregate/authn"
)

// Kept is a form that was sent with a session that had ended. It waits for its
// person to sign in again.
type Kept struct {
	Issuer  string `json:"i"` // whose it is
	Subject string `json:"s"`
	Host    string `json:"h"` // where it was sent to: the host as the browser sees it,
	Target  string `json:"t"` // the path with its query,
	Type    string `json:"c"` // the Content-Type
	Origin  string `json:"o,omitempty"`
	Referer string `json:"r,omitempty"`
	Body    []byte `json:"b"`
}

// ErrNotKept says that this browser has no kept form, or not any more.
var ErrNotKept = errors.New("no form is kept")

const (
	keptTime = 30 * time.Minute
	keptKey  = 32 // bytes
)

// Keep seals a form under a key that only this browser gets, and stores it. Of an
// ended session one form is kept, the last: what a browser can make the store
// hold is bounded by what people signed in for.
func (s *Sessions) Keep(ctx context.Context, w http.ResponseWriter, secure bool, ended *Session, k Kept) error {
	k.Issuer, k.Subject = ended.Identity.Issuer, ended.Identity.Subject
	b := box{record: "kept:" + ended.Key()}
	_, _ = rand.Read(b.key[:]) // never fails: crypto/rand ends the process instead
	plain, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("cookies: encode what is kept: %w", err)
	}
	data, err := b.seal(plain)
	if err != nil {
		return err
	}
	c := s.keptCookie(secure)
	if c.Value, err = s.derived.Load().kept.seal(c.Name, append(b.key[:keptKey:keptKey], b.record...)); err != nil {
		return fmt.Errorf("cookies: seal what is kept: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, b.record); err != nil {
		return fmt.Errorf("cookies: keep a form: %w", err)
	}
	if err := s.store.Create(ctx, b.record, Record{Data: data, Expires: s.cfg.Clock().Add(keptTime)}); err != nil {
		return fmt.Errorf("cookies: keep a form: %w", err)
	}
	c.MaxAge = int(keptTime / time.Second)
	setCookie(w, c)
	return nil
}

// Kept returns the form that is kept for r's browser if it is of id. ErrNotKept if
// there is none, or somebody else's.
func (s *Sessions) Kept(ctx context.Context, r *http.Request, secure bool, id *authn.Identity) (*Kept, error) {
	b, ok := s.keptBox(r, secure)
	if !ok {
		return nil, ErrNotKept
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rec, err := s.store.Load(ctx, b.record)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotKept
	}
	if err != nil {
		return nil, fmt.Errorf("cookies: load what is kept: %w", err)
	}
	k := new(Kept)
	plain, err := b.open(rec.Data)
	if err != nil || json.Unmarshal(plain, k) != nil || id.Anonymous() || k.Issuer != id.Issuer || k.Subject != id.Subject {
		return nil, ErrNotKept
	}
	return k, nil
}

// Take is Kept for once: the same form is not handed out again.
func (s *Sessions) Take(ctx context.Context, r *http.Request, secure bool, id *authn.Identity) (*Kept, error) {
	k, err := s.Kept(ctx, r, secure, id)
	if err != nil {
		return nil, err
	}
	b, _ := s.keptBox(r, secure)
	value, _ := find(r.Header["Cookie"], s.keptNames.session(secure))
	err = Spent{s.store}.Spend(ctx, b.record+" "+value, s.cfg.Clock().Add(keptTime))
	if errors.Is(err, authn.ErrSpent) {
		return nil, ErrNotKept
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, b.record); err != nil {
		s.cfg.Log.WarnContext(ctx, "a form that was sent stays in the store until it expires", "err", err)
	}
	return k, nil
}

// Holds reports whether r's browser says that a form is kept for it.
func (s *Sessions) Holds(r *http.Request, secure bool) bool {
	_, n := find(r.Header["Cookie"], s.keptNames.session(secure))
	return n == 1
}

// Drop takes a kept form's cookie from the browser.
func (s *Sessions) Drop(w http.ResponseWriter, secure bool) {
	setCookie(w, expired(s.keptCookie(secure)))
}

func (s *Sessions) keptBox(r *http.Request, secure bool) (box, bool) {
	name := s.keptNames.session(secure)
	value, n := find(r.Header["Cookie"], name)
	if n != 1 || len(value) > maxCookie {
		return box{}, false
	}
	plain, ok := s.derived.Load().kept.open(name, value)
	if !ok || len(plain) <= keptKey {
		return box{}, false
	}
	b := box{record: string(plain[keptKey:])}
	copy(b.key[:], plain)
	return b, true
}

func (s *Sessions) keptCookie(secure bool) *http.Cookie {
	return &http.Cookie{Name: s.keptNames.session(secure), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
}
