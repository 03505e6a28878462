package handoff

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names of fields that mean something. Any other is a claim.
const (
	fieldTimestamp = "timestamp"
	fieldUser      = "user"
	fieldName      = "name"
	fieldEmail     = "email"
	fieldStart     = "start"
	fieldAudience  = "audience"
	fieldNonce     = "nonce"
)

// Lengths in bytes.
const (
	maxToken = 2048
	maxUser  = 128
	maxName  = 256
	maxEmail = 254
	maxStart = 1024
	maxNonce = 128
	maxClaim = 512
)

// Content is what a token says.
type Content struct {
	Made     time.Time      // when the page made it
	Expires  time.Time      // by its own word; zero when it gives none
	User     string         // the partner's identifier
	Name     string         // may be empty
	Email    string         // may be empty
	Start    string         // local path to open; may be empty
	Audience []string       // whom it is for; nil when the format does not say
	Nonce    string         // makes it unique; may be empty
	Claims   map[string]any // what else it says
	KeyID    string         // of the key that opened it; may be empty

	stamp     stamp
	notBefore time.Time
	iv        []byte // what the page should have drawn at random; nil where nothing is
}

// check holds the content against the grammar that every format shares. What a
// page may write into a field is narrow on purpose: where no key vouches for a
// token, the grammar is what stands in the way of one that was changed.
func (c *Content) check() *Reason {
	switch {
	case !plainText(c.User, 1, maxUser) || strings.ContainsFunc(c.User, unicode.IsSpace):
		return refuse(Field, "%s is not 1 to %d bytes without spaces and control characters", fieldUser, maxUser)
	case !plainText(c.Name, 0, maxName):
		return refuse(Field, "%s is not %d bytes at most without control characters", fieldName, maxName)
	case c.Email != "" && !address(c.Email):
		return refuse(Field, "%s is not an e-mail address", fieldEmail)
	case !plainText(c.Start, 0, maxStart):
		return refuse(Field, "%s is not %d bytes at most without control characters", fieldStart, maxStart)
	case len(c.Nonce) > maxNonce || strings.Trim(c.Nonce, nonceLetters) != "":
		return refuse(Field, "%s is not up to %d letters, digits, - and _", fieldNonce, maxNonce)
	}
	for name, v := range c.Claims {
		if s, ok := v.(string); ok && !plainText(s, 0, maxClaim) {
			return refuse(Field, "claim %q is not %d bytes at most without control characters", name, maxClaim)
		}
	}
	return nil
}

const nonceLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// plainText reports whether s is UTF-8 that can be shown, of these lengths.
func plainText(s string, least, most int) bool {
	if len(s) < least || len(s) > most || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

func address(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(domain, "@,;<>()") &&
		plainText(s, 3, maxEmail) && !strings.ContainsFunc(s, unicode.IsSpace)
}

// localPath reports whether s can only lead to a page of the same host.
func localPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") &&
		!strings.ContainsAny(s, "\\") && plainText(s, 1, maxStart)
}
