package pages

import (
	"strings"
	"testing"
)

// FuzzRD8Link reads what link lets through as a browser does (WHATWG URL, basic
// URL parser): without tabs and line ends, without space and control characters
// around it, a backslash for a slash.
func FuzzRD8Link(f *testing.F) {
	for _, s := range []string{"/", "/a?b#c", "//evil.example", `/\evil.example`, "/\t/evil.example", "https://app.example", "javascript:alert(1)", "\x00javascript:alert(1)", "https:/\\evil.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := link(s)
		if got == "#" {
			return
		}
		if got != s {
			t.Fatalf("%q became %q", s, got)
		}
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(s)
		seen = strings.ToLower(strings.TrimLeft(seen, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1b\x1f "))
		local := strings.HasPrefix(seen, "/") && !strings.HasPrefix(seen, "//")
		if !local && !strings.HasPrefix(seen, "https://") && !strings.HasPrefix(seen, "http://") {
			t.Fatalf("%q leads elsewhere", s)
		}
	})
}
