package oidc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClaimPaths(t *testing.T) {
	c, err := parseClaims([]byte(`{
		"sub": "alice", "https://example/roles": ["r1"], "a.b": "exact", "a": {"b": "nested", "c/d": {"e~f": "odd"}},
		"realm_access": {"roles": ["admin"]}, "memberships": [{"role": "nurse"}, {"other": 1}, {"role": "doctor"}],
		"nothing": null, "n": 7, "list": [["x"], "y"]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"sub":                         "alice",
		"https://example/roles":       []any{"r1"},
		"a.b":                         "exact",
		"/a/b":                        "nested",
		"/a/c~1d/e~0f":                "odd",
		"/https:~1~1example~1roles/0": "r1",
		"realm_access.roles":          []any{"admin"},
		"memberships.role":            []any{"nurse", "doctor"},
		"n":                           7.0,
	} {
		got, ok := c.at(path)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: found %v: %s", path, ok, diff)
		}
	}
	for _, path := range []string{"", "nothing", "nothing.x", "absent", "sub.x", "realm_access.", "memberships.none", "/sub/x", "/list/2", "/list/-1", "/"} {
		if v, ok := c.at(path); ok {
			t.Errorf("%s: found %v", path, v)
		}
	}
}

func TestClaimsMustBeOneObjectWithoutRepeats(t *testing.T) {
	for _, body := range []string{``, `null`, `[]`, `"x"`, `{`, `{"a":1`, `{"a":1,"a":2}`, `{"a":}`, `{} {}`, `{"a":1,}`} {
		if c, err := parseClaims([]byte(body)); err == nil {
			t.Errorf("%s: took %v", body, c)
		}
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[{"c":1}]}}`), "a.b.c")
	f.Add([]byte(`{"a/b":1}`), "/a~1b")
	f.Add([]byte(`{"a":1,"a":2}`), "/")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		c, err := parseClaims(body)
		if err != nil {
			return
		}
		if v, ok := c.at(path); ok {
			if v == nil {
				t.Fatal("found nothing, and says it found something")
			}
			_, _ = texts(v)
		}
	})
}
