package proxy

import (
	"net/http"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/cookies/memstore"
)

// keeper keeps passwords of its own, or does not.
type keeper struct {
	provider
	password bool
}

func (k *keeper) Open(authn.Env) (authn.Authenticator, error) { return k, nil }
func (k *keeper) Keeps() (password, app bool)                 { return k.password, true }

func TestPasswordManagersFindWhereAPasswordIsChanged(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		s := newServer(t, memstore.New(), mirror(t), []Rule{{Allow: Anyone}}, &Method{Name: "local", Config: &keeper{password: keeps}})
		b := &signingIn{t: t, s: s, jar: make(map[string]string)}
		w := b.do("GET", "/.well-known/change-password", nil)
		if ours := w.Code == http.StatusFound && w.Header().Get("Location") == "/sso/account/password"; ours != keeps {
			t.Errorf("keeps %v: %d to %q", keeps, w.Code, w.Header().Get("Location"))
		}
		if w := b.do("GET", "/.well-known/other", nil); w.Code != http.StatusOK {
			t.Errorf("another address: %d", w.Code)
		}
		if w := b.do("POST", "/.well-known/change-password", nil); strings.Contains(w.Header().Get("Location"), "/sso/account") {
			t.Errorf("a post: %d", w.Code)
		}
	}
}
