package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies/memstore"
)

// directory is a method that can say who its people are now, unless it is down.
type directory struct {
	provider
	down error
}

func (d *directory) Open(authn.Env) (authn.Authenticator, error) { return d, nil }

func (d *directory) Refresh(_ context.Context, id authn.Identity) (authn.Identity, error) {
	id.Groups, id.Renew = []string{"Doctors"}, time.Now().Add(time.Hour)
	return id, d.down
}

// TestOvertakenSessionIsRenewedBeforeItCounts: a person's rights have changed. What
// they were counts no more, and while the directory is down nobody knows what they are.
func TestOvertakenSessionIsRenewedBeforeItCounts(t *testing.T) {
	d := &directory{down: errors.New("down")}
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Config: d})
	nina := says("ward-ad", "nina", "")
	nina.Method, nina.Groups, nina.Renew = "local", []string{"Nurses"}, time.Now().Add(time.Hour)
	cookie := enterAs(t, s, nina)
	get := func() (int, string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "http://app.test/", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, said := get(); code != http.StatusOK || said != "nina Nurses" {
		t.Fatalf("%d %q", code, said)
	}
	r := httptest.NewRequest(http.MethodGet, "http://app.test/", nil)
	r.Header.Set("Cookie", cookie)
	before, err := s.Sessions.Load(t.Context(), r, false, "app:app")
	if err != nil {
		t.Fatal(err)
	}
	socket, end := context.WithCancel(t.Context())
	defer end()
	go s.watch(socket, end, before)
	renews := func(method string) bool { return s.Set().Renews(method) }
	if err := s.Sessions.RenewPerson(t.Context(), nina.Issuer, nina.Subject, renews); err != nil {
		t.Fatal(err)
	}
	select {
	case <-socket.Done():
	case <-time.After(5 * time.Second):
		t.Error("a WebSocket goes on with the rights of before")
	}
	for range 3 {
		if code, _ := get(); code != http.StatusServiceUnavailable {
			t.Fatalf("while the directory is down: %d", code)
		}
	}
	d.down = nil
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		code, said := get()
		if code == http.StatusOK && said == "nina Doctors" {
			break
		}
		if code != http.StatusServiceUnavailable || time.Since(began) > 10*time.Second {
			t.Fatalf("when it is back: %d %q", code, said)
		}
	}
}
