package lockout

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName is how long a name may be, in bytes.
const maxName = 256

// Canonical folds a user name as typed or configured to the one key of an
// account: compatibility normalisation and case folding, without outer spaces.
// It reports false for what cannot be a name: empty, too long, not UTF-8, with a NUL.
func Canonical(user string) (string, bool) {
	if len(user) > maxName || !utf8.ValidString(user) || strings.ContainsRune(user, 0) {
		return "", false
	}
	name := norm.NFD.String(user)
	// Normalising makes new letters to fold (Unicode 3.13, D146), so twice.
	for range 2 {
		name = norm.NFKC.String(cases.Fold().String(name))
	}
	name = strings.TrimSpace(name)
	return name, name != ""
}

// Network is where tries from addr are counted: homes and wards hold a whole
// IPv6 /64, and an attacker has many addresses of one IPv4 /24.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an address that is not known shares one counter
	}
	return prefix
}
