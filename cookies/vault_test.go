package cookies

import (
	"bytes"
	"testing"
)

func TestVaultOpensOnlyItsOwn(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	vault := func(purpose string, secrets ...[]byte) Vault {
		v, err := NewVault(secrets, purpose)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sealed := vault("a", one).Seal("place", []byte("words"))
	if bytes.Contains(sealed, []byte("words")) {
		t.Error("the words can be read")
	}
	for name, c := range map[string]struct {
		v     Vault
		place string
		opens bool
	}{
		"the same":               {vault("a", one), "place", true},
		"behind a new secret":    {vault("a", two, one), "place", true},
		"without the secret":     {vault("a", two), "place", false},
		"another purpose":        {vault("b", one), "place", false},
		"moved to another place": {vault("a", one), "elsewhere", false},
	} {
		plain, err := c.v.Open(c.place, sealed)
		if (err == nil) != c.opens || c.opens && string(plain) != "words" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	if _, err := NewVault(nil, "a"); err == nil {
		t.Error("a vault without a key")
	}
}
