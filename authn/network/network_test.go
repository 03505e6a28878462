package network

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func readingRoom() Config {
	return Config{
		Addresses: prefixes("192.0.2.0/24", "198.51.100.7/32", "2001:db8:7::/48"),
		User:      "site:reading-room", Name: "Reading room", Groups: []string{"readers"},
	}
}

func open(t *testing.T, c Config) *method {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c.open(authntest.NewEnv("reading-room"), func() time.Time { return noon })
}

// from is an attempt of a client at an address; "" is one that could not be read.
func from(address string) *authn.Attempt {
	a := authntest.NewAttempt("reading-room", "app.example")
	a.Client = netip.Addr{}
	if address != "" {
		a.Client = netip.MustParseAddr(address)
	}
	return a
}

func TestContract(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		m := open(t, readingRoom())
		return authntest.Subject{Authenticator: m, Recognizes: true, SignIn: m.Begin}
	})
}

// The same from outside: nothing that is sent changes where somebody is. Only the
// check of Begin, which must let people in, cannot hold there.
func TestStrangersElsewhereStayOut(t *testing.T) {
	m := open(t, readingRoom())
	for _, r := range []*http.Request{
		authntest.Get(nil), authntest.Post(nil),
		authntest.Get(map[string][]string{"user": {"site:reading-room"}, "client": {"192.0.2.10"}}),
	} {
		r.RemoteAddr = "192.0.2.10:40000" // the server's word counts, which is in the attempt
		r.Header.Set("X-Forwarded-For", "192.0.2.10")
		r.Header.Set("Forwarded", "for=192.0.2.10")
		if reply, err := m.Resume(t.Context(), from("203.0.113.9"), r); err == nil {
			t.Errorf("%s %v: %+v, want refused", r.Method, r.Form, reply)
		}
	}
}

func TestIdentityIsThePlace(t *testing.T) {
	m := open(t, readingRoom())
	want := authn.SignedIn{Identity: authn.Identity{
		Method: "reading-room", Issuer: "network:reading-room", Subject: "site:reading-room", User: "site:reading-room",
		PreferredUsername: "site:reading-room", Name: "Reading room", Groups: []string{"readers"}, Authenticated: noon,
	}}
	for range 2 {
		reply, err := m.Begin(t.Context(), from("192.0.2.10"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(authn.Reply(want), reply); diff != "" {
			t.Errorf("reply (-want +got):\n%s", diff)
		}
		reply.(authn.SignedIn).Identity.Groups[0] = "administrators" // the next one's must not change
	}
}

func TestOpenTakesTheTimeOfTheSignIn(t *testing.T) {
	c := readingRoom()
	m, err := c.Open(authntest.NewEnv("reading-room"))
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	reply, err := m.Begin(t.Context(), from("192.0.2.10"))
	if err != nil {
		t.Fatal(err)
	}
	if at := reply.(authn.SignedIn).Identity.Authenticated; at.Before(before) || at.After(time.Now()) {
		t.Errorf("authenticated %s, asked at %s", at, before)
	}
}

// IP1: who asks is an address; what is none, or only looks like one of the
// network's, is outside.
func TestIP1OnlyAddressesOfTheNetworksAreHere(t *testing.T) {
	tests := map[string]bool{
		"192.0.2.0": true, "192.0.2.10": true, "192.0.2.255": true,
		"::ffff:192.0.2.10":                   true, // IPv4 in IPv6
		"198.51.100.7":                        true,
		"2001:db8:7::1":                       true,
		"2001:db8:7:ffff:ffff:ffff:ffff:ffff": true,

		"192.0.1.255": false, "192.0.3.0": false, "198.51.100.8": false, "2001:db8:8::1": false,
		"":                       false, // what could not be read
		"::192.0.2.10":           false, // IPv4-compatible, not mapped
		"64:ff9b::192.0.2.10":    false, // translated (RFC 6052)
		"2002:c000:020a::1":      false, // 6to4 of 192.0.2.10
		"::ffff:0:192.0.2.10":    false, // translated (RFC 2765)
		"2001:db8:7::1%eth0":     false, // a zone
		"::ffff:192.0.2.10%eth0": false,
		"0.0.0.0":                false,
		"::":                     false,
		"127.0.0.1":              false,
	}
	m := open(t, readingRoom())
	for address, want := range tests {
		a := from(address)
		if got := m.Here(a.Client); got != want {
			t.Errorf("Here(%q) = %v, want %v", address, got, want)
		}
		reply, err := m.Begin(t.Context(), a)
		if _, in := reply.(authn.SignedIn); in != want {
			t.Errorf("Begin from %q = %v, %v; want signed in %v", address, reply, err, want)
		}
	}
}

// IP2: a request that reaches Foregate directly is judged by its own address.
func TestIP2HeadersOfTheRequestDoNotCount(t *testing.T) {
	m := open(t, readingRoom())
	r := authntest.Get(nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if _, err := m.Resume(t.Context(), from("192.0.2.10"), r); err != nil {
		t.Errorf("inside, with a header of outside: %v", err)
	}
	r.Header.Set("X-Forwarded-For", "192.0.2.10")
	if reply, err := m.Resume(t.Context(), from("203.0.113.9"), r); err == nil {
		t.Errorf("outside, with a header of inside: %v", reply)
	}
}

// IP3: the server asks again at each request, by this interface, and the answer
// is the address's alone.
func TestIP3HereIsAskedOfEachRequest(t *testing.T) {
	c := readingRoom()
	opened, err := c.Open(authntest.NewEnv("reading-room"))
	if err != nil {
		t.Fatal(err)
	}
	placed, ok := opened.(authn.Placed)
	if !ok {
		t.Fatal("the method is not authn.Placed, so its sessions would survive moving")
	}
	if _, err := opened.Begin(t.Context(), from("192.0.2.10")); err != nil {
		t.Fatal(err)
	}
	if placed.Here(netip.MustParseAddr("203.0.113.9")) {
		t.Error("still here after moving away")
	}
	if !placed.Here(netip.MustParseAddr("192.0.2.11")) {
		t.Error("not here any more from the next computer of the room")
	}
	if n := testing.AllocsPerRun(100, func() { placed.Here(netip.MustParseAddr("2001:db8:7::2")) }); n != 0 {
		t.Errorf("Here allocates %v times for each request", n)
	}
}

func TestRefusalSaysWhatToDo(t *testing.T) {
	m := open(t, readingRoom())
	for address, logged := range map[string]string{
		"203.0.113.9": "203.0.113.9", "": "unknown address", "fe80::1%zqzone": "fe80::1",
	} {
		_, err := m.Begin(context.Background(), from(address))
		var e *authn.Error
		if !errors.As(err, &e) {
			t.Fatalf("from %q: %v, want an *authn.Error", address, err)
		}
		if e.Status != http.StatusForbidden || !strings.Contains(e.Public, "another way") {
			t.Errorf("from %q: %d %q", address, e.Status, e.Public)
		}
		if !strings.Contains(err.Error(), logged) || strings.Contains(err.Error(), "zqzone") {
			t.Errorf("from %q: the log says %q", address, err)
		}
		if address != "" && strings.Contains(e.Public, logged) {
			t.Errorf("the page repeats the address: %q", e.Public)
		}
	}
}

func FuzzHere(f *testing.F) {
	for _, s := range []string{"192.0.2.10", "::ffff:192.0.2.10", "2001:db8:7::1%x", "", "010.0.0.1"} {
		f.Add(s)
	}
	c := readingRoom()
	m := c.open(authntest.NewEnv("reading-room"), time.Now)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			a = netip.Addr{}
		}
		b := a.As16()
		mapped := a.IsValid() && [12]byte(b[:12]) == [12]byte{10: 0xff, 11: 0xff}
		want := a.Zone() == "" && (mapped && (b[12] == 192 && b[13] == 0 && b[14] == 2 || [4]byte(b[12:]) == [4]byte{198, 51, 100, 7}) ||
			a.IsValid() && [6]byte(b[:6]) == [6]byte{0x20, 0x01, 0x0d, 0xb8, 0, 7})
		if got := m.Here(a); got != want {
			t.Errorf("Here(%s) = %v", a, got)
		}
	})
}
