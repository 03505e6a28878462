package lockout

import (
	"net/netip"
	"strings"
	"testing"
)

func TestLD5SpellingsOfANameAreOne(t *testing.T) {
	for want, spellings := range map[string][]string{
		"alice":   {"alice", "ALICE", "Alice", " alice", "alice \t", "\u3000alice", "\uff41\uff4c\uff49\uff43\uff45"},
		"rené":    {"rené", "RENÉ", "rene\u0301", "RENE\u0301"},
		"strasse": {"straße", "STRASSE", "Straſse"},
		"σ":       {"ς", "Σ", "σ"},
	} {
		for _, s := range spellings {
			if got, ok := Canonical(s); !ok || got != want {
				t.Errorf("Canonical(%q) = %q, %v, want %q", s, got, ok, want)
			}
		}
	}
}

func TestLD5OtherNamesStayOther(t *testing.T) {
	for _, s := range []string{`corp\alice`, "alice@corp", "alice.", "al ice", "ali\u200bce", "\u0430lice" /* Cyrillic */} {
		if got, _ := Canonical(s); got == "alice" {
			t.Errorf("Canonical(%q) is alice", s)
		}
	}
}

func TestImplausibleNames(t *testing.T) {
	for _, s := range []string{"", " ", "\u3000", "a\xff", strings.Repeat("a", maxName+1)} {
		if got, ok := Canonical(s); ok {
			t.Errorf("Canonical(%.20q) = %.20q, true", s, got)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"alice", "ＡLICE", "ﬃ", "ẞ", "İ", "\u0345\u0301a", "ᾴ", "\u1e9b\u0323"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, ok := Canonical(s)
		if !ok || len(once) > maxName {
			return
		}
		if again, ok := Canonical(once); !ok || again != once {
			t.Errorf("Canonical(%q) = %q, and of that %q", s, once, again)
		}
		if upper, ok := Canonical(strings.ToUpper(once)); ok && strings.ToLower(once) == once && isASCII(once) && upper != once {
			t.Errorf("upper case of %q is another name, %q", once, upper)
		}
	})
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) }

func TestNetworksAreCountedWhole(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.77":           "192.0.2.0/24",
		"::ffff:192.0.2.77":    "192.0.2.0/24",
		"2001:db8:1:2:3::4":    "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
	} {
		if got := Network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("Network(%s) = %s, want %s", addr, got, want)
		}
	}
	if got := Network(netip.Addr{}); got.IsValid() {
		t.Errorf("Network of no address = %s", got)
	}
}
