package handoff

import (
	"net/url"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestPlainTextsAreReadStrictly(t *testing.T) {
	delimited := Recipe{}
	query := Recipe{Plaintext: "query", Names: map[string]string{"timestamp": "ts", "user": "uid"}}
	object := Recipe{Plaintext: "json", Fields: []string{"timestamp", "user", "ward"}, Names: map[string]string{"timestamp": "ts"}}
	fixed := Recipe{Plaintext: "fixed", Fields: []string{"timestamp", "user", "name"}, Columns: []int{10, 8, 14}}
	tests := []struct {
		recipe Recipe
		text   string
		user   string // empty: refused
	}{
		{delimited, "1767225600|alice|Alice Archer", "alice"},
		{delimited, "1767225600|alice|", "alice"},
		{delimited, "1767225600|zoë|Zoë Ångström", "zoë"},
		{delimited, `1767225600|WARD\alice|x`, `WARD\alice`},
		{delimited, "1767225600|alice", ""},
		{delimited, "1767225600|alice|x|y", ""},
		{delimited, "alice|1767225600|x", ""},
		{delimited, "1767225600||x", ""},
		{delimited, "1767225600|al ice|x", ""},
		{delimited, "1767225600|al\u00a0ice|x", ""},
		{delimited, "1767225600|alice\x00|x", ""},
		{delimited, "1767225600|alice|x\x00", ""},
		{delimited, "1767225600|alice|a\nb", ""},
		{delimited, "1767225600|al\u200bice|x", ""},
		{delimited, "1767225600|alic\xff|x", ""},
		{delimited, "1767225600|" + strings.Repeat("a", 128) + "|x", strings.Repeat("a", 128)},
		{delimited, "1767225600|" + strings.Repeat("a", 129) + "|x", ""},
		{delimited, "1767225600|alice|" + strings.Repeat("a", 257), ""},
		{Recipe{Delimiter: "::"}, "1767225600::a:b::x", "a:b"},
		{Recipe{Fields: []string{"user", "timestamp"}}, "alice|1767225600", "alice"},
		{Recipe{Fields: []string{"user", "email", "timestamp"}}, "alice|a@b.example|1767225600", "alice"},
		{Recipe{Fields: []string{"user", "email", "timestamp"}}, "alice|a@b@c|1767225600", ""},
		{Recipe{Fields: []string{"user", "timestamp", "audience"}}, "alice|1767225600|formulary.example", "alice"},
		{Recipe{Fields: []string{"user", "timestamp", "audience"}}, "alice|1767225600|", ""},
		{query, "ts=1767225600&uid=al%69ce&name=Alice+Archer", "alice"},
		{query, "name=&uid=alice&ts=1767225600", "alice"},
		{query, "ts=1767225600&uid=alice", ""},
		{query, "ts=1767225600&uid=alice&uid=bob", ""},
		{query, "ts=1767225600&uid=alice&name=x&admin=1", ""},
		{query, "ts=1767225600&uid=alice&name=%zz", ""},
		{object, `{"ts":1767225600,"user":"alice","ward":"7"}`, "alice"},
		{object, `{"ts":"1767225600","user":"alice","ward":7}`, "alice"},
		{object, `{"ts":1767225600,"user":"alice"}`, ""},
		{object, `{"ts":1767225600,"user":"alice","ward":"7","more":1}`, ""},
		{object, `{"ts":1767225600,"user":"alice","ward":["7"]}`, ""},
		{object, `{"ts":1767225600,"user":"alice","ward":"7","user":"root"}`, ""},
		{object, `{"ts":1767225600,"user":"alice","ward":"7"} `, "alice"},
		{object, `{"ts":1767225600,"user":"alice","ward":"7"}x`, ""},
		{fixed, "1767225600alice   Alice Archer  ", "alice"},
		{fixed, "1767225600alice   Alice Archer ", ""},
		{fixed, "1767225600        Alice Archer  ", ""},
	}
	for _, test := range tests {
		b := newBench(t, config(formatBlowfish, func(c *Config) { bare(c); c.Recipe = &test.recipe }))
		v := url.Values{"token": {sealed(b, padded(test.text))}}
		if test.user == "" {
			if id, err := b.arrive(v); err == nil {
				t.Errorf("%s %q signs in %q", test.recipe.Plaintext, test.text, id.Subject)
			}
			continue
		}
		if id := b.enters(t, v); id.Subject != test.user {
			t.Errorf("%q signs in %q, want %q", test.text, id.Subject, test.user)
		}
	}
}

func TestWhatIsWrittenIsReadInEveryRecipe(t *testing.T) {
	for _, format := range []string{formatBlowfish, formatTripleDES, formatAESCBC} {
		for name, r := range map[string]Recipe{
			"default": {}, "zero IV": {IV: "zero"}, "base64": {Wire: "base64", MACWire: "base64"}, "hex": {Wire: "hex", MACWire: "base64url"},
			"zero padding": {Padding: "zero"}, "query": {Plaintext: "query"}, "milliseconds": {Timestamp: "unix-ms"},
			"json":  {Plaintext: "json", Fields: []string{"timestamp", "user", "name", "email", "start", "audience", "nonce", "ward"}},
			"fixed": {Plaintext: "fixed", Columns: []int{10, 20, 20}}, "pattern": {Timestamp: "yyyyMMddHHmmss", Zone: "Asia/Tokyo"},
			"ecb": {Mode: "ecb", MACParameter: "sig"},
		} {
			if name == "ecb" && format == formatAESCBC {
				continue
			}
			env := authntest.NewEnv("st-elsewhere")
			env.Claims = []string{"ward"}
			b := newBenchIn(t, config(format, func(c *Config) { c.Recipe = &r }), env)
			id := b.enters(t, b.mint(t, "alice", func(d *Draft) {
				d.Email, d.Start, d.Claims = "alice@st-elsewhere.example", "/drugs", map[string]any{"ward": "7"}
			}))
			want := authn.Identity{
				Method: "st-elsewhere", Issuer: "handoff:st-elsewhere", Subject: "alice", User: "st-elsewhere:alice",
				PreferredUsername: "alice", Name: "Alice Archer", Authenticated: noon,
			}
			if name == "json" {
				want.Email, want.Claims = "alice@st-elsewhere.example", map[string]any{"ward": "7"}
			}
			if diff := diff(want, id); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", format, name, diff)
			}
		}
	}
}

func TestMintRefusesWhatItCouldNotRead(t *testing.T) {
	fixed := newBench(t, config(formatBlowfish, func(c *Config) { c.Recipe = &Recipe{Plaintext: "fixed", Columns: []int{10, 4, 4}} }))
	plain := newBench(t, config(formatBlowfish))
	for name, mint := range map[string]func() (url.Values, error){
		"a column too narrow": func() (url.Values, error) { return fixed.partner.Mint(Draft{User: "alice", Made: noon}) },
		"the delimiter":       func() (url.Values, error) { return plain.partner.Mint(Draft{User: "a|b", Made: noon}) },
		"no user":             func() (url.Values, error) { return plain.partner.Mint(Draft{Made: noon}) },
		"too long": func() (url.Values, error) {
			return plain.partner.Mint(Draft{User: "a", Name: strings.Repeat("x", 300), Made: noon})
		},
		"no such key": func() (url.Values, error) { return plain.partner.Mint(Draft{User: "a", Made: noon, KeyID: "k9"}) },
	} {
		if v, err := mint(); err == nil {
			t.Errorf("%s: makes %v", name, v)
		}
	}
}

// A + that a page did not percent-encode arrives as a space.
func TestBase64SurvivesAPageThatForgetsToEncode(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) { c.Recipe = &Recipe{Wire: "base64", MACWire: "base64"} }))
	v := b.mint(t, "alice")
	for !strings.Contains(v.Get("token"), "+") {
		v = b.mint(t, "alice")
	}
	asSpaces := quietly(v, "token", func(s string) string { return strings.ReplaceAll(s, "+", " ") })
	b.enters(t, quietly(asSpaces, "mac", func(s string) string { return strings.ReplaceAll(s, "+", " ") }))
}
