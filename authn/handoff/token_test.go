package handoff

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestTK1TokenSignsInOnce(t *testing.T) {
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			b := newBench(t, config(format))
			v := b.mint(t, "alice")
			id := b.enters(t, v)
			again := b.refusedFor(t, v, Replay)
			var used *authn.AlreadyUsed
			if !errors.As(again, &used) || *used != (authn.AlreadyUsed{Issuer: id.Issuer, Subject: id.Subject}) || !errors.Is(again, authn.ErrSpent) {
				t.Errorf("a replay names %+v, want alice", used)
			}
			b.enters(t, b.mint(t, "bob"))
		})
	}
}

func TestTK1ReplayIsRefusedOnAnotherReplica(t *testing.T) {
	env := authntest.NewEnv("st-elsewhere")
	one, other := newBenchIn(t, config(formatAESGCM), env), newBenchIn(t, config(formatAESGCM), env)
	v := one.mint(t, "alice")
	one.enters(t, v)
	other.refusedFor(t, v, Replay)
}

func TestTK1WithoutTheStoreNobodyIsHandedOff(t *testing.T) {
	for name, spoil := range map[string]func(*authn.Env){
		"marks":  func(e *authn.Env) { e.Once = authntest.Down{} },
		"counts": func(e *authn.Env) { e.Tries = authntest.Down{} },
	} {
		env := authntest.NewEnv("st-elsewhere")
		spoil(&env)
		b := newBenchIn(t, config(formatAESGCM), env)
		v := b.mint(t, "alice")
		if name == "counts" { // which only bad tokens need
			b.enters(t, v)
		}
		_, err := b.arrive(v)
		var e *authn.Error
		if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter == 0 {
			t.Errorf("%s down: %v, want 503 with Retry-After", name, err)
		}
	}
}

// once notes until when marks are kept.
type once struct{ until time.Time }

func (o *once) Spend(_ context.Context, _ string, until time.Time) error {
	o.until = until
	return nil
}

func TestTK1MarkOutlivesTheToken(t *testing.T) {
	o := new(once)
	env := authntest.NewEnv("st-elsewhere")
	env.Once = o
	b := newBenchIn(t, config(formatAESGCM), env)
	b.enters(t, b.mint(t, "alice", func(d *Draft) { d.Made = noon.Add(time.Minute) }))
	if last := noon.Add(3 * time.Minute); o.until.Before(last) {
		t.Errorf("the mark ends %s, the token is good until %s", o.until, last)
	}
}

func TestTK2TokenIsGoodForItsTime(t *testing.T) {
	tests := []struct {
		made time.Duration
		code Code
		skew time.Duration
	}{
		{-120 * time.Second, "", 0}, {-121 * time.Second, Age, -121 * time.Second}, {60 * time.Second, "", 0},
		{61 * time.Second, Future, 61 * time.Second}, {-8760 * time.Hour, Age, -8760 * time.Hour}, {time.Hour, Future, time.Hour},
	}
	for _, format := range formats {
		for _, test := range tests {
			b := newBench(t, config(format))
			v := b.mint(t, "alice", func(d *Draft) { d.Made = noon.Add(test.made) })
			if test.code == "" {
				b.enters(t, v)
				continue
			}
			if got := b.refusedFor(t, v, test.code); got.Skew != test.skew || !strings.Contains(got.Error(), test.skew.Abs().String()) {
				t.Errorf("%s, %s: %v with skew %s, want the measured difference", format, test.made, got, got.Skew)
			}
		}
	}
}

func TestTK3EveryRefusalLooksTheSame(t *testing.T) {
	good := func(t *testing.T, b bench) url.Values { return b.mint(t, "alice") }
	flip := func(s string) string {
		if s[len(s)-5] == '0' {
			return s[:len(s)-5] + "1" + s[len(s)-4:]
		}
		return s[:len(s)-5] + "0" + s[len(s)-4:]
	}
	tests := map[string]struct {
		config *Config
		values func(t *testing.T, b bench) url.Values
		code   Code
	}{
		"nothing":    {config(formatAESGCM), func(*testing.T, bench) url.Values { return nil }, Missing},
		"empty":      {config(formatAESGCM), func(*testing.T, bench) url.Values { return url.Values{"token": {""}} }, Missing},
		"bad base64": {config(formatAESGCM), func(*testing.T, bench) url.Values { return url.Values{"token": {"!!!!"}} }, Format},
		"line feed": {config(formatAESGCM), func(t *testing.T, b bench) url.Values {
			return quietly(good(t, b), "token", func(s string) string { return s + "\n" })
		}, Format},
		"short":   {config(formatAESGCM), func(*testing.T, bench) url.Values { return url.Values{"token": {"AAAA"}} }, BadKey},
		"changed": {config(formatAESGCM), func(t *testing.T, b bench) url.Values { return quietly(good(t, b), "token", flip) }, BadKey},
		"other key": {config(formatAESGCM), func(t *testing.T, _ bench) url.Values {
			return good(t, newBench(t, config(formatAESGCM, withKey(otherKey))))
		}, BadKey},
		"twice":     {config(formatAESGCM), func(t *testing.T, b bench) url.Values { v := good(t, b); v.Add("token", v.Get("token")); return v }, Duplicate},
		"2049":      {config(formatAESGCM), func(*testing.T, bench) url.Values { return url.Values{"token": {strings.Repeat("A", 2049)}} }, TooLong},
		"no mac":    {config(formatBlowfish), func(t *testing.T, b bench) url.Values { v := good(t, b); v.Del("mac"); return v }, MAC},
		"wrong mac": {config(formatBlowfish), func(t *testing.T, b bench) url.Values { return quietly(good(t, b), "mac", flip) }, MAC},
		"short mac": {config(formatBlowfish), func(t *testing.T, b bench) url.Values {
			return quietly(good(t, b), "mac", func(s string) string { return s[:16] })
		}, MAC},
		"two macs":     {config(formatBlowfish), func(t *testing.T, b bench) url.Values { v := good(t, b); v.Add("mac", v.Get("mac")); return v }, Duplicate},
		"wrong length": {config(formatBlowfish, bare), func(*testing.T, bench) url.Values { return url.Values{"token": {"AAAAAAAAAAAAAAAA"}} }, Format},
		"padding": {config(formatBlowfish, bare), func(t *testing.T, b bench) url.Values {
			return url.Values{"token": {sealed(b, strings.Repeat("\x09", 16))}}
		}, Padding},
		"fields": {config(formatBlowfish, bare), func(t *testing.T, b bench) url.Values {
			return url.Values{"token": {sealed(b, padded("1767225600|alice"))}}
		}, Field},
		"no user": {config(formatBlowfish, bare), func(t *testing.T, b bench) url.Values {
			return url.Values{"token": {sealed(b, padded("1767225600||x"))}}
		}, Field},
		"elsewhere": {config(formatBlowfish, func(c *Config) { c.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }), good, Network},
		"audience": {config(formatJWT), func(t *testing.T, b bench) url.Values {
			return b.mint(t, "alice", func(d *Draft) { d.Host = "other.example" })
		}, Audience},
		"old": {config(formatJWE), func(t *testing.T, b bench) url.Values {
			return b.mint(t, "alice", func(d *Draft) { d.Made = noon.Add(-time.Hour) })
		}, Age},
		"early": {config(formatJWE), func(t *testing.T, b bench) url.Values {
			return b.mint(t, "alice", func(d *Draft) { d.Made = noon.Add(time.Hour) })
		}, Future},
		"used": {config(formatJWE), func(t *testing.T, b bench) url.Values { v := good(t, b); b.enters(t, v); return v }, Replay},
		"key ID": {config(formatAESGCM, func(c *Config) { c.Keys[0].ID = "k1" }), func(t *testing.T, b bench) url.Values {
			return quietly(good(t, b), "token", func(s string) string { return "k2" + s[2:] })
		}, BadKey},
		"empty key ID": {config(formatAESGCM), func(t *testing.T, b bench) url.Values {
			return quietly(good(t, b), "token", func(s string) string { return "." + s })
		}, BadKey},
		"over": {config(formatBlowfish, func(c *Config) { c.RefuseLegacyAfter = "2025-12-31" }), good, Sunset},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.config)
			reason := b.refusedFor(t, test.values(t, b), test.code)
			for _, secret := range []string{"alice", blowfishKey, aesKey, macKey} {
				if strings.Contains(reason.Error(), secret) {
					t.Errorf("the log would hold %q: %v", secret, reason)
				}
			}
		})
	}
}

func withKey(key string) func(*Config) {
	return func(c *Config) { c.Keys[0].Key = authn.NewSecret(key) }
}

// padded is text with PKCS#5 padding to blocks of 8.
func padded(text string) string {
	n := 8 - len(text)%8
	return text + strings.Repeat(string(rune(n)), n)
}

// sealed encrypts whole blocks as a page would whose padding is its own affair.
func sealed(b bench, blocks string) string {
	l := b.partner.legacy
	l.zeroPad = true // nothing is added to whole blocks
	return encodeWire(b.partner.wire, l.encrypt(b.partner.keys[0].block, []byte(blocks)))
}

func TestTK3TwentyBadTokensInAMinuteAreEnough(t *testing.T) {
	bad := url.Values{"token": {"AAAA"}}
	b := newBench(t, config(formatAESGCM))
	for range 20 {
		b.refusedFor(t, bad, BadKey)
	}
	_, err := b.arrive(bad)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.RetryAfter != time.Minute {
		t.Errorf("the 21st: %v, want 429", err)
	}
	// No stranger can shut out people whose token the partner's key vouches for.
	b.enters(t, b.mint(t, "alice"))
	*b.clock = b.clock.Add(time.Minute)
	b.refusedFor(t, bad, BadKey)
}

func TestTK3WithoutAKeyThatVouchesNothingMoreIsLookedAt(t *testing.T) {
	b := newBench(t, config(formatBlowfish, bare))
	for range 20 {
		b.refusedFor(t, url.Values{"token": {sealed(b, "nonsense")}}, Padding)
	}
	v := b.mint(t, "alice")
	_, err := b.arrive(v)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
		t.Errorf("a good token among many bad ones: %v, want 429", err)
	}
	*b.clock = b.clock.Add(time.Minute)
	b.enters(t, v)
}

func TestTK3OthersDoNotUseUpAPartnersMinute(t *testing.T) {
	b := newBench(t, config(formatBlowfish, bare))
	stranger := b.attempt()
	stranger.Client = netip.MustParseAddr("203.0.113.9")
	for range 50 {
		if _, err := b.arriveAs(stranger, url.Values{"token": {"AAAAAAAAAAAAAAAAAAAAAA"}}); err == nil {
			t.Fatal("signs in from elsewhere")
		}
	}
	b.enters(t, b.mint(t, "alice"))
}

func TestTK3OneIPv6NetworkIsOneClient(t *testing.T) {
	for a, want := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::/64",
	} {
		if got := networkOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("networkOf(%s) = %s, want %s", a, got, want)
		}
	}
}

func TestTK7TokenOfAnotherPartnerOrSiteIsRefused(t *testing.T) {
	for _, format := range []string{formatAESGCM, formatJWE, formatJWT} {
		t.Run(format, func(t *testing.T) {
			code := Audience
			if format == formatAESGCM { // it is in what the key authenticates
				code = BadKey
			}
			b := newBench(t, config(format))
			other := newBench(t, config(format, func(c *Config) { c.Partner = "st-nowhere" }))
			b.refusedFor(t, other.mint(t, "alice"), code)
			b.refusedFor(t, b.mint(t, "alice", func(d *Draft) { d.Host = "other.example" }), code)
			fixed := newBench(t, config(format, func(c *Config) { c.Audience = "formulary" }))
			fixed.refusedFor(t, b.mint(t, "alice"), code)
			fixed.enters(t, fixed.mint(t, "alice"))
		})
	}
}

func TestTK7KeyIDSelectsOneKeyAndTwoKeysOverlap(t *testing.T) {
	two := func(c *Config) {
		old := c.Keys[0]
		old.ID, old.Until = "old", "2026-01-31"
		fresh := old
		fresh.ID, fresh.Until, fresh.Key = "new", "", authn.NewSecret(strings.ReplaceAll(old.Key.Reveal(), "01", "42"))
		c.Keys = []Key{old, fresh}
	}
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			b := newBench(t, config(format, two))
			for _, id := range []string{"old", "new"} {
				b.enters(t, b.mint(t, "alice-"+id, func(d *Draft) { d.KeyID = id }))
			}
			if format == formatAESGCM {
				v := b.mint(t, "alice", func(d *Draft) { d.KeyID = "new" })
				b.refusedFor(t, quietly(v, "token", func(s string) string { return "old" + strings.TrimPrefix(s, "new") }), BadKey)
				b.enters(t, quietly(v, "token", func(s string) string { return strings.TrimPrefix(s, "new.") }))
			}
			*b.clock = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
			b.enters(t, b.mint(t, "alice"))
			v := newBench(t, config(format, two)).mint(t, "alice", func(d *Draft) { d.KeyID, d.Made = "old", noon })
			b.refusedFor(t, v, BadKey)
		})
	}
}

func TestTK7PartnersMayShareAParameter(t *testing.T) {
	b := newBench(t, config(formatAESGCM, func(c *Config) { c.PartnerParameter = "org" }))
	v := b.mint(t, "alice")
	for query, want := range map[string]bool{
		v.Encode(): true, "org=st-nowhere&token=" + v.Get("token"): false, "token=" + v.Get("token"): false, "org=st-elsewhere": false,
	} {
		rest, found := b.Recognize(get("/drugs?" + query))
		if found != want || found && rest != "/drugs" {
			t.Errorf("Recognize(%.40s) = %q, %v, want %v", query, rest, found, want)
		}
	}
	b.refusedFor(t, quietly(v, "org", func(string) string { return "st-nowhere" }), Audience)
	b.enters(t, v)
}

func TestTK8FormPostIsTakenToo(t *testing.T) {
	b := newBench(t, config(formatBlowfish))
	reply, err := b.Resume(t.Context(), b.attempt(), authntest.Post(b.mint(t, "alice")))
	if _, in := reply.(authn.SignedIn); !in || err != nil {
		t.Errorf("Resume = %T, %v", reply, err)
	}
}

func TestTK9IdentifiersBelongToTheirPartner(t *testing.T) {
	env := authntest.NewEnv("st-nowhere")
	one, other := newBench(t, config(formatAESGCM)), newBenchIn(t, config(formatAESGCM), env)
	a, b := one.enters(t, one.mint(t, "root")), other.enters(t, other.mint(t, "root"))
	if a.Issuer == b.Issuer || a.User == b.User || a.User != "st-elsewhere:root" {
		t.Errorf("root of two partners are %+v and %+v", a, b)
	}
	named := newBench(t, config(formatAESGCM, func(c *Config) { c.UserPrefix = "lib/" }))
	if id := named.enters(t, named.mint(t, "alice")); id.User != "lib/alice" || id.Subject != "alice" {
		t.Errorf("user %q of subject %q, want lib/alice", id.User, id.Subject)
	}
}

func TestTwoTokensOfOneSecondAreTwo(t *testing.T) {
	for _, format := range formats {
		b := newBench(t, config(format))
		b.enters(t, b.mint(t, "reading-room"))
		b.enters(t, b.mint(t, "reading-room"))
	}
}
