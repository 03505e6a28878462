package accounts

import (
	"strings"
	"testing"
	"time"
)

func TestLD5SpellingsOfANameAreOneAccount(t *testing.T) {
	for want, spellings := range map[string][]string{
		"alice":      {"alice", "ALICE", "Alice", " alice", "alice \t", "\u3000alice", "\uff41\uff4c\uff49\uff43\uff45"},
		"rené":       {"rené", "RENÉ", "rene\u0301", "RENE\u0301"},
		"strasse":    {"straße", "STRASSE", "Straſse"},
		`corp\alice`: {`CORP\Alice`, `corp＼alice`},
	} {
		for _, s := range spellings {
			if got, err := Canonical(s); err != nil || got != want {
				t.Errorf("Canonical(%q) = %q, %v, want %q", s, got, err, want)
			}
		}
	}
	for _, s := range []string{"alice.", "al ice", "\u0430lice" /* Cyrillic */} {
		if got, _ := Canonical(s); got == "alice" {
			t.Errorf("Canonical(%q) is alice", s)
		}
	}
	for _, s := range []string{"", " ", "\u3000", "a\xff", "ali\u200bce", "a\x00b", "a\nb", "\u202ealice", strings.Repeat("a", 257)} {
		if got, err := Canonical(s); err == nil {
			t.Errorf("Canonical(%.20q) = %.20q", s, got)
		}
	}
}

func TestLD5SpellingsOfANameSignInToOneAccount(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "Alice"})
		if _, err := w.Create(t.Context(), desk, Account{Username: "ＡLICE"}); err == nil {
			t.Error("a second alice was made")
		}
		for _, spelling := range []string{"alice", "ALICE", " Alice ", "\uff41lice"} {
			c, err := w.Credential(t.Context(), spelling)
			if err != nil || c.Key != alice.ID || c.Account.Username != "Alice" {
				t.Errorf("%q: got key %q, %+v, %v", spelling, c.Key, c.Account, err)
			}
		}
	})
}

func TestOT4OnlyABareAddressIsAnAddress(t *testing.T) {
	for given, want := range map[string]string{
		"a@corp.test":                   "a@corp.test",
		"Alice.Archer@Hospital.Example": "alice.archer@hospital.example",
		"alice+ward@hospital.example":   "alice+ward@hospital.example",
		"o'neil@hospital.example":       "o'neil@hospital.example",
		"a@bücher.example":              "a@xn--bcher-kva.example",
		"a@xn--bcher-kva.example":       "a@xn--bcher-kva.example",
	} {
		if got, err := CanonicalEmail(given); err != nil || got != want {
			t.Errorf("CanonicalEmail(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
	for _, s := range []string{
		"", "@", "a@", "@corp.test", "a", "a@corp", "a@localhost", "a@127.0.0.1", "a@[127.0.0.1]", "a@[IPv6:::1]",
		"a@corp.test\r\nBcc:x@evil.test", "a@corp.test,b@evil.test", "a@corp.test;b@evil.test", "a@corp.test b@evil.test",
		"attacker@evil.com@corp.test", `"a"@corp.test`, `"a@evil.com"@corp.test`, "Alice <a@corp.test>", "<a@corp.test>",
		"a(comment)@corp.test", "a@corp.test(comment)", "a@(x)corp.test", " a@corp.test", "a@corp.test ", "a @corp.test",
		"a@corp.test.", "a@.corp.test", "a@corp..test", ".a@corp.test", "a.@corp.test", "a..b@corp.test",
		"a@corp\u3002test", "a@corp\uff0etest", "a@c\u043erp\x00.test", "a\x00@corp.test", "a@corp.test\x00", "a\t@corp.test",
		"a\u200b@corp.test", "\uff41@corp.test", "\u212aate@corp.test", "é@corp.test", "a@\uff43orp.test", "a@\u212aorp.test",
		"a@-corp.test", "a@corp-.test", "a@co_rp.test", "a@xn--zz--.test", "a\uff20corp.test", "a@corp.test\xff",
		strings.Repeat("a", 65) + "@corp.test", "a@" + strings.Repeat("a", 64) + ".test",
		"a@" + strings.Repeat("abcdefgh.", 30) + "test", strings.Repeat("a", 10_000) + "@corp.test",
	} {
		if got, err := CanonicalEmail(s); err == nil {
			t.Errorf("CanonicalEmail(%.60q) = %q", s, got)
		}
	}
	// A Cyrillic letter that looks like ours makes another address, never ours.
	if got, err := CanonicalEmail("a@c\u043erp.test"); err == nil && got == "a@corp.test" {
		t.Error("a look-alike domain is ours")
	}
}

func TestOT4HostileAddressIsReadInBoundedTime(t *testing.T) {
	for _, s := range []string{
		strings.Repeat("a.", 50_000) + "@corp.test", "a@" + strings.Repeat("x.", 50_000) + "test", strings.Repeat("@", 100_000),
		"a@" + strings.Repeat("\u0345", 100_000), strings.Repeat("(", 100_000) + "@corp.test",
	} {
		began := time.Now()
		if _, err := CanonicalEmail(s); err == nil {
			t.Errorf("%.20q is an address", s)
		}
		if took := time.Since(began); took > 10*time.Millisecond && !raceEnabled {
			t.Errorf("%.20q took %v", s, took)
		}
	}
}

func TestMaskedAddressShowsLittle(t *testing.T) {
	for given, want := range map[string]string{
		"alice@hospital.example": "a•••@hospital.example",
		"al@hospital.example":    "•••@hospital.example",
		"a@hospital.example":     "•••@hospital.example",
		"":                       "•••",
	} {
		if got := Mask(given); got != want {
			t.Errorf("Mask(%q) = %q, want %q", given, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"alice", "ＡLICE", "ﬃ", "ẞ", "İ", "\u0345\u0301a", "ᾴ", "\u1e9b\u0323", "\ufdfa", " \u00a0a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := Canonical(s)
		if err != nil || len(once) > maxText {
			return
		}
		if again, err := Canonical(once); err != nil || again != once {
			t.Errorf("Canonical(%q) = %q, and of that %q, %v", s, once, again, err)
		}
		if once != strings.TrimSpace(once) || once == "" {
			t.Errorf("Canonical(%q) = %q", s, once)
		}
	})
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"Alice@Hospital.Example", `"a b"@corp.test`, "a@bücher.example", "a@[::1]", "a@b@c.d", "a@corp.test\r\nBcc: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := CanonicalEmail(s)
		if err != nil {
			return
		}
		if again, err := CanonicalEmail(once); err != nil || again != once {
			t.Errorf("CanonicalEmail(%q) = %q, and of that %q, %v", s, once, again, err)
		}
		if len(once) > maxEmail || strings.Count(once, "@") != 1 || strings.ContainsAny(once, " \t\r\n\x00\"()<>,;:[]\\") || strings.ContainsFunc(once, func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("CanonicalEmail(%q) = %q", s, once)
		}
		if strings.ContainsFunc(s, invisible) {
			t.Errorf("%q has what cannot be seen, and is an address", s)
		}
	})
}
