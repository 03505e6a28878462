package gate

import (
	"crypto/tls"
	"testing"
)

// TestHT7OnlyWhatIsStrongIsSpoken: no old version, no RSA key exchange, no CBC, no 3DES,
// no protocol that is not ours, and a ticket of one host opens no other.
func TestHT7OnlyWhatIsStrongIsSpoken(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	for what, cfg := range map[string]*tls.Config{
		"TLS 1.0":    {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1":    {MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11},
		"RSA, GCM":   {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384}},
		"RSA, CBC":   {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256}},
		"ECDHE, CBC": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}},
		"3DES":       {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}},
		"RC4":        {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}},
		"other ALPN": {NextProtos: []string{"spdy/3", "acme-tls/1"}},
	} {
		cfg.ServerName = "app.test"
		if conn, err := f.dialTLS(cfg); err == nil {
			state := conn.ConnectionState()
			_ = conn.Close()
			t.Errorf("%s is taken: %s, %s", what, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := f.dialTLS(&tls.Config{ServerName: "app.test", MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
			continue
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("%s speaks %q", tls.VersionName(version), got)
		}
		_ = conn.Close()
	}
}
