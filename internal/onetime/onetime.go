// Package onetime makes the short codes that are sent to an address, and judges what
// a person types.
//
// New counts the request, makes a code of random digits and keeps a keyed hash of it
// in the attempt: so it is good only in the browser that asked for it, and nothing
// is stored for a stranger. Check counts the try, compares, and spends the code.
//
// # Limits
//
// An address is sent 5 codes in an hour that begins with the first, however many
// browsers ask, and a client (IPv4 address, IPv6 /64) may ask for
// Config.NetworkCodes. A code is judged 5 times
// and then dead, and all codes of one address together 45 times in a day: with
// windows that begin at their first count that is 90 in the worst 24 hours, a chance
// below one in ten thousand that somebody who guesses meets a code of six digits.
// Tries are counted before they are judged, so those made at the same time count too.
// Whether anybody has the address makes no difference to any of this.
package onetime

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"foregate/authn"
)

var (
	// ErrAddressLimit says that the address was sent as many codes as it may be. The
	// code from before, if this attempt has one, still holds.
	ErrAddressLimit = errors.New("onetime: too many codes for this address")
	// ErrNetworkLimit says that the client has asked for as many codes as it may.
	ErrNetworkLimit = errors.New("onetime: too many codes for this network")

	// ErrWrong says that it is not the code; the person may try again.
	ErrWrong = errors.New("onetime: wrong code")
	// ErrDead says that no try will succeed: the code is too old, was used, was
	// replaced by a new one, or was guessed at too often.
	ErrDead = errors.New("onetime: the code does not hold any more")
)

const (
	addressCodes  = 5 // in sendWindow
	sendWindow    = time.Hour
	triesOfCode   = 5
	triesInDay    = 45 // at all codes of one address
	day           = 24 * time.Hour
	maxTyped      = 64
	defaultLength = 6
	// DefaultNetworkCodes is how many codes one client may ask for in an hour.
	DefaultNetworkCodes = 20
	// MaxLifetime is how long a code holds at most (NIST SP 800-63B-4, section 3.1.3.2).
	// It is also how long an attempt can be resumed.
	MaxLifetime = 10 * time.Minute
)

// Keys of Attempt.Values.
const (
	keepSerial  = "onetime.serial"
	keepMAC     = "onetime.mac"
	keepUntil   = "onetime.until"
	keepAddress = "onetime.address"
)

// Config is what codes are made with.
type Config struct {
	Keys  [][]byte // authn.Env.Keys
	Once  authn.Once
	Tries authn.Tries

	Length       int           // digits, 6 to 10; 0 means 6
	Lifetime     time.Duration // MaxLifetime at most; 0 means that
	NetworkCodes int           // codes for one client in an hour; 0 means DefaultNetworkCodes

	Now func() time.Time // nil means time.Now
}

// Codes makes and judges codes. It is safe for concurrent use.
type Codes struct {
	c    Config
	keys atomic.Pointer[[][]byte]
}

// Open returns the codes of one purpose.
func Open(c Config) (*Codes, error) {
	c.Length = cmp.Or(c.Length, defaultLength)
	c.Lifetime = cmp.Or(c.Lifetime, MaxLifetime)
	c.NetworkCodes = cmp.Or(c.NetworkCodes, DefaultNetworkCodes)
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Length < 6 || c.Length > 10:
		return nil, fmt.Errorf("onetime: a code of %d digits", c.Length)
	case c.Lifetime < time.Second || c.Lifetime > MaxLifetime:
		return nil, fmt.Errorf("onetime: a code that holds for %v", c.Lifetime)
	}
	o := &Codes{c: c}
	return o, o.UseKeys(c.Keys)
}

// UseKeys puts keys in force, see Config.Keys.
func (o *Codes) UseKeys(keys [][]byte) error {
	short := func(key []byte) bool { return len(key) < sha256.Size }
	if len(keys) == 0 || slices.ContainsFunc(keys, short) {
		return errors.New("onetime: no key, or one of less than 32 bytes")
	}
	o.keys.Store(&keys)
	return nil
}

// New makes a code for the attempt, bound to an address in canonical spelling, and
// kills the one that the attempt had. The address need not be anybody's: for one that
// is not, the caller does the same and sends nothing. Errors are ErrAddressLimit,
// ErrNetworkLimit, or those of the store.
func (o *Codes) New(ctx context.Context, a *authn.Attempt, address string) (code string, err error) {
	if err := o.countSending(ctx, a.Client, address); err != nil {
		return "", err
	}
	if err := o.kill(ctx, a); err != nil {
		return "", err
	}
	code, err = random(o.c.Length)
	if err != nil {
		return "", fmt.Errorf("onetime: make code: %w", err)
	}
	now := o.c.Now()
	// The code outlives a page that had been open for a while. Whole seconds are as
	// long as each other when they are sealed.
	a.Began = now.Truncate(time.Second)
	a.Keep(keepSerial, rand.Text())
	a.Keep(keepAddress, address)
	a.Keep(keepUntil, strconv.FormatInt(now.Add(o.c.Lifetime).Unix(), 10))
	a.Keep(keepMAC, base64.RawURLEncoding.EncodeToString(mac((*o.keys.Load())[0], a, code)))
	return code, nil
}

// Check judges what the person typed and returns the address to which the code went.
// A right code is spent: a second Check of it is ErrDead. Errors are ErrWrong,
// ErrDead, or those of the store.
func (o *Codes) Check(ctx context.Context, a *authn.Attempt, typed string) (address string, err error) {
	serial := a.Values[keepSerial]
	until, err := strconv.ParseInt(a.Values[keepUntil], 10, 64)
	if serial == "" || err != nil || o.c.Now().Unix() >= until {
		return "", ErrDead
	}
	code, plausible := digitsOf(typed, o.c.Length)
	if !plausible {
		return "", ErrWrong // it could not be right, so nobody has guessed
	}
	address = a.Values[keepAddress]
	if err := o.countTry(ctx, serial, address); err != nil {
		return "", err
	}
	if !o.matches(a, code) {
		return "", ErrWrong
	}
	if err := o.spend(ctx, serial); err != nil {
		return "", err
	}
	return address, nil
}

// Address is where the attempt's code was sent; empty without one.
func Address(a *authn.Attempt) string { return a.Values[keepAddress] }

func (o *Codes) countSending(ctx context.Context, client netip.Addr, address string) error {
	n, err := o.c.Tries.Count(ctx, key("network", network(client)), sendWindow)
	if err != nil {
		return fmt.Errorf("onetime: count code: %w", err)
	}
	// What is refused here must not reach the address's own counter, or one client
	// could keep codes from everybody.
	if n > o.c.NetworkCodes {
		return ErrNetworkLimit
	}
	n, err = o.c.Tries.Count(ctx, key("address", address), sendWindow)
	if err != nil {
		return fmt.Errorf("onetime: count code: %w", err)
	}
	if n > addressCodes {
		return ErrAddressLimit
	}
	return nil
}

func (o *Codes) countTry(ctx context.Context, serial, address string) error {
	n, err := o.c.Tries.Count(ctx, key("code", serial), o.c.Lifetime+time.Minute)
	if err != nil {
		return fmt.Errorf("onetime: count try: %w", err)
	}
	if n > triesOfCode {
		return ErrDead
	}
	n, err = o.c.Tries.Count(ctx, key("tries", address), day)
	if err != nil {
		return fmt.Errorf("onetime: count try: %w", err)
	}
	if n > triesInDay {
		return ErrDead
	}
	return nil
}

// kill makes the code that the attempt has no longer good: the browser could keep
// the cookie in which it is.
func (o *Codes) kill(ctx context.Context, a *authn.Attempt) error {
	serial := a.Values[keepSerial]
	if serial == "" {
		return nil
	}
	if err := o.spend(ctx, serial); err != nil && !errors.Is(err, ErrDead) {
		return err
	}
	return nil
}

func (o *Codes) spend(ctx context.Context, serial string) error {
	err := o.c.Once.Spend(ctx, key("spent", serial), o.c.Now().Add(o.c.Lifetime+time.Minute))
	if errors.Is(err, authn.ErrSpent) {
		return fmt.Errorf("%w: %w", ErrDead, err)
	}
	if err != nil {
		return fmt.Errorf("onetime: spend code: %w", err)
	}
	return nil
}

func (o *Codes) matches(a *authn.Attempt, code string) bool {
	kept, err := base64.RawURLEncoding.DecodeString(a.Values[keepMAC])
	if err != nil || len(kept) != sha256.Size {
		return false
	}
	same := false
	for _, k := range *o.keys.Load() {
		if hmac.Equal(kept, mac(k, a, code)) {
			same = true
		}
	}
	return same
}

// mac binds a code to the attempt, the address and its end. No part but the last can
// hold the separator.
func mac(key []byte, a *authn.Attempt, code string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range []string{"foregate one-time code 1", a.ID, a.Values[keepSerial], a.Values[keepUntil], code, a.Values[keepAddress]} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

// random is n digits, each number as likely as any other, with leading zeros.
func random(n int) (string, error) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	i, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%0*d", n, i), nil
}

// digitsOf reads a code as people type and paste it: "123 456", "123-456".
func digitsOf(typed string, length int) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	code := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, typed)
	return code, len(code) == length && strings.Trim(code, "0123456789") == ""
}

// network is where requests from addr are counted: a home or a ward holds a whole
// IPv6 /64. An address that is not known shares one counter.
func network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		p, _ := addr.Prefix(64) // never fails: an IPv6 address has 128 bits
		return p.String()
	}
	return addr.String()
}

// key is opaque, so that the store tells no addresses, and short whatever was typed.
func key(kind, value string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + value))
	return "onetime:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
