package accounts

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

var (
	errName  = errors.New("accounts: not a user name")
	errEmail = errors.New("accounts: not a bare e-mail address")
)

const (
	maxEmail = 254 // bytes; RFC 5321, section 4.5.3.1.3, without the angle brackets
	maxLocal = 64  // bytes before the @; section 4.5.3.1.1
)

// Canonical folds a user name to the one key of an account, whatever the spelling:
// compatibility normalisation (NFKC) and case folding, without outer spaces. It is an
// error if nothing is left, or if name is longer than 256 bytes, not UTF-8, or has
// characters that cannot be seen.
func Canonical(name string) (string, error) {
	if len(name) > maxText || !utf8.ValidString(name) || strings.ContainsFunc(strings.TrimSpace(name), invisible) {
		return "", errName
	}
	name = strings.TrimSpace(fold(name))
	// Folding makes a name up to 18 times longer (U+FDFA).
	if name == "" || len(name) > 4*maxText {
		return "", errName
	}
	return name, nil
}

// fold makes texts equal that people take for equal.
func fold(text string) string {
	text = norm.NFD.String(text)
	// Normalising makes new letters to fold (Unicode 3.13, D146), so twice.
	for range 2 {
		text = norm.NFKC.String(cases.Fold().String(text))
	}
	return text
}

// CanonicalEmail folds an e-mail address to what is compared: lower case, the domain
// as IDNA A-labels. Only a bare address is one (RFC 5321, section 4.1.2, Dot-string
// "@" Domain): no display name, comment, quoted local part, address literal, control
// character or space, at most 254 bytes, exactly one "@", a domain of two labels or
// more that does not end in a number. What is not ASCII before the "@" is refused, and
// behind it whatever would have to be mapped: letters that look alike or fold into
// others have been used to be taken for somebody else.
func CanonicalEmail(address string) (string, error) {
	local, domain, found := strings.Cut(address, "@")
	if !found || len(address) > maxEmail || len(local) > maxLocal || !dotAtom(local) {
		return "", errEmail
	}
	domain, err := canonicalDomain(domain)
	if err != nil {
		return "", err
	}
	canonical := strings.ToLower(local) + "@" + domain
	if len(canonical) > maxEmail {
		return "", errEmail
	}
	return canonical, nil
}

// dotAtom implements RFC 5322, section 3.2.3, for ASCII.
func dotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
			if !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}

func canonicalDomain(domain string) (string, error) {
	lower := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, domain)
	// The profile for registration maps nothing: what is not in its one form is an error.
	ascii, err := idna.Registration.ToASCII(lower)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errEmail, err)
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", errEmail
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", errEmail
		}
	}
	return ascii, nil
}

// Mask hides most of an address from who does not know it, and shows enough to those
// who do: "a•••@hospital.example".
func Mask(address string) string {
	local, domain, found := strings.Cut(address, "@")
	if !found {
		return "•••"
	}
	if len(local) < 3 {
		local = ""
	} else {
		local = local[:1]
	}
	return local + "•••@" + domain
}
