package authn

import (
	"fmt"
	"log/slog"
	"strings"
)

// Fault is something wrong with one key of the configuration. The loader adds
// file, line and column to it.
type Fault struct {
	Path    string // the key, relative to who reports it: "issuer", "client_auth.key", "users[2].name"; may be empty
	Problem string // what is wrong: `"htps://x" is not an https address`
	Remedy  string // what to do: `write the issuer exactly as the provider publishes it`
}

func (f *Fault) Error() string {
	s := f.Problem
	if f.Path != "" {
		s = f.Path + ": " + s
	}
	if f.Remedy != "" {
		s += "; " + f.Remedy
	}
	return s
}

// Secret is a configured value that must not be seen: a password, a key. In the
// configuration it is a string, {file: path} or {env: NAME}; the loader
// resolves it. Whatever prints it prints a mask.
type Secret struct{ value string }

// NewSecret wraps a value that is secret.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether nothing was configured.
func (s Secret) Empty() bool { return s.value == "" }

const mask = "(secret)"

func (s Secret) String() string               { return mask }
func (s Secret) GoString() string             { return mask }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(mask)) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(mask) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Path is the name of a file in the configuration. The loader makes it absolute:
// a relative one is relative to the folder of the configuration file.
type Path string

// CutControl returns s without control characters and at most max bytes long,
// for text of strangers that goes to a log or a page.
func CutControl(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s)
	if len(s) > max {
		s = strings.ToValidUTF8(s[:max], "")
	}
	return s
}
