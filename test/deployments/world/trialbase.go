package world

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"

	"foregate/internal/ssptest"
)

func trialbase(w *World) {
	main := w.host("trials.trialbase.example", "trials")
	test := w.host("test.trials.trialbase.example", "test.trials")
	w.swap(`upstream: {url: "http://127.0.0.1:9001"}`, `upstream: {url: "`+w.app+`"}`)
	// The provider of production is there before Foregate, as a customer's is.
	w.SAML = ssptest.Start(w.T, ssptest.SP{EntityID: main + "/sso/metadata", Base: main + "/sso"})
	w.swap("      preset: adfs\n", "")
	w.swap("domains: [customer.example]", "domains: [example.test]")
	w.swap("sso_url: https://adfs.customer.example/adfs/ls", "sso_url: "+w.SAML.SSOURL)
	w.swap("slo_url: https://adfs.customer.example/adfs/ls", "slo_url: "+w.SAML.SLOURL)
	w.secret("customer.cer", string(w.SAML.Certificate))
	w.swap("key_file: saml.pem", "key_file: @FOLDER/saml.pem")
	w.swap("saml: {key_file: saml-test.pem}", "saml: {key_file: @FOLDER/saml-test.pem}")
	w.Notes = []string{
		"Open " + main + " and sign in with your organisation as " + ssptest.Alice + ", password " + ssptest.AlicePassword + ".",
		"Nothing is known of the test instance's provider yet: " + test + ", whose metadata is at " + test + "/sso/metadata",
	}
}

var (
	entityID    = regexp.MustCompile(`entityID="([^"]*)"`)
	location    = regexp.MustCompile(`AssertionConsumerService [^>]*Location="([^"]*)/acs"`)
	certificate = regexp.MustCompile(`<ds:X509Certificate>([^<]*)<`)
)

// Metadata is what a provider's administrator takes from an instance's metadata.
func (w *World) Metadata(instance string) ssptest.SP {
	w.T.Helper()
	resp, err := w.Client().Get(w.Hosts[instance] + "/sso/metadata")
	if err != nil {
		w.T.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.T.Fatalf("metadata: %d, %v: %s", resp.StatusCode, err, b)
	}
	found := func(re *regexp.Regexp) string {
		m := re.FindSubmatch(b)
		if m == nil {
			w.T.Fatalf("no %s in %s", re, b)
		}
		return string(m[1])
	}
	cert, err := base64.StdEncoding.DecodeString(found(certificate))
	if err != nil {
		w.T.Fatal(err)
	}
	return ssptest.SP{EntityID: found(entityID), Base: found(location), Cert: cert, WantSigned: true}
}

// Client reaches the names of this world, and follows no redirects.
func (w *World) Client() *http.Client {
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		}},
	}
}

// TestProvider starts the customer's test provider, to which the metadata was given, and
// returns what to write into the file.
func (w *World) TestProvider() (saml string) {
	w.T.Helper()
	idp := ssptest.Start(w.T, w.Metadata("test.trials.trialbase.example"))
	if _, err := url.Parse(idp.MetadataURL); err != nil {
		w.T.Fatal(err)
	}
	return "saml: {key_file: @FOLDER/saml-test.pem, metadata: {url: \"" + idp.MetadataURL + "\"}}"
}
