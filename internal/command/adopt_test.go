package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/local"
	"foregate/authn/oidc"
	"foregate/internal/config"
	"foregate/internal/foreign"
	"foregate/internal/ldaptest"
)

// TestDraftsAreRight: what import writes is a configuration that validate accepts, once
// the secrets and files that it refers to are there.
func TestDraftsAreRight(t *testing.T) {
	kinds := []config.Kind{
		{Name: "oidc", New: func() authn.MethodConfig { return new(oidc.Config) }},
		{Name: "local", New: func() authn.MethodConfig { return new(local.Config) }},
	}
	originals, err := filepath.Glob("../foreign/testdata/*.in")
	if err != nil || len(originals) < 7 {
		t.Fatalf("%d originals, %v", len(originals), err)
	}
	t.Setenv("FOREGATE_CLIENT_SECRET", lookPassword)
	t.Setenv("FOREGATE_REDIS_PASSWORD", lookPassword)
	t.Setenv("FOREGATE_SESSION_SECRET", strings.Repeat("s", 40))
	for _, file := range originals {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read := foreign.ModAuthOpenIDC
			if strings.HasPrefix(filepath.Base(file), "oauth2") {
				read = foreign.OAuth2Proxy
			}
			var out, errs bytes.Buffer
			sh := &shell{out: &out, err: &errs}
			draft, err := read(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := sh.writeDraft("it", draft); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Parse("draft.yaml", withFiles(t, out.Bytes()), t.TempDir(), kinds); err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
			if !strings.Contains(errs.String(), "have no counterpart") || strings.Contains(out.String()+errs.String(), lookPassword) {
				t.Errorf("said %q, wrote\n%s", errs.String(), out.String())
			}
		})
	}
}

// withFiles puts the files that a draft names where the test may write.
func withFiles(t *testing.T, draft []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	cert, key := ldaptest.NewPKI(t, dir).Issue(t, "server", time.Now().Add(time.Hour), "careplan.hospital.example")
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(lookPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(
		"/etc/ssl/careplan.crt", cert, "/etc/ssl/careplan.key", key, "/etc/tls/portal.crt", cert, "/etc/tls/portal.key", key,
		"/etc/apache2/oidc-secret", secret, "/etc/oauth2-proxy/secret", secret,
	).Replace(string(draft)))
}
