package command

import (
	"reflect"

	"foregate/internal/config"
)

// needRestart names the keys that differ in now and belong to the process: listeners and
// storage stay as they were at the start.
func needRestart(start, now *config.File) []string {
	var keys []string
	for _, part := range []struct {
		key        string
		start, now any
	}{
		{"listen", start.Listen, now.Listen},
		{"tls.acme", start.TLS.ACME, now.TLS.ACME},
		{"tls.hsts", start.TLS.HSTS, now.TLS.HSTS},
		{"tls.public_port", start.TLS.PublicPort, now.TLS.PublicPort},
		{"trusted_proxies", start.TrustedProxies, now.TrustedProxies},
		{"certificate_header", start.CertHeader, now.CertHeader},
		{"storage", start.Storage, now.Storage},
		{"session.cookie", start.Session.Cookie, now.Session.Cookie},
		{"session.keep_posts", start.Session.Keep, now.Session.Keep},
		{"prefix", start.Prefix, now.Prefix},
		{"limits", start.Limits, now.Limits},
		{"log.format", start.Log.Format, now.Log.Format},
		{"log.access", start.Log.Access, now.Log.Access},
		{"admin.tls", start.Admin.TLS, now.Admin.TLS},
	} {
		if !reflect.DeepEqual(part.start, part.now) {
			keys = append(keys, part.key)
		}
	}
	return keys
}
