package gate

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// administration are rules of which everything but /Admin is open, so that one that is
// walked round shows.
const administration = `
      - {path: /Admin/**, groups: [admins]}
      - {path: /**, allow: anyone}`

// adminSpelled are the ways to write Admin with one letter, or all, percent-encoded, and each
// in another case.
func adminSpelled() (all []string) {
	for _, word := range []string{"Admin", "admin", "ADMIN"} {
		whole := ""
		for i := range len(word) {
			one := fmt.Sprintf("%%%02x", word[i])
			all = append(all, word[:i]+one+word[i+1:])
			whole += one
		}
		all = append(all, whole, strings.ToUpper(whole), word)
	}
	return all
}

// TestPB7AnEncodedLetterChangesNoDecision: not of a request that is carried, and not of one
// that another proxy asks about.
func TestPB7AnEncodedLetterChangesNoDecision(t *testing.T) {
	t.Parallel()
	f := start(t, options{rules: administration})
	g := start(t, options{top: "trusted_proxies: [127.0.0.1]", rules: administration})
	g.edit(func(yaml string) string {
		return regexp.MustCompile(`    upstream: \{url: "[^"]*", response_timeout: 5s\}`).ReplaceAllString(yaml, "    forward_auth: {}")
	})
	g.restart()
	cookies := map[string][2]string{"a stranger": {}, "alice": {f.alice(), g.alice()}, "root": {f.root(), g.root()}}
	want := map[string]int{"a stranger": http.StatusUnauthorized, "alice": http.StatusForbidden, "root": http.StatusOK}
	f.up.take()
	for who, cookie := range cookies {
		for _, spelled := range adminSpelled() {
			for _, target := range []string{"/" + spelled, "/" + spelled + "/x"} {
				if got := statusOf(f.get(target, cookie[0])); got != want[who] {
					t.Errorf("%s asks for %s: %d, want %d", who, target, got, want[who])
				}
				if heads := f.up.take(); len(heads) > 0 != (who == "root") {
					t.Errorf("%s asked for %s and the application saw %q", who, target, heads)
				}
				for name, way := range ways {
					path, lines := way("GET", "app.test", target)
					if got := statusOf(g.get(path, cookie[1], lines...)); got != want[who] {
						t.Errorf("%s asks for %s, %s: %d, want %d", who, target, name, got, want[who])
					}
				}
			}
		}
		// Encoded twice it is what an application makes of it, and open to nobody for that.
		for _, target := range []string{"/%2541dmin/x", "/%2561dmin/x", "/a%2544min/x"} {
			if got := statusOf(f.get(target, cookie[0])); who != "root" && got < 400 {
				t.Errorf("%s asks for %s: %d", who, target, got)
			}
		}
		f.up.take()
	}
	if status := statusOf(f.get("/%6fpen", "")); status != http.StatusOK {
		t.Errorf("what is open: %d", status)
	}
}
