package ldap

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"foregate/internal/lockout"
)

// name is a user name as somebody typed it, taken apart. All three are canonical.
type name struct {
	account string // the bare name, if it may be one of this directory
	address string // the whole, with an @
	key     string // what tries are counted on if nobody has the name
}

// parse reads alice, DOMAIN\alice and alice@domain. It reports false for what
// cannot be a name. A name of another domain is plausible and finds nobody.
func (n Names) parse(user string) (name, bool) {
	whole, ok := lockout.Canonical(user)
	// A C program at the other end would read up to the NUL alone.
	if !ok || strings.ContainsFunc(whole, unicode.IsControl) {
		return name{}, false
	}
	if domain, account, found := strings.Cut(whole, `\`); found {
		account = strings.TrimSpace(account)
		if account == "" || strings.ContainsAny(account, `\@`) {
			return name{key: whole}, true
		}
		if !n.knowsShort(strings.TrimSpace(domain)) {
			return name{key: whole}, true
		}
		return name{account: account, key: account}, true
	}
	at := strings.LastIndexByte(whole, '@')
	if at < 0 {
		return name{account: whole, key: whole}, true
	}
	account := strings.TrimSpace(whole[:at])
	if account == "" || !foldedIn(n.Domains, whole[at+1:]) {
		return name{address: whole, key: whole}, true
	}
	return name{account: account, address: whole, key: account}, true
}

func (n Names) knowsShort(domain string) bool {
	if len(n.Netbios) == 0 && len(n.Domains) == 0 {
		return domain != ""
	}
	return foldedIn(n.Netbios, domain) || foldedIn(n.Domains, domain)
}

func foldedIn(list []string, s string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, s) })
}

// filterOf is the search for who has a name; empty for a name that nobody can have
// here. Everything typed is escaped (RFC 4515, section 3).
func (c *Config) filterOf(n name) string {
	var any strings.Builder
	equal := func(attributes []string, value string) {
		for _, a := range attributes {
			if value != "" {
				any.WriteString("(" + a + "=" + ldap.EscapeFilter(value) + ")")
			}
		}
	}
	equal(c.Names.Attributes, n.account)
	equal(c.Names.AddressAttributes, n.address)
	if any.Len() == 0 {
		return ""
	}
	return "(&" + c.Filter + "(|" + any.String() + "))"
}

// plausiblePassword refuses what a server might take for no password at all, and
// answer with yes: nothing, what ends at a NUL, what is trimmed or normalised away.
func plausiblePassword(password string) bool {
	if len(password) > maxPassword || !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return false
	}
	return strings.ContainsFunc(password, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
	})
}
