package proxy

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"foregate/authn"
)

// request parses what a client wrote on the wire; tests of paths must not go
// through a client that repairs them.
func request(t testing.TB, target string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: app.test\r\n\r\n")))
	if err != nil {
		return nil // the server answers 400 by itself
	}
	return r
}

func TestPathHasOneMeaning(t *testing.T) {
	for target, want := range map[string]Path{
		"/":                      {"/", "/"},
		"/a/b-c_d/e.html?x=1":    {"/a/b-c_d/e.html", "/a/b-c_d/e.html"},
		"/Patients/List.aspx":    {"/Patients/List.aspx", "/patients/list.aspx"},
		"/a%20b":                 {"/a b", "/a b"},
		"/caf%C3%A9":             {"/café", "/café"},
		"/x;jsessionid=1/y":      {"/x;jsessionid=1/y", "/x/y"},
		"/%61dmin":               {"/admin", "/admin"},
		"/%2561dmin":             {"/%61dmin", "/admin"},
		"/admin.":                {"/admin.", "/admin"},
		"/admin%20":              {"/admin ", "/admin"},
		"/admin/":                {"/admin/", "/admin/"},
		"/%EF%BC%A1dmin":         {"/Ａdmin", "/admin"}, // fullwidth A
		"/a?next=/../x":          {"/a", "/a"},
		"http://app.test/a/b":    {"/a/b", "/a/b"},
		"/.well-known/x":         {"/.well-known/x", "/.well-known/x"},
		"/ADMIN;a=b/%2541dmin.":  {"/ADMIN;a=b/%41dmin.", "/admin/admin"},
		"/%E2%84%AAelvin/report": {"/\u212aelvin/report", "/kelvin/report"}, // Kelvin sign
	} {
		r := request(t, target)
		if r == nil {
			t.Errorf("%s cannot be parsed", target)
			continue
		}
		got, err := readPath(r, false)
		if err != nil || got != want {
			t.Errorf("readPath(%s) = %q, %v; want %q", target, got, err, want)
		}
	}
}

// TestPB5PathsOfTwoMeaningsAreRefused holds the shapes with which other proxies
// were walked round.
func TestPB5PathsOfTwoMeaningsAreRefused(t *testing.T) {
	for _, target := range []string{
		"/public/../admin", "/public/%2e%2e/admin", "/public/%2E./admin", "/public/.%2e/admin", "/public/..%2fadmin",
		"/public/..%5cadmin", `/public/..\admin`, "/public/..;/admin", "/public/..;x=1/admin", "/public/..%00/admin", "/public/..%01/admin",
		"/public/./admin", "/public//admin", "//admin", "/public/%2fadmin", "/public;x=/../admin", "/public/%252e%252e%252fadmin",
		"/public/%c0%ae%c0%ae/admin", "/public/%e0%80%ae%e0%80%ae/admin", "/public/%EF%BC%8E%EF%BC%8E/admin", "/admin%00.css", "/admin%0a",
		"/public/%25252e%25252e/admin", "/public/..%20/admin", "/public/%2e%2e;/admin", "/.", "/..", "/a/.", "/admin#/public", "/%2525252525252561",
		"*", "",
	} {
		r := request(t, target)
		if r == nil {
			continue
		}
		if got, err := readPath(r, false); err == nil {
			t.Errorf("readPath(%s) = %q; want it refused", target, got)
		}
	}
}

func TestRawPathLetsSlashesThroughButNoClimbing(t *testing.T) {
	for target, ok := range map[string]bool{
		"/a%2Fb": true, "/a//b": true, "/a/..%2fadmin": false, "/a//../b": false, `/a\b`: false, "/a/%2e%2e/b": false,
	} {
		_, err := readPath(request(t, target), true)
		if (err == nil) != ok {
			t.Errorf("readPath(%s, raw) = %v; want ok %v", target, err, ok)
		}
	}
}

func TestPB11TooManyParametersAreRefused(t *testing.T) {
	r := request(t, "/a?"+strings.Repeat("x=1&", maxParams)+"hidden=y")
	if _, err := readPath(r, false); err == nil {
		t.Error("10,001 parameters were accepted")
	}
	if _, err := readPath(request(t, "/a?"+strings.Repeat("x=1&", 100)), false); err != nil {
		t.Errorf("100 parameters: %v", err)
	}
}

// FuzzPathRulesAreNotWalkedRound states what rules promise: if any reading of a
// path that an application might make needs more than the caller has, the
// request is not allowed.
func FuzzPathRulesAreNotWalkedRound(f *testing.F) {
	for _, target := range []string{
		"/public/x", "/admin", "/ADMIN/x", "/%61dmin", "/admin;a=b", "/public/..;/admin", "/admin%20", "/public/%2561", "/api/x/status", "/Ａdmin", "/admin..",
	} {
		f.Add(target)
	}
	policy := NewPolicy([]string{"local"}, []Rule{
		{Path: "/public/**", Allow: Anyone},
		{Path: "/api/*/status", Allow: Anyone},
		{Path: "/admin/**", Allow: SignedIn, Groups: []string{"admins"}},
		{Allow: SignedIn},
	})
	alice := &authn.Identity{Method: "local", Issuer: "x", Subject: "alice", User: "alice", Groups: []string{"users"}}
	f.Fuzz(func(t *testing.T, target string) {
		r := request(t, target)
		if r == nil {
			return
		}
		p, err := readPath(r, false)
		if err != nil {
			return
		}
		for _, reading := range readings(r.URL.EscapedPath()) {
			if strings.HasPrefix(reading, "/admin/") || reading == "/admin" {
				if d := policy.Decide(alice, Request{Method: "GET", Path: p}); d.Verdict == Allow {
					t.Fatalf("%q can be read as %q and was allowed: %+v", target, reading, p)
				}
			}
			if !strings.HasPrefix(reading, "/public/") && reading != "/public" && !strings.HasPrefix(reading, "/api/") {
				if d := policy.Decide(nil, Request{Method: "GET", Path: p}); d.Verdict == Allow {
					t.Fatalf("%q can be read as %q and was allowed to a stranger: %+v", target, reading, p)
				}
			}
		}
	})
}

// readings is a naive list of what applications make of a path, written apart
// from the code under test.
func readings(raw string) []string {
	set := map[string]bool{raw: true}
	for range 3 {
		for p := range set {
			for _, q := range []string{unescape(p), strings.ReplaceAll(p, `\`, "/"), strings.ToLower(p), withoutParams(p), strings.TrimRight(p, ". "), upTo(p, "\x00"), strings.TrimSuffix(p, "/")} {
				set[q] = true
			}
		}
	}
	var out []string
	for p := range set {
		if strings.HasPrefix(p, "/") {
			out = append(out, p)
		}
	}
	return out
}

func withoutParams(p string) string {
	segs := strings.Split(p, "/")
	for i := range segs {
		segs[i] = upTo(segs[i], ";")
	}
	return strings.Join(segs, "/")
}

func upTo(s, sep string) string { before, _, _ := strings.Cut(s, sep); return before }

func BenchmarkReadPath(b *testing.B) {
	r := request(b, "/patients/4711/notes.html?tab=2")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readPath(r, false); err != nil {
			b.Fatal(err)
		}
	}
}
