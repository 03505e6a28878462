package handoff

import (
	"encoding/hex"
	"net/url"
	"os"
	"strings"
	"testing"

	"foregate/authn"
)

// vector is a line of testdata/cases.tsv, which says what a page does, with what
// came of it in testdata/vectors.txt. test/vectors makes them with Java, PHP, Node,
// Python and openssl, and demands the same octets of each.
type vector struct {
	name, cipher, mode, key, iv, where, padding, wire, macKey, aad, plain string
	token, mac                                                            string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	made := make(map[string][]string)
	for _, line := range lines(t, "testdata/vectors.txt") {
		f := strings.Fields(line)
		made[f[0]] = f
	}
	var all []vector
	for _, line := range lines(t, "testdata/cases.tsv") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		m := made[f[0]]
		if len(f) != 11 || len(m) != 3 {
			t.Fatalf("case %q has %d columns, and %d in vectors.txt", f[0], len(f), len(m))
		}
		all = append(all, vector{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], m[1], m[2]})
	}
	return all
}

func lines(t testing.TB, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// config is the configuration for such a page.
func (v vector) config(t testing.TB) *Config {
	k := Key{Key: authn.NewSecret(v.key)}
	if v.name == "blowfish-text-key" {
		text, err := hex.DecodeString(v.key)
		if err != nil {
			t.Fatal(err)
		}
		k = Key{Key: authn.NewSecret(string(text)), Encoding: "text"}
	}
	c := config(v.cipher, onlyKey(k))
	if !c.legacy() {
		return c
	}
	r := &Recipe{Mode: v.mode, Padding: v.padding, Wire: v.wire}
	switch v.where {
	case "zero":
		r.IV = "zero"
	case "fixed":
		r.IV = v.iv
	}
	c.Recipe = r
	if v.macKey == "-" {
		bare(c)
	} else {
		c.Keys[0].MACKey = authn.NewSecret(v.macKey)
	}
	return c
}

func (v vector) values() url.Values {
	values := url.Values{"token": {v.token}}
	if v.mac != "-" {
		values.Set("mac", v.mac)
	}
	return values
}

func TestTK5TokensOfOtherLanguagesOpen(t *testing.T) {
	all := vectors(t)
	if len(all) < 18 {
		t.Errorf("%d vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.name, func(t *testing.T) {
			b := newBench(t, v.config(t))
			id := b.enters(t, v.values())
			user, name := "alice", "Alice Archer"
			switch {
			case strings.Contains(v.plain, "zoë"):
				user, name = "zoë", "Zoë Ångström"
			case strings.Contains(v.plain, "Robin R"):
				name = "Robin R"
			}
			if id.Subject != user || id.Name != name || !id.Authenticated.Equal(noon) {
				t.Errorf("signs in %q, %q, %s", id.Subject, id.Name, id.Authenticated)
			}
			if v.where == "zero" || v.where == "fixed" || v.mode == "ecb" { // the same octets each time
				b, err := decodeWire(v.wire, v.token)
				if err != nil {
					t.Fatal(err)
				}
				p := newBench(t, v.config(t)).partner
				if got := p.legacy.encrypt(p.keys[0].block, []byte(v.plain)); string(got) != string(b) {
					t.Errorf("encrypts to %x, others to %x", got, b)
				}
			}
		})
	}
}

// mcrypt's zero padding and PKCS#5 are two things, and taken for one another by no
// luck of the last block.
func TestTK5PaddingsAreNotTakenForEachOther(t *testing.T) {
	for _, v := range vectors(t) {
		if v.cipher != formatBlowfish || v.wire != "base64url" || v.macKey == "-" || v.key != blowfishKey {
			continue
		}
		c := v.config(t)
		other := map[string]string{"pkcs5": "zero", "zero": "pkcs5"}[v.padding]
		c.Recipe.Padding = other
		b := newBench(t, c)
		if id, err := b.arrive(v.values()); err == nil {
			t.Errorf("%s, with padding %s, is read as %s padding and signs in %q, %q", v.name, v.padding, other, id.Subject, id.Name)
		}
	}
}
