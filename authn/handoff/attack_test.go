package handoff

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

// outcome is everything that a stranger can see of an answer.
func outcome(t *testing.T, err error) string {
	t.Helper()
	var e *authn.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *authn.Error", err)
	}
	return fmt.Sprint(e.Status, e.RetryAfter, e.Public)
}

// An oracle that tells right padding from wrong decrypts a token octet by octet,
// with 256 tries for each.
func TestTK3PaddingOracleHasNothingToTell(t *testing.T) {
	for _, format := range []string{formatBlowfish, formatTripleDES, formatAESCBC} {
		for name, change := range map[string]func(*Config){"with an HMAC": func(*Config) {}, "without": bare} {
			t.Run(format+" "+name, func(t *testing.T) {
				b := newBench(t, config(format, change))
				v := b.mint(t, "alice")
				raw, err := decodeWire(wireBase64URL, v.Get("token"))
				if err != nil {
					t.Fatal(err)
				}
				size := blockSize(format)
				seen, reasons := make(map[string]int), make(map[Code]int)
				for guess := range 256 {
					changed := append([]byte(nil), raw...)
					changed[len(raw)-size-1] ^= byte(guess + 1) // last octet of the block before the last
					if guess == 255 {
						changed[len(raw)-size-2] ^= 1 // a guess that changes nothing would be the token itself
					}
					_, err := b.arrive(quietly(v, "token", func(string) string { return encodeWire(wireBase64URL, changed) }))
					if err == nil {
						t.Fatalf("guess %d signs in", guess)
					}
					seen[outcome(t, err)]++
					var reason *Reason
					if errors.As(err, &reason) {
						reasons[reason.Code]++
					}
					*b.clock = b.clock.Add(window / badTokens) // so that the throttle does not hide a difference
				}
				if len(seen) != 1 {
					t.Errorf("256 guesses have %d different answers: %v (reasons %v)", len(seen), seen, reasons)
				}
			})
		}
	}
}

// flips are all tokens that differ from a good one in one bit.
func flips(raw []byte) [][]byte {
	var all [][]byte
	for i := range 8 * len(raw) {
		changed := append([]byte(nil), raw...)
		changed[i/8] ^= 1 << (i % 8)
		all = append(all, changed)
	}
	return all
}

func TestTK4NoBitOfAnAuthenticatedTokenCanBeChanged(t *testing.T) {
	for _, format := range []string{formatBlowfish, formatTripleDES, formatAESCBC, formatAESGCM} {
		t.Run(format, func(t *testing.T) {
			b := newBench(t, config(format))
			v := b.mint(t, "alice")
			raw, err := decodeWire(wireBase64URL, v.Get("token"))
			if err != nil {
				t.Fatal(err)
			}
			for i, changed := range flips(raw) {
				if id, err := b.arrive(quietly(v, "token", func(string) string { return encodeWire(wireBase64URL, changed) })); err == nil {
					t.Fatalf("with bit %d changed %s signs in", i, id.Subject)
				}
			}
			b.enters(t, v)
		})
	}
}

// Without an HMAC a changed bit is not seen as such. With a fixed IV and the time
// before the user, the grammar and what is spent leave nothing to be had: whoever
// changes the user's octets makes noise of the time's.
func TestTK4NoFlippedBitMakesAnotherUser(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"random IV": bare,
		"zero IV":   func(c *Config) { bare(c); c.Recipe = &Recipe{IV: "zero"} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config(formatBlowfish, change))
			v := b.mint(t, "alice")
			b.enters(t, v) // so the person's own token is spent
			raw, err := decodeWire(wireBase64URL, v.Get("token"))
			if err != nil {
				t.Fatal(err)
			}
			for i, changed := range flips(raw) {
				id, err := b.arrive(url.Values{"token": {encodeWire(wireBase64URL, changed)}})
				if err == nil && (name == "zero IV" || id.Subject != "alice") {
					t.Errorf("with bit %d changed %s signs in", i, id.Subject)
				}
				*b.clock = b.clock.Add(window / badTokens / 50) // within the two minutes that the token has
				b.throttle.bad = 0                              // the attacker has the patience that the throttle asks for
			}
		})
	}
}

// A changed name makes no new token of a spent one: what is spent is what the token
// says, not its octets.
func TestTK4ChangedTokenIsNotFresh(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) {
		bare(c)
		c.Recipe = &Recipe{Fields: []string{"timestamp", "user", "name", "nonce"}}
	}))
	v := url.Values{"token": {sealed(b, padded("1767225600|alice|Alice Archer|0123456789abcdef"))}}
	b.enters(t, v)
	for _, text := range []string{"1767225600|alice|Eve|0123456789abcdef", "1767225600|alice|Alice Archer|fedcba9876543210"} {
		b.refusedFor(t, url.Values{"token": {sealed(b, padded(text))}}, Replay)
	}
}

// blocks of two ECB tokens can be put together into a third.
func spliced(t *testing.T, one, other string) []string {
	t.Helper()
	a, err := decodeWire(wireBase64URL, one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := decodeWire(wireBase64URL, other)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for choice := range 1 << (len(a) / 8) {
		var mixed []byte
		for i := range len(a) / 8 {
			from := a
			if choice>>i&1 == 1 {
				from = b
			}
			mixed = append(mixed, from[8*i:8*i+8]...)
		}
		all = append(all, encodeWire(wireBase64URL, mixed))
	}
	return all
}

func ecb(c *Config) { c.Recipe = &Recipe{Mode: "ecb"} }

func TestTK4SplicedBlocksSignNobodyIn(t *testing.T) {
	b := newBench(t, config(formatBlowfish, ecb))
	alice, bob := b.mint(t, "alice"), b.mint(t, "bobby", func(d *Draft) { d.Name, d.Made = "Robin Reeves", noon.Add(-100*time.Second) })
	tried := 0
	for _, mixed := range spliced(t, alice.Get("token"), bob.Get("token")) {
		for _, mac := range []string{alice.Get("mac"), bob.Get("mac")} {
			if mixed == alice.Get("token") || mixed == bob.Get("token") {
				continue
			}
			tried++
			if id, err := b.arrive(url.Values{"token": {mixed}, "mac": {mac}}); err == nil {
				t.Errorf("a spliced token signs in %s", id.Subject)
			}
		}
	}
	if tried < 24 {
		t.Errorf("only %d spliced tokens", tried)
	}
}

// What docs/methods/handoff.md says of ciphers without an HMAC. If one of these
// attacks ends, the words there are too hard.
func TestTK4WhatWithoutAnHMACIsPossible(t *testing.T) {
	t.Run("cbc: the time in the first block is changed by the IV", func(t *testing.T) {
		b := newBench(t, config(formatBlowfish, bare))
		raw, err := decodeWire(wireBase64URL, b.mint(t, "alice").Get("token"))
		if err != nil {
			t.Fatal(err)
		}
		*b.clock = noon.Add(150 * time.Second)
		raw[7] ^= '6' ^ '7' // 17672256 becomes 17672257: a hundred seconds on
		if id := b.enters(t, url.Values{"token": {encodeWire(wireBase64URL, raw)}}); id.Subject != "alice" {
			t.Errorf("signs in %s", id.Subject)
		}
	})
	t.Run("ecb: blocks of two tokens make a third", func(t *testing.T) {
		b := newBench(t, config(formatBlowfish, ecb, bare))
		old := b.mint(t, "alice")
		*b.clock = noon.Add(200 * time.Second) // alice's own token is over
		b.refusedFor(t, old, Age)
		fresh := b.mint(t, "bobby").Get("token")
		var who []string
		for _, mixed := range spliced(t, old.Get("token"), fresh) {
			if id, err := b.arrive(url.Values{"token": {mixed}}); err == nil {
				who = append(who, id.Subject)
			}
			b.throttle.bad = 0
		}
		if !strings.Contains(strings.Join(who, " "), "alice") {
			t.Errorf("the spliced tokens sign in %v", who)
		}
	})
}

// The throttle is what stands between an attacker and the chance that noise fits
// the grammar.
func TestTK4GuessingEndsAfterTwentyTokens(t *testing.T) {
	b := newBench(t, config(formatBlowfish, bare))
	raw, err := decodeWire(wireBase64URL, b.mint(t, "alice").Get("token"))
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, changed := range flips(raw)[100:] {
		var reason *Reason
		_, err := b.arrive(url.Values{"token": {encodeWire(wireBase64URL, changed)}})
		if errors.As(err, &reason) && reason.Code != Throttled {
			judged++
		}
	}
	if judged > 20 {
		t.Errorf("%d changed tokens were looked at in one minute", judged)
	}
}

func TestTK5ModesDifferOnlyInTheirBlocks(t *testing.T) {
	b := newBench(t, config(formatBlowfish, ecb))
	k := b.partner.keys[0].block
	plain := []byte(padded("1767225600|alice|Alice"))
	want := make([]byte, len(plain))
	for i := 0; i < len(plain); i += k.BlockSize() {
		k.Encrypt(want[i:], plain[i:])
	}
	if got := b.partner.legacy.encrypt(k, []byte("1767225600|alice|Alice")); string(got) != string(want) {
		t.Errorf("ecb gives %x, want %x", got, want)
	}
	cbc := legacy{iv: make([]byte, 8)}
	cipher.NewCBCEncrypter(k, cbc.iv).CryptBlocks(want, plain)
	if got := cbc.encrypt(k, []byte("1767225600|alice|Alice")); string(got) != string(want) {
		t.Errorf("cbc gives %x, want %x", got, want)
	}
}

func TestThrottledAnswerIsATooManyRequests(t *testing.T) {
	b := newBench(t, config(formatBlowfish, bare))
	b.throttle.opened, b.throttle.bad = noon, badTokens
	_, err := b.arrive(b.mint(t, "alice"))
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
		t.Errorf("%v, want 429", err)
	}
}
