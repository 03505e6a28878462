package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"foregate/internal/certtest"
)

// TestAHostAsksForAllItsAuthorities, of all its ports, and for those of the moment; the
// same demands have the same config, so that a handshake makes nothing.
func TestAHostAsksForAllItsAuthorities(t *testing.T) {
	k := keeper(t, new(logged))
	if cfg, err := k.Config().GetConfigForClient(&tls.ClientHelloInfo{ServerName: "one.example"}); cfg != nil || err != nil {
		t.Fatalf("before Ask: %v, %v", cfg, err)
	}
	staff, guests := certtest.New(t, "Staff CA").Cert, certtest.New(t, "Guests CA").Cert
	now := []*x509.Certificate{staff}
	k.Ask(Clients{
		"one.example": {func() []*x509.Certificate { return now }}, "one.example:8443": {func() []*x509.Certificate { return []*x509.Certificate{guests} }},
		"none.example": {func() []*x509.Certificate { return nil }},
	})
	config := func(host string) *tls.Config {
		cfg, err := k.Config().GetConfigForClient(&tls.ClientHelloInfo{ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for _, host := range []string{"", "two.example", "xone.example"} {
		if cfg := config(host); cfg != nil {
			t.Errorf("%q has a config of its own", host)
		}
	}
	want := x509.NewCertPool()
	want.AddCert(staff)
	want.AddCert(guests)
	one := config("ONE.example")
	if one.ClientAuth != tls.RequestClientCert || !one.ClientCAs.Equal(want) || !one.SessionTicketsDisabled || one.MinVersion != tls.VersionTLS12 || one.GetCertificate == nil {
		t.Errorf("one.example: %+v", one)
	}
	if config("one.example") != one {
		t.Error("another config for the same authorities")
	}
	now = nil
	if two := config("one.example"); two == one || two.ClientCAs.Equal(want) {
		t.Error("the authorities of before")
	}
	if none := config("none.example"); none.ClientAuth != tls.NoClientCert || none.ClientCAs != nil || !none.SessionTicketsDisabled {
		t.Errorf("without an authority: %+v", none)
	}
	k.Ask(nil)
	if config("one.example") != nil {
		t.Error("a host that nobody asks for any more")
	}
}
