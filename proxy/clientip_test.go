package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// TestIP1ClientIsFoundFromTheRight: the last hop that is not ours is the client,
// whatever a client wrote before it.
func TestIP1ClientIsFoundFromTheRight(t *testing.T) {
	lb := prefixes("192.0.2.10/32", "10.0.0.0/8", "2001:db8::/32")
	for _, c := range []struct {
		peer string
		xff  []string
		want string
	}{
		{"192.0.2.10:1000", []string{"203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"10.0.0.1, 203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"203.0.113.5, 10.0.0.1"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"1.2.3.4", "203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"203.0.113.5:4711"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"[2001:db9::1]:80"}, "2001:db9::1"},
		{"192.0.2.10:1000", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.10:1000", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
		{"192.0.2.10:1000", nil, "192.0.2.10"},
		{"[::ffff:192.0.2.10]:1000", []string{"203.0.113.5"}, "203.0.113.5"},
		// what cannot be read is nobody, and in no network
		{"192.0.2.10:1000", []string{"010.0.0.1"}, ""},
		{"192.0.2.10:1000", []string{"167772161"}, ""},
		{"192.0.2.10:1000", []string{"10.0.0.1, garbage"}, ""},
		{"192.0.2.10:1000", []string{""}, ""},
		{"192.0.2.10:1000", []string{"fe80::1%eth0"}, ""},
		{"192.0.2.10:1000", []string{`for="[::1]"`}, ""},
		{"192.0.2.10:1000", []string{strings.Repeat("10.0.0.1, ", 1000) + "10.0.0.1"}, ""},
		{"not an address", []string{"203.0.113.5"}, ""},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.xff}}
		got, _ := clientOf(r, lb)
		want, _ := netip.ParseAddr(c.want)
		if got != want {
			t.Errorf("peer %s, %q: %v, want %v", c.peer, c.xff, got, want)
		}
	}
}

// TestIP2HeaderOfAStrangerIsNotBelieved: without a trusted peer the connection
// alone counts.
func TestIP2HeaderOfAStrangerIsNotBelieved(t *testing.T) {
	for _, trusted := range [][]netip.Prefix{nil, prefixes("192.0.2.10/32")} {
		r := &http.Request{RemoteAddr: "198.51.100.7:9", Header: http.Header{"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-Proto": {"https"}}}
		got, isTrusted := clientOf(r, trusted)
		if got != netip.MustParseAddr("198.51.100.7") || isTrusted || secureOf(r, isTrusted) {
			t.Errorf("trusted %v: %v, %v", trusted, got, isTrusted)
		}
	}
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("10.0.0.1, 203.0.113.5")
	f.Add("[::1]:80,,")
	lb := prefixes("127.0.0.0/8", "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, xff string) {
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {xff}}}
		got, _ := clientOf(r, lb)
		if last := xff[strings.LastIndexByte(xff, ',')+1:]; got.IsValid() {
			if _, ok := parseHop(last); !ok {
				t.Fatalf("%q: the last hop cannot be read, and yet the client is %v", xff, got)
			}
		}
	})
}
