package proxy

import "testing"

func TestCanonicalHost(t *testing.T) {
	for host, want := range map[string][2]string{
		"app.test":      {"app.test", "app.test"},
		"APP.test":      {"app.test", "app.test"},
		"app.test:8080": {"app.test", "app.test:8080"},
		"[::1]":         {"[::1]", "[::1]"},
		"[::1]:8080":    {"[::1]", "[::1]:8080"},
		"127.0.0.1:80":  {"127.0.0.1", "127.0.0.1:80"},
		"app.test.":     {"app.test.", "app.test."}, // and no app has that name
		"":              {"", ""},
		"app.test:":     {"", ""},
		"app.test:x":    {"", ""},
		"a:b:80":        {"", ""},
		"::1":           {"", ""},
		"a@b":           {"", ""},
		"a/b":           {"", ""},
		"аpp.test":      {"", ""}, // a Cyrillic letter
		"a b":           {"", ""},
	} {
		name, withPort := canonicalHost(host)
		if got := [2]string{name, withPort}; got != want {
			t.Errorf("canonicalHost(%q) = %q, want %q", host, got, want)
		}
	}
}
