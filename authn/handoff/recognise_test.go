package handoff

import (
	"net/http"
	"net/url"
	"testing"

	"foregate/authn"
)

// get is a request for an address as the server reads it.
func get(address string) *http.Request {
	u, err := url.ParseRequestURI(address)
	if err != nil {
		panic(err)
	}
	return &http.Request{Method: http.MethodGet, URL: u, Host: host, Header: http.Header{}}
}

var _ authn.Recognizer = (*method)(nil)

func TestTokenIsFoundAndTakenOutOctetForOctet(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) { c.StartParameter = "goto" }))
	for address, want := range map[string]string{
		"/?token=x":                                     "/",
		"/a%2Fb/%7Ec;v=1?token=x&mac=y":                 "/a%2Fb/%7Ec;v=1",
		"/a?x=%41&token=x&y=+%2B&mac=y&&z":              "/a?x=%41&y=+%2B&&z",
		"/a?token=x&q=1":                                "/a?q=1",
		"/a?q=1&token=x":                                "/a?q=1",
		"/a?t%6fken=x&%74%6F%6B%65%6E=z&q=token":        "/a?q=token",
		"/a?token":                                      "/a",
		"/a?token=x;y&q=1":                              "/a?q=1",
		"/a?token=x&m%61c=y&goto=/b&q=%":                "/a?q=%",
		"//evil.example/?token=x":                       "//evil.example/",
		"/a?q=1":                                        "",
		"/a?mac=y&goto=/b":                              "",
		"/a?Token=x&tokens=x&toke=x&xtoken=x&token%00=": "",
		"/a?q=token=x":                                  "",
		"/token=x":                                      "",
		"/a?%74oke%6=x&toke%=x&toke%6g=x":               "",
	} {
		rest, found := b.Recognize(get(address))
		if rest != want || found != (want != "") {
			t.Errorf("Recognize(%s) = %q, %v, want %q", address, rest, found, want)
		}
	}
}

func TestRecognizeAllocatesNothingWhereNothingIs(t *testing.T) {
	b := newBench(t, config(formatBlowfish))
	for _, r := range []*http.Request{get("/drugs"), get("/drugs?q=amoxicillin&page=2&t%6Fkens=1&mac=x")} {
		if n := testing.AllocsPerRun(100, func() { b.Recognize(r) }); n != 0 {
			t.Errorf("%s: %v allocations", r.URL, n)
		}
	}
}

func TestRecognizedIsWhatTheFormHolds(t *testing.T) {
	b := newBench(t, config(formatBlowfish))
	for _, query := range []string{"token=x", "t%6fken=x", "a=b&token=x&token=y", "a=b", "tok+en=x", "token+=x"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := b.Recognize(get("/?" + query)); found != values.Has("token") {
			t.Errorf("Recognize of %q is %v, the form says %v", query, found, values.Has("token"))
		}
	}
}

// A token with the name of a partner that there is not is a token all the same.
func TestTokenOfAnotherPartnerIsFoundAsStray(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) { c.PartnerParameter = "from" }))
	name := b.partner.name
	for address, want := range map[string]string{
		"/a?token=x&mac=y&from=nobody&q=1":   "/a?q=1",
		"/a?q=1&fr%6fm=&token=x":             "/a?q=1",
		"/a?token=x&from=" + name + "&q=%zz": "/a?q=%zz",
		"/a?token=x":                         "", // without it the parameter may be the application's own
		"/a?from=nobody":                     "",
	} {
		if rest, found := b.Stray(get(address)); rest != want || found != (want != "") {
			t.Errorf("Stray(%s) = %q, %v, want %q", address, rest, found, want)
		}
	}
	if _, found := b.Recognize(get("/a?token=x&from=nobody")); found {
		t.Error("it takes another's for its own")
	}
}
