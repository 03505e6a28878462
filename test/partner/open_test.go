package partner

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/blowfish"
)

// keys are what a partner and an application have in common.
type keys struct{ key, mac, partner, audience string } // the first two in hex

// content is what a token says. In the legacy form there are no more than the
// first three.
type content struct {
	at         time.Time
	user, name string
	audience   string
	issuer     string
	id         string
	expires    time.Time
	random     string // nonce or IV
}

// open takes the tokens of a query apart, by the description of the formats and
// not by the code that makes them.
func (k keys) open(form string, q url.Values) (content, error) {
	if len(q["token"]) != 1 {
		return content{}, fmt.Errorf("%d tokens", len(q["token"]))
	}
	token := q.Get("token")
	switch form {
	case "legacy":
		return k.openLegacy(token, q["mac"])
	case "modern":
		return k.openModern(token)
	case "jwt":
		return k.openJWT(token)
	}
	return content{}, fmt.Errorf("form %q", form)
}

func (k keys) openLegacy(token string, macs []string) (content, error) {
	if len(macs) != 1 || macs[0] != hex.EncodeToString(sum(k.mac, token)) {
		return content{}, fmt.Errorf("mac %q is not that of the token", macs)
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return content{}, err
	}
	if len(sealed) < 16 || len(sealed)%8 != 0 {
		return content{}, fmt.Errorf("%d bytes", len(sealed))
	}
	block, err := blowfish.NewCipher(octets(k.key))
	if err != nil {
		return content{}, err
	}
	iv, text := string(sealed[:8]), sealed[8:]
	cipher.NewCBCDecrypter(block, sealed[:8]).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad < 1 || pad > 8 || !strings.HasSuffix(string(text), strings.Repeat(string(rune(pad)), pad)) {
		return content{}, errors.New("padding")
	}
	fields := strings.Split(string(text[:len(text)-pad]), "|")
	if len(fields) != 3 || len(fields[0]) != 10 {
		return content{}, fmt.Errorf("fields %q", fields)
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return content{}, err
	}
	return content{at: time.Unix(seconds, 0), user: fields[1], name: fields[2], random: iv}, nil
}

func (k keys) openModern(token string) (content, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return content{}, err
	}
	block, err := aes.NewCipher(octets(k.key))
	if err != nil {
		return content{}, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return content{}, err
	}
	if len(sealed) < 12 {
		return content{}, errors.New("shorter than a nonce")
	}
	text, err := gcm.Open(nil, sealed[:12], sealed[12:], []byte(k.partner+"\n"+k.audience))
	if err != nil {
		return content{}, err
	}
	var said struct {
		TS                  int64
		Sub, Name, Aud, Jti string
	}
	if err := strict(text, &said); err != nil {
		return content{}, err
	}
	return content{at: time.Unix(said.TS, 0), user: said.Sub, name: said.Name, audience: said.Aud, id: said.Jti, random: string(sealed[:12])}, nil
}

func (k keys) openJWT(token string) (content, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return content{}, fmt.Errorf("%d parts", len(parts))
	}
	var all [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil {
			return content{}, err
		}
		all[i] = b
	}
	if !hmac.Equal(all[2], sum(k.key, parts[0]+"."+parts[1])) {
		return content{}, errors.New("signature")
	}
	var head struct{ Alg, Typ string }
	var said struct {
		Iat, Exp                 int64
		Iss, Sub, Name, Aud, Jti string
	}
	if err := errors.Join(strict(all[0], &head), strict(all[1], &said)); err != nil {
		return content{}, err
	}
	if head.Alg != "HS256" || head.Typ != "JWT" {
		return content{}, fmt.Errorf("header %+v", head)
	}
	return content{
		at: time.Unix(said.Iat, 0), expires: time.Unix(said.Exp, 0), issuer: said.Iss,
		user: said.Sub, name: said.Name, audience: said.Aud, id: said.Jti,
	}, nil
}

// strict reads an object that has no other keys.
func strict(text []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func sum(key, text string) []byte {
	mac := hmac.New(sha256.New, octets(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func octets(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// The vectors are those of docs/methods/handoff.md.
func TestDecoderReadsThePublishedVectors(t *testing.T) {
	old := keys{key: "00112233445566778899aabbccddeeff", mac: "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f"}
	modern := keys{key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", partner: "st-elsewhere", audience: "formulary.example"}
	tests := []struct {
		keys  keys
		form  string
		query string
		want  content
	}{
		{old, "legacy", "token=AQIDBAUGBwiicKldAlCPjRoZh9zAKIaK4fqHyu0yVH0g2BDkPvjIlg&mac=0d90b0390bf2a6eee03d88680081f3867863e6a103bc29328b4e5b0d5ae24294",
			content{user: "alice", name: "Alice Archer", random: "\x01\x02\x03\x04\x05\x06\a\b"}},
		{old, "legacy", "token=AQIDBAUGBwiicKldAlCPjfCGZpPqFDQBlH6a3k46T423EmXOBNmGlQ&mac=73d19ea7f2e66b2c3b9e00af5c99fe73a2bbf7c12ce001d7bf0e175e9dbc9cbb",
			content{user: "zoë", name: "Zoë Ångström", random: "\x01\x02\x03\x04\x05\x06\a\b"}},
		{modern, "modern", "token=AQIDBAUGBwgJCgsMfsgups6uwbF6lVF1JSXaGG5hkov1T2rnwDOQR_uUWufqhfa6TI_O3tzF2YDlmoo-9pM9wvi7VwRSXzbvCW5GYQIRalHG3ziYKn_AFp4aL4W3RFkK2Au_gT_V13xxuGJE9I8vLNAISiTFmdVSiYt2OH7th0Icyh8Jn3PRQCJp",
			content{user: "alice", name: "Alice Archer", audience: "formulary.example", id: "AAECAwQFBgcICQoLDA0ODw", random: "\x01\x02\x03\x04\x05\x06\a\b\t\n\v\f"}},
	}
	for _, tt := range tests {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		tt.want.at = time.Unix(1767225600, 0)
		got, err := tt.keys.open(tt.form, q)
		if err != nil {
			t.Errorf("%s: %v", tt.form, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(content{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.form, diff)
		}
		for i := range len(tt.query) {
			// Any letter changed must be noticed; the names of the parameters are no token.
			changed := []byte(tt.query)
			if changed[i] ^= 1; strings.ContainsAny(string(changed[i]), "&=") || strings.ContainsAny(tt.query[i:i+1], "&=") {
				continue
			}
			q, err := url.ParseQuery(string(changed))
			if err != nil {
				continue
			}
			if _, err := tt.keys.open(tt.form, q); err == nil {
				t.Errorf("%s: opens with letter %d changed", tt.form, i)
			}
		}
	}
}
