package upstream

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPresetsHaveTheNamesThatApplicationsExpect(t *testing.T) {
	for name, want := range map[string][]string{
		"":             {"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Roles", "X-Forwarded-User"},
		"forwarded":    {"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Roles", "X-Forwarded-User"},
		"remote":       {"Remote-Email", "Remote-Groups", "Remote-Name", "Remote-User"},
		"auth-request": {"X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Name", "X-Auth-Request-Preferred-Username", "X-Auth-Request-Roles", "X-Auth-Request-User"},
		"none":         {},
	} {
		if diff := cmp.Diff(want, Headers{Preset: name}.Names()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func TestMapAddsToThePresetAndOverridesIt(t *testing.T) {
	h := Headers{Preset: "remote", Map: map[string]Source{"remote_user": {Claim: "email"}, "X-Ward": {Claim: "ward"}}}
	want := []string{"Remote-Email", "Remote-Groups", "Remote-Name", "Remote_user", "X-Ward"}
	if diff := cmp.Diff(want, h.Names()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := h.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateSaysWhatIsWrongWithHeaders(t *testing.T) {
	one := func(name string, s Source) Headers { return Headers{Map: map[string]Source{name: s}} }
	claim := Source{Claim: "user"}
	for want, h := range map[string]Headers{
		`there is no preset "forwarde"`:   {Preset: "forwarde"},
		`"X User" is not a header name`:   one("X User", claim),
		`"" is not a header name`:         one("", claim),
		`"_" is not a header name`:        one("_", claim),
		`longer than 62`:                  one(strings.Repeat("x", 63), claim),
		`"Host" has a meaning`:            one("Host", claim),
		`"connection" has a meaning`:      one("connection", claim),
		`"X_Forwarded_For" has a meaning`: one("X_Forwarded_For", claim),
		`either a claim or a value`:       one("X-User", Source{}),
		`X-Ward: the header needs either`: one("X-Ward", Source{Claim: "a", Value: "b"}),
		`X-Ward.value: the value has`:     one("X-Ward", Source{Value: "a\r\nb"}),
		`are one header to many`:          {Map: map[string]Source{"X-Ward": claim, "X_Ward": claim}},
	} {
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := one("X-Percent", Source{Value: "50% off"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://a.example": "not with http", "http:///x": "no host", "http://u:p@a.example": "nothing else", "http://a.example/?q=1": "nothing else",
	} {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Name: "a", Route: Route{URL: target}}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	if _, err := New(Config{Name: "a", Route: Route{URL: &url.URL{Scheme: "http", Host: "a.example"}}, Assertion: true}, nil); err == nil {
		t.Error("an assertion without a key was accepted")
	}
}
