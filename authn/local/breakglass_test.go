package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

const why = "the directory does not answer"

func glass() BreakGlass {
	return BreakGlass{
		Enabled: true, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/48")},
		Users: []User{{User: "Root-1", PasswordHash: authn.NewSecret(quick), Groups: []string{"admins"}}, {User: "root-2", PasswordHash: authn.NewSecret(quick), Disabled: true}},
	}
}

// openGlass opens it in a world in which nothing else works.
func openGlass(t *testing.T, c BreakGlass) (*breakGlass, *time.Time) {
	t.Helper()
	now := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	env := authntest.NewEnv("emergency")
	env.Tries, env.Once = nil, nil // the store: whoever asks it ends the test
	b, err := c.open(env, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, &now
}

func at(address string) *authn.Attempt {
	a := authntest.NewAttempt("emergency", "app.example")
	a.Client = netip.MustParseAddr(address)
	return a
}

func said(user, password, reason string) *http.Request {
	return authntest.Post(url.Values{"username": {user}, "password": {password}, "reason": {reason}})
}

func wantOut(t *testing.T, what string, reply authn.Reply, err error) {
	t.Helper()
	if _, in := reply.(authn.SignedIn); in || reply == nil && err == nil {
		t.Errorf("%s: got %+v, %v", what, reply, err)
	}
}

func TestLD9ContractOfBreakGlass(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		b, _ := openGlass(t, glass())
		return authntest.Subject{
			Authenticator: b,
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				return b.Resume(ctx, a, said("root-1", right, why))
			},
		}
	})
}

func TestLD9BreakGlassSignsInWithoutAStore(t *testing.T) {
	b, _ := openGlass(t, glass())
	reply, err := b.Resume(t.Context(), at(ward), said("ROOT-1", right, "  "+why+"\r\n  "))
	in, ok := reply.(authn.SignedIn)
	if err != nil || !ok {
		t.Fatalf("got %+v, %v", reply, err)
	}
	id := in.Identity
	if in.Reason != why || id.User != "Root-1" || id.Subject != "root-1" || id.Issuer != "foregate:break-glass/emergency" || id.Groups[0] != "admins" || b.Lifetime() != 15*time.Minute {
		t.Errorf("got %+v for %v", in, b.Lifetime())
	}
}

func TestLD9BreakGlassIsSealedUnlessEnabled(t *testing.T) {
	c := glass()
	c.Enabled = false
	b, _ := openGlass(t, c)
	if b.Here(netip.MustParseAddr(ward)) {
		t.Error("it is there")
	}
	reply, err := b.Begin(t.Context(), at(ward))
	wantOut(t, "begin", reply, err)
	reply, err = b.Resume(t.Context(), at(ward), said("root-1", right, why))
	wantOut(t, "the right password", reply, err)
	if c.Warnings() != nil || len((&BreakGlass{Enabled: true}).Warnings()) != 1 {
		t.Error("warns while sealed, or does not while open")
	}
}

func TestLD9BreakGlassIsForItsNetworksOnly(t *testing.T) {
	b, _ := openGlass(t, glass())
	for address, want := range map[string]bool{ward: true, "::ffff:192.0.2.9": true, "2001:db8::1": true, elsewhere: false, "2001:db9::1": false, "fe80::1%eth0": false} {
		if got := b.Here(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
	if b.Here(netip.Addr{}) {
		t.Error("nowhere is one of the networks")
	}
	reply, err := b.Resume(t.Context(), at(elsewhere), said("root-1", right, why))
	wantOut(t, "from elsewhere", reply, err)
}

func TestLD9BreakGlassAsksForAReason(t *testing.T) {
	b, _ := openGlass(t, glass())
	for _, reason := range []string{"", " ", "fire", "   x\x00\x01\u202e   \t", "123456789"} {
		for range 3 { // it is no try at the password
			reply, err := b.Resume(t.Context(), at(ward), said("root-1", right, reason))
			wantOut(t, reason, reply, err)
			if f, ok := reply.(authn.Form); !ok || !strings.Contains(f.Problem, "why you need this") || f.Fields[0].Value != "root-1" || f.Fields[1].Value != "" {
				t.Errorf("%q: got %+v, %v", reason, reply, err)
			}
		}
	}
	reply, err := b.Resume(t.Context(), at(ward), said("root-1", right, strings.Repeat("ü", 2000)))
	if in, ok := reply.(authn.SignedIn); !ok || len(in.Reason) > maxReason {
		t.Errorf("a long one: %+v, %v", reply, err)
	}
}

func TestLD9BreakGlassIsLockedAfterAFewTries(t *testing.T) {
	b, now := openGlass(t, glass())
	try := func(user, password string) bool {
		reply, _ := b.Resume(t.Context(), at(ward), said(user, password, why))
		_, in := reply.(authn.SignedIn)
		return in
	}
	for i := range 5 {
		if try("root-1", fmt.Sprint("wrong ", i)) {
			t.Fatal("a wrong password")
		}
	}
	if try("root-1", right) {
		t.Error("the right password while it is locked")
	}
	*now = now.Add(16 * time.Minute)
	if !try("root-1", right) {
		t.Error("locked for good")
	}
	if try("root-2", right) || try("nobody", right) {
		t.Error("a disabled or unknown user")
	}
}

func TestLD9CountsAreBounded(t *testing.T) {
	now := time.Now()
	c := counts{now: func() time.Time { return now }}
	for i := range maxCounts {
		if n, _ := c.Count(t.Context(), fmt.Sprint(i), time.Minute); n != 1 {
			t.Fatalf("%d: counted %d", i, n)
		}
	}
	if n, _ := c.Count(t.Context(), "one more", time.Minute); n < 1000 || len(c.all) != maxCounts {
		t.Errorf("counted %d, %d kept", n, len(c.all))
	}
	if n, _ := c.Count(t.Context(), "7", time.Minute); n != 2 {
		t.Errorf("an old one: %d", n)
	}
	now = now.Add(time.Minute)
	if n, _ := c.Count(t.Context(), "one more", time.Minute); n != 1 || len(c.all) != 1 {
		t.Errorf("counted %d, %d kept", n, len(c.all))
	}
}

func TestLD9FaultsOfBreakGlass(t *testing.T) {
	for path, change := range map[string]func(*BreakGlass){
		"users":                  func(c *BreakGlass) { c.Users = nil },
		"users[0].password_hash": func(c *BreakGlass) { c.Users[0].PasswordHash = authn.NewSecret("CHANGE") },
		"networks":               func(c *BreakGlass) { c.Networks = nil },
		"networks[0]":            func(c *BreakGlass) { c.Networks[0] = netip.MustParsePrefix("0.0.0.0/0") },
		"networks[1]":            func(c *BreakGlass) { c.Networks[1] = netip.MustParsePrefix("::/0") },
		"lifetime":               func(c *BreakGlass) { c.Lifetime = 2 * time.Hour },
		"notify":                 func(c *BreakGlass) { c.Notify = &url.URL{Scheme: "http", Host: "alerts.example"} },
	} {
		c := glass()
		change(&c)
		var fault *authn.Fault
		if err := c.Validate(); !errors.As(err, &fault) || fault.Path != path {
			t.Errorf("%s: got %v", path, err)
		}
		if _, err := c.Open(authntest.NewEnv("emergency")); err == nil {
			t.Errorf("%s: opened", path)
		}
	}
	c := glass()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLD9BreakGlassTellsByWeb(t *testing.T) {
	posts, answers := make(chan map[string]string, 3), make(chan int, 3)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m map[string]string
		if err := json.Unmarshal(body, &m); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, body, err)
		}
		posts <- m
		w.WriteHeader(<-answers)
	}))
	defer srv.Close()
	c := glass()
	c.Notify, _ = url.Parse(srv.URL + "/hook")
	b, now := openGlass(t, c)
	var log bytes.Buffer
	b.notices.log, b.notices.pauses = slog.New(slog.NewTextHandler(&log, nil)), []time.Duration{0, 0}
	use := authn.Use{Time: *now, Until: now.Add(time.Minute), Method: "emergency", User: "Root-1", Reason: why, App: "careplan", Client: netip.MustParseAddr(ward), RequestID: "R1"}

	answers <- http.StatusBadGateway
	answers <- http.StatusNoContent
	b.Tell(use)
	<-posts
	got := <-posts
	want := map[string]string{"event": "break_glass", "time": "2026-03-01T07:00:00Z", "until": "2026-03-01T07:01:00Z", "method": "emergency", "user": "Root-1", "reason": why, "app": "careplan", "client": ward, "request_id": "R1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for range 3 {
		answers <- http.StatusFound // not followed: the message may go elsewhere
	}
	b.Tell(use)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if len(posts) != 3 || !strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), why) {
		t.Errorf("%d posts, log %s", len(posts), log.String())
	}
}
