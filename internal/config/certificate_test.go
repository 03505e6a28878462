package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"foregate/authn"
)

// shownKind looks at certificates.
type shownKind struct{}

func (*shownKind) Validate() error                             { return nil }
func (*shownKind) Open(authn.Env) (authn.Authenticator, error) { return nil, nil }
func (*shownKind) LooksAtCertificate()                         {}

func TestCertificatesOfPeopleComeFromWhoMaySendThem(t *testing.T) {
	with := append(kinds(), Kind{Name: "shown", New: func() authn.MethodConfig { return new(shownKind) }})
	withMethod := strings.Replace(least, "methods:\n", "methods:\n  - {name: card, shown: {}}\n", 1)
	if withMethod == least {
		t.Fatal("the least file has changed")
	}
	const proxies = "trusted_proxies: [10.0.0.1]\n"
	for text, want := range map[string]string{
		withMethod + proxies + "certificate_header: Client-Cert\n":  "",
		withMethod + proxies + "certificate_header: x-ssl-client\n": "",
		withMethod: "methods[0].shown: no certificate can come here",
		withMethod + "insecure_trust_all_proxies: true\n":                                  "methods[0].shown: no certificate would count",
		withMethod + "certificate_header: Client-Cert\n":                                   "certificate_header: nobody could send it",
		withMethod + "insecure_trust_all_proxies: true\ncertificate_header: Client-Cert\n": "certificate_header: would be believed from everybody",
		least + proxies + "certificate_header: Client-Cert\n":                              "certificate_header: nothing would look at it",
		withMethod + proxies + "certificate_header: Cookie\n":                              "certificate_header: is not the name of a header",
		withMethod + proxies + "certificate_header: Authorization\n":                       "certificate_header: is not the name of a header",
		withMethod + proxies + "certificate_header: X-Forwarded-For\n":                     "certificate_header: is not the name of a header",
		withMethod + proxies + "certificate_header: X_Cert\n":                              "certificate_header: is not the name of a header",
		withMethod + proxies + "certificate_header: " + strings.Repeat("x", 57) + "\n":     "certificate_header: is not the name of a header",
	} {
		_, err := Parse("x", []byte(text), t.TempDir(), with)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// byItself looks at one of its two files itself.
type byItself struct {
	shownKind
	Own   authn.Path `yaml:"own" doc:"Its own."`
	Other authn.Path `yaml:"other" doc:"Another's."`
}

func (b *byItself) Watches() []authn.Path { return []authn.Path{b.Own} }

func TestFilesThatAMethodWatchesAreNoReasonToReload(t *testing.T) {
	dir := t.TempDir()
	with := append(kinds(), Kind{Name: "itself", New: func() authn.MethodConfig { return new(byItself) }})
	text := strings.Replace(least, "methods:\n", "methods:\n  - {name: card, itself: {own: a.pem, other: b.pem}}\n", 1) + "trusted_proxies: [10.0.0.1]\ncertificate_header: Client-Cert\n"
	f, err := Parse("x", []byte(text), dir, with)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(f.Files, filepath.Join(dir, "a.pem")) || !slices.Contains(f.Files, filepath.Join(dir, "b.pem")) {
		t.Errorf("files %v", f.Files)
	}
}
