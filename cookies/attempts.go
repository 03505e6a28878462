package cookies

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// ErrNoAttempt says that this browser has no such attempt, or not any more.
var ErrNoAttempt = errors.New("no such attempt to sign in")

// ErrStale says that this browser does have the attempt, which Find returns with
// it, but that it began too long ago: it can be begun anew, never resumed.
var ErrStale = errors.New("attempt to sign in began too long ago")

const (
	attemptAge    = 10 * time.Minute
	staleAge      = 24 * time.Hour // how long an attempt can be recognised as one that is too old
	attemptIDSize = 20             // random bytes, 160 bits
	maxReturn     = 2048           // longer return addresses lead to the start page
	maxCookie     = 4096           // name and value, what browsers promise to keep (RFC 6265 6.1)
	maxAttempts   = 7500           // bytes of all attempts, name and value: servers refuse headers of 8 KiB
)

// Attempts keeps what people have begun in sealed cookies of their browsers, and
// nothing here: a stranger's request costs no memory. A browser has six at most,
// in numbered slots. An attempt's ID begins with the number of its slot.
type Attempts struct {
	clock func() time.Time
	names [slots]names
	turns names

	awayCookie names
	speech     names
	wayCookie  names
	sealing    atomic.Pointer[attemptCodecs]
}

// attemptCodecs seal what Attempts keep in the browser.
type attemptCodecs struct{ attempt, way codec }

// NewAttempts checks cfg. Domain, Persistent and the bounds of the session cache
// do not concern attempts: they belong to one host and last ten minutes.
func NewAttempts(cfg Config) (*Attempts, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Attempts{clock: cfg.Clock}
	if err := a.UseSecrets(cfg.Secrets); err != nil {
		return nil, err
	}
	a.turns = newNames(cfg.Name+turnsSuffix, "")
	a.awayCookie = newNames(cfg.Name+awaySuffix, "")
	a.speech = newNames(cfg.Name+speechSuffix, "")
	a.wayCookie = newNames(cfg.Name+waySuffix, "")
	for slot := range a.names {
		a.names[slot] = newNames(fmt.Sprintf("%s%s%d", cfg.Name, attemptInfix, slot), "")
	}
	return a, nil
}

// UseSecrets puts session secrets in force: the first seals from now on, all open.
func (a *Attempts) UseSecrets(secrets [][]byte) error {
	if err := checkSecrets(secrets); err != nil {
		return err
	}
	var c attemptCodecs
	var err error
	if c.attempt, err = newCodec(secrets, "attempt", maxCookie, staleAge); err != nil {
		return err
	}
	if c.way, err = newCodec(secrets, "way", maxWay, wayAge); err != nil {
		return err
	}
	a.sealing.Store(&c)
	return nil
}

// NewID returns an ID for a new attempt of the browser that sent r: in a free
// slot, picked at random so that tabs opened together rarely meet, or else in
// the place of the oldest attempt.
func (a *Attempts) NewID(r *http.Request, secure bool) string {
	held := a.held(r, secure)
	taken := make(map[int]bool)
	for _, h := range held {
		taken[h.slot] = true
	}
	var free []int
	for slot := range slots {
		if !taken[slot] {
			free = append(free, slot)
		}
	}
	slot := 0
	if len(free) > 0 {
		slot = free[mathrand.IntN(len(free))]
	} else {
		slot = held[0].slot
	}
	random := make([]byte, attemptIDSize)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the process instead
	return string(rune('0'+slot)) + base64.RawURLEncoding.EncodeToString(random)
}

// Save seals at into its slot's cookie, and drops the oldest attempts if all of
// them would make too long a header. It sets ID and Began if they are empty. A
// return address above 2 KiB, or too long for what else the attempt keeps, is
// sealed as "/".
func (a *Attempts) Save(w http.ResponseWriter, r *http.Request, secure bool, at *authn.Attempt) error {
	if at.ID == "" {
		at.ID = a.NewID(r, secure)
	}
	if at.Began.IsZero() {
		at.Began = a.clock()
	}
	slot, ok := slotOf(at.ID)
	if !ok {
		return errors.New("cookies: save attempt: its ID is none of ours")
	}
	c := a.cookie(slot, secure)
	var err error
	if c.Value, err = a.seal(c.Name, *at); err != nil {
		return err
	}
	c.MaxAge = int(staleAge / time.Second)
	a.makeRoom(w, r, secure, slot, len(c.Name)+len(c.Value))
	setCookie(w, c)
	return nil
}

func (a *Attempts) seal(name string, at authn.Attempt) (string, error) {
	if len(at.Return) > maxReturn {
		at.Return = "/"
	}
	value, err := a.sealOnce(name, &at)
	if err != nil && at.Return != "/" {
		at.Return = "/"
		value, err = a.sealOnce(name, &at)
	}
	return value, err
}

func (a *Attempts) sealOnce(name string, at *authn.Attempt) (string, error) {
	plain, err := json.Marshal(at)
	if err != nil {
		return "", fmt.Errorf("cookies: encode attempt: %w", err)
	}
	value, err := a.sealing.Load().attempt.seal(name, plain)
	if err != nil {
		return "", fmt.Errorf("cookies: seal attempt: %w", err)
	}
	if n := len(name) + len(value); n > maxCookie {
		return "", fmt.Errorf("cookies: seal attempt: %d bytes are too long for a cookie", n)
	}
	return value, nil
}

// makeRoom drops the oldest attempts beside slot until a new one of size bytes fits.
func (a *Attempts) makeRoom(w http.ResponseWriter, r *http.Request, secure bool, slot, size int) {
	held := slices.DeleteFunc(a.held(r, secure), func(h attemptCookie) bool { return h.slot == slot })
	for _, h := range held {
		size += h.size
	}
	for _, h := range held {
		if size <= maxAttempts {
			return
		}
		size -= h.size
		setCookie(w, expired(a.cookie(h.slot, secure)))
	}
}

// Find returns the attempt with this ID if r's browser has it and it began less
// than ten minutes ago; ErrNoAttempt otherwise, whatever the reason. Two cookies
// for one slot are none: one of them was planted.
func (a *Attempts) Find(r *http.Request, secure bool, id string) (*authn.Attempt, error) {
	slot, ok := slotOf(id)
	if !ok {
		return nil, ErrNoAttempt
	}
	name := a.names[slot].session(secure)
	value, n := find(r.Header["Cookie"], name)
	if n != 1 {
		return nil, ErrNoAttempt
	}
	at, fresh := a.open(name, value)
	if at == nil || subtle.ConstantTimeCompare([]byte(at.ID), []byte(id)) != 1 {
		return nil, ErrNoAttempt
	}
	if !fresh {
		return at, ErrStale
	}
	return at, nil
}

// TurnsName is the name of the cookie in which the proxy counts how often it sent
// a browser to a provider without anybody clicking.
func (a *Attempts) TurnsName(secure bool) string { return a.turns.session(secure) }

// AwayName is the name of the cookie in which the proxy remembers that a person
// who was away has seen the sign-in page.
func (a *Attempts) AwayName(secure bool) string { return a.awayCookie.session(secure) }

// LanguageName is the name of the cookie in which the proxy remembers the language that
// a person chose.
func (a *Attempts) LanguageName(secure bool) string { return a.speech.session(secure) }

// Any reports whether r's browser has an attempt that Find could return.
func (a *Attempts) Any(r *http.Request, secure bool) bool {
	return slices.ContainsFunc(a.held(r, secure), func(h attemptCookie) bool { return !h.began.IsZero() })
}

// Drop takes the attempt with this ID from the browser. If its slot holds
// another one already, that one stays.
func (a *Attempts) Drop(w http.ResponseWriter, r *http.Request, secure bool, id string) {
	if _, err := a.Find(r, secure, id); err != nil {
		return
	}
	slot, _ := slotOf(id)
	setCookie(w, expired(a.cookie(slot, secure)))
}

func (a *Attempts) open(name, value string) (*authn.Attempt, bool) {
	if len(name)+len(value) > maxCookie {
		return nil, false
	}
	plain, ok := a.sealing.Load().attempt.open(name, value)
	if !ok {
		return nil, false
	}
	at := new(authn.Attempt)
	if err := json.Unmarshal(plain, at); err != nil || at.ID == "" {
		return nil, false
	}
	return at, a.clock().Sub(at.Began) < attemptAge
}

// attemptCookie is an occupied slot. began is zero when nothing usable is in it.
type attemptCookie struct {
	slot, size int
	began      time.Time
}

// held returns the occupied slots of r's browser, what is useless first, then
// the oldest.
func (a *Attempts) held(r *http.Request, secure bool) []attemptCookie {
	var held []attemptCookie
	for slot := range slots {
		name := a.names[slot].session(secure)
		value, n := find(r.Header["Cookie"], name)
		if n == 0 {
			continue
		}
		h := attemptCookie{slot: slot, size: n * (len(name) + len(value))}
		if at, ok := a.open(name, value); ok && n == 1 {
			h.began = at.Began
		}
		held = append(held, h)
	}
	slices.SortStableFunc(held, func(x, y attemptCookie) int {
		return x.began.Compare(y.began)
	})
	return held
}

func slotOf(id string) (int, bool) {
	if len(id) < 2 || id[0] < '0' || id[0] >= '0'+slots {
		return 0, false
	}
	return int(id[0] - '0'), true
}

// cookie is the cookie of a slot. Answers of identity providers arrive as a POST
// from their site, for which a browser sends SameSite=None cookies only; these
// must be Secure, so on plain http the attribute is left out.
func (a *Attempts) cookie(slot int, secure bool) *http.Cookie {
	c := &http.Cookie{Name: a.names[slot].session(secure), Path: "/", HttpOnly: true}
	if secure {
		c.Secure, c.SameSite = true, http.SameSiteNoneMode
	}
	return c
}
