package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/cookies/memstore"
)

// TestClocksThatDifferAreNamed in plain words, with a way on; the log has the technical ones.
func TestClocksThatDifferAreNamed(t *testing.T) {
	for heading, err := range map[string]error{"Two clocks differ": authn.Early("iat is ahead"), "That came too late": authn.Late("exp is over")} {
		p := &teller{err: authn.Unproved("The answer could not be verified.", fmt.Errorf("oidc: %w", err))}
		s := newServer(t, memstore.New(), mirror(t), []Rule{{Allow: SignedIn}}, &Method{Name: "local", Title: "Sign in with Microsoft", Config: p})
		b := &signingIn{t: t, s: s, jar: make(map[string]string)}
		w := b.do("GET", "/sso/start/local", nil)
		_, state, _ := strings.Cut(w.Header().Get("Location"), "state=")
		w = b.do("GET", "/sso/callback/local?state="+state, nil)
		body := w.Body.String()
		for _, want := range []string{heading, "tell your IT department that the clocks", "Back to signing in"} {
			if !strings.Contains(body, want) {
				t.Errorf("no %q in\n%s", want, body)
			}
		}
		if w.Code != http.StatusBadRequest || strings.Contains(body, "iat") || strings.Contains(body, "exp is") {
			t.Errorf("status %d, or words for the log:\n%s", w.Code, body)
		}
	}
}
