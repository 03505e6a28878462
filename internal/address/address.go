// Package address reads the e-mail address of one person, strictly.
//
// What a person typed or an administrator stored goes to Parse, which takes one bare
// address and nothing else. The address that comes out has a spelling in which it is
// sent to and one in which it is compared. It is not a parser of mail headers: quoted
// local parts, comments, display names, lists and address literals are refused.
package address

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrNot is in every error of Parse. None of them repeats the text.
var ErrNot = errors.New("not an e-mail address")

// Lengths in bytes (RFC 5321, section 4.5.3.1, and RFC 3696, erratum 1690).
const (
	maxAddress = 254
	maxLocal   = 64
	maxDomain  = 253
	maxLabel   = 63
)

// Address is one bare address. The zero Address is none.
type Address struct {
	local, domain string
}

// Parse reads local@domain. The local part is a dot-atom of RFC 5322, section 3.2.3,
// in ASCII. The domain has two labels or more; one beyond ASCII becomes its xn-- form,
// so that a look-alike is never equal to what it looks like.
func Parse(s string) (Address, error) {
	// First, since what follows may take a time that grows faster than the text.
	if len(s) > maxAddress {
		return Address{}, fmt.Errorf("%w: %d bytes", ErrNot, len(s))
	}
	local, domain, found := strings.Cut(s, "@")
	switch {
	case !found || strings.Contains(domain, "@"):
		return Address{}, fmt.Errorf("%w: it has not exactly one @", ErrNot)
	case !dotAtom(local):
		return Address{}, fmt.Errorf("%w: the part before the @", ErrNot)
	case !utf8.ValidString(domain): // idna would read it as U+FFFD
		return Address{}, fmt.Errorf("%w: the domain", ErrNot)
	}
	if !ascii(domain) {
		var err error
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return Address{}, fmt.Errorf("%w: the domain", ErrNot)
		}
	}
	if !hostName(domain) || len(local)+1+len(domain) > maxAddress {
		return Address{}, fmt.Errorf("%w: the domain", ErrNot)
	}
	return Address{local, domain}, nil
}

// String is the address as it was written, except for a domain beyond ASCII.
func (a Address) String() string { return a.local + "@" + a.domain }

// Canonical is the address in lower case. Two addresses are one person's if these
// are equal; "+" and dots in the local part do make a difference.
func (a Address) Canonical() string { return strings.ToLower(a.String()) }

// Domain is the domain in lower case.
func (a Address) Domain() string { return strings.ToLower(a.domain) }

// Masked is for logs: the first letter of the local part, and the domain.
func (a Address) Masked() string {
	if a.local == "" {
		return ""
	}
	return a.local[:1] + "***@" + a.Domain()
}

func dotAtom(s string) bool {
	if s == "" || len(s) > maxLocal {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.Trim(atom, atext) != "" {
			return false
		}
	}
	return true
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	atext   = letters + digits + "!#$%&'*+-/=?^_`{|}~"
)

func hostName(s string) bool {
	labels := strings.Split(s, ".")
	if len(s) > maxDomain || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || strings.Trim(label, letters+digits+"-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	// An IP address is no domain.
	return strings.Trim(labels[len(labels)-1], digits) != ""
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
