package saml

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"foregate/authn"
)

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "saml.pem")
	c := &Config{KeyFile: authn.Path(path)}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("validating made the key")
	}
	var made [3]*Method
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() { made[i] = openFor(t, c, newClock(), nil) })
	}
	all.Wait()
	for _, m := range made {
		if len(m.keys) != 1 || !m.keys[0].cert.Equal(made[0].keys[0].cert) {
			t.Error("processes that start together have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if left := made[0].keys[0].cert.NotAfter.Sub(time.Now()); left < 4*365*24*time.Hour {
		t.Errorf("the certificate ends in %v", left)
	}
	// The same file does as one of several keys later.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	both := &Config{Keys: []KeyPair{{Key: authn.NewSecret(string(text)), Certificate: authn.Path(path)}, ownPair(t, spKeys())}}
	if err := both.Validate(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestKeyFileThatIsNone(t *testing.T) {
	for name, c := range map[string]*Config{
		"nonsense":     {KeyFile: file(t, "saml.pem", "x")},
		"no folder":    {KeyFile: "/nowhere/at/all/saml.pem"},
		"beside keys":  {KeyFile: authn.Path(filepath.Join(t.TempDir(), "saml.pem")), Keys: []KeyPair{ownPair(t, spKeys())}},
		"key alone":    {KeyFile: file(t, "saml.pem", spKeys().keyPEM())},
		"two that mix": {KeyFile: file(t, "saml.pem", spKeys().keyPEM()+otherKeys().certPEM())},
	} {
		if got := faultsOf(t, c); len(got) != 1 || got[0] != "key_file" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
