package handoff

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"foregate/authn"
)

const goodClaims = `{"iss":"st-elsewhere","sub":"alice","aud":"formulary.example","iat":1767225600,"exp":1767225700,"jti":"0123456789abcdef"}`

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// jweWith encrypts with the partner's key under any header and algorithm.
func jweWith(t *testing.T, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, payload string, change func(*jose.EncrypterOptions)) string {
	t.Helper()
	opts := new(jose.EncrypterOptions)
	if change != nil {
		change(opts)
	}
	e, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := e.Encrypt([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	s, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTK6OnlyDirectAndWrappedAESGCMAreTaken(t *testing.T) {
	key, err := decodeWire(wireHex, aesKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long := append(append([]byte(nil), key...), key...)
	tests := map[string]struct {
		token string
		code  Code // empty: signs in
	}{
		"dir":          {jweWith(t, jose.DIRECT, jose.A256GCM, key, goodClaims, nil), ""},
		"A256GCMKW":    {jweWith(t, jose.A256GCMKW, jose.A256GCM, key, goodClaims, nil), ""},
		"typ":          {jweWith(t, jose.DIRECT, jose.A256GCM, key, goodClaims, func(o *jose.EncrypterOptions) { o.WithType("fg-handoff+jwt") }), ""},
		"other typ":    {jweWith(t, jose.DIRECT, jose.A256GCM, key, goodClaims, func(o *jose.EncrypterOptions) { o.WithType("at+jwt") }), Format},
		"A128GCM":      {jweWith(t, jose.DIRECT, jose.A128GCM, key[:16], goodClaims, nil), BadKey},
		"CBC-HMAC":     {jweWith(t, jose.DIRECT, jose.A256CBC_HS512, long, goodClaims, nil), Format},
		"A256KW":       {jweWith(t, jose.A256KW, jose.A256GCM, key, goodClaims, nil), BadKey},
		"RSA1_5":       {jweWith(t, jose.RSA1_5, jose.A256GCM, &private.PublicKey, goodClaims, nil), BadKey},
		"RSA-OAEP":     {jweWith(t, jose.RSA_OAEP, jose.A256GCM, &private.PublicKey, goodClaims, nil), BadKey},
		"PBES2":        {jweWith(t, jose.PBES2_HS256_A128KW, jose.A256GCM, aesKey, goodClaims, nil), Format},
		"zip":          {jweWith(t, jose.DIRECT, jose.A256GCM, key, goodClaims, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE }), Format},
		"jwk":          {jweWith(t, jose.DIRECT, jose.A256GCM, key, goodClaims, func(o *jose.EncrypterOptions) { o.WithHeader("jku", "https://evil.example/keys") }), Format},
		"crit":         {b64(`{"alg":"dir","enc":"A256GCM","crit":["exp"],"exp":1}`) + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", Format},
		"alg none":     {b64(`{"alg":"none"}`) + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", BadKey},
		"alg twice":    {b64(`{"alg":"dir","enc":"A256GCM","alg":"dir"}`) + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", Format},
		"JSON":         {`{"protected":"e30","ciphertext":"AAAA"}`, Format},
		"four parts":   {"AAAA.AAAA.AAAA.AAAA", Format},
		"nothing":      {"....", Format},
		"empty header": {b64(`{}`) + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", BadKey},
		"no claims":    {jweWith(t, jose.DIRECT, jose.A256GCM, key, "hello", nil), Field},
		"nested":       {jweWith(t, jose.DIRECT, jose.A256GCM, key, jwtOf(t, jose.HS256, key, goodClaims, ""), nil), Field},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config(formatJWE))
			if v := (url.Values{"token": {test.token}}); test.code == "" {
				b.enters(t, v)
			} else {
				b.refusedFor(t, v, test.code)
			}
		})
	}
}

func TestTK6TagsAreWhole(t *testing.T) {
	b := newBench(t, config(formatJWE))
	token := b.mint(t, "alice").Get("token")
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[4])
	if err != nil {
		t.Fatal(err)
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[3])
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 4, 12, 15} {
		cut := append([]string(nil), parts...)
		cut[4] = b64(string(raw[:n]))
		b.refusedFor(t, url.Values{"token": {strings.Join(cut, ".")}}, Format)
		// The octets are all there, the border is elsewhere.
		cut[3], cut[4] = b64(string(content)+string(raw[:16-n])), b64(string(raw[16-n:]))
		b.refusedFor(t, url.Values{"token": {strings.Join(cut, ".")}}, Format)
	}
	b.enters(t, url.Values{"token": {token}})

	g := newBench(t, config(formatAESGCM))
	v := g.mint(t, "alice")
	for _, n := range []int{1, 4, 12, 16} {
		g.refusedFor(t, quietly(v, "token", func(s string) string {
			raw, _ := decodeWire(wireBase64URL, s)
			return encodeWire(wireBase64URL, raw[:len(raw)-n])
		}), BadKey)
	}
}

func TestTK6ZipBombIsNotUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, config(formatJWE))
	token := b64(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + "..AAAAAAAAAAAAAAAA." + b64(bomb.String()) + ".AAAAAAAAAAAAAAAAAAAAAA"
	b.refusedFor(t, url.Values{"token": {token}}, Format)
}

// jwtOf signs with any algorithm, under a header of its own where one is given.
func jwtOf(t *testing.T, alg jose.SignatureAlgorithm, key any, payload, kid string) string {
	t.Helper()
	opts := new(jose.SignerOptions)
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func privatePEM(t *testing.T, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestTK6PublicKeySaysTheOneAlgorithm(t *testing.T) {
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signers := map[jose.SignatureAlgorithm]any{jose.EdDSA: ed, jose.ES256: ec, jose.RS256: rs, jose.PS256: rs, jose.RS512: rs}
	for alg, public := range map[jose.SignatureAlgorithm]any{jose.EdDSA: edPublic, jose.ES256: &ec.PublicKey, jose.RS256: &rs.PublicKey} {
		jwk, err := (&jose.JSONWebKey{Key: public}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for encoding, text := range map[string]string{"pem": pemOf(t, public), "jwk": string(jwk)} {
			b := newBench(t, config(formatJWT, func(c *Config) { c.Keys[0] = Key{Key: authn.NewSecret(text), Encoding: encoding} }))
			for with, private := range signers {
				v := url.Values{"token": {jwtOf(t, with, private, goodClaims, "")}}
				if with == alg {
					b.enters(t, v)
					continue
				}
				b.refusedFor(t, v, BadKey)
				*b.clock = b.clock.Add(window / badTokens)
			}
			*b.clock = noon
			// The public key as a secret, which it is not.
			b.refusedFor(t, url.Values{"token": {jwtOf(t, jose.HS256, []byte(text), goodClaims, "")}}, BadKey)
			b.refusedFor(t, url.Values{"token": {b64(`{"alg":"none"}`) + "." + b64(goodClaims) + "."}}, BadKey)
			b.enters(t, b.mint(t, "bob", func(d *Draft) { d.SigningKey = privatePEM(t, signers[alg]) }))
		}
	}
}

func TestTK6ClaimsAreAllThere(t *testing.T) {
	key, err := decodeWire(wireHex, aesKey)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		claims string
		code   Code
	}{
		"as they should be": {goodClaims, ""},
		"one of two aud":    {strings.Replace(goodClaims, `"formulary.example"`, `["x.example","formulary.example"]`, 1), ""},
		"no iss":            {strings.Replace(goodClaims, `"iss":"st-elsewhere",`, ``, 1), Audience},
		"other iss":         {strings.Replace(goodClaims, `st-elsewhere`, `st-nowhere`, 1), Audience},
		"no sub":            {strings.Replace(goodClaims, `"sub":"alice",`, ``, 1), Field},
		"sub a number":      {strings.Replace(goodClaims, `"alice"`, `1`, 1), Field},
		"no aud":            {strings.Replace(goodClaims, `"aud":"formulary.example",`, ``, 1), Field},
		"empty aud":         {strings.Replace(goodClaims, `"formulary.example"`, `[]`, 1), Field},
		"other aud":         {strings.Replace(goodClaims, `formulary.example`, `formulary.example.evil`, 1), Audience},
		"no iat":            {strings.Replace(goodClaims, `"iat":1767225600,`, ``, 1), Field},
		"no exp":            {strings.Replace(goodClaims, `"exp":1767225700,`, ``, 1), Field},
		"exp is over":       {strings.Replace(goodClaims, `1767225700`, `1767225599`, 1), Age},
		"nbf ahead":         {strings.Replace(goodClaims, `{`, `{"nbf":1767225661,`, 1), Future},
		"nbf reached":       {strings.Replace(goodClaims, `{`, `{"nbf":1767225660,`, 1), ""},
		"no jti":            {strings.Replace(goodClaims, `,"jti":"0123456789abcdef"`, ``, 1), Field},
		"short jti":         {strings.Replace(goodClaims, `0123456789abcdef`, `0123456789abcde`, 1), Field},
		"iat as text":       {strings.Replace(goodClaims, `1767225600`, `"1767225600"`, 1), Field},
		"iat 1e300":         {strings.Replace(goodClaims, `1767225600`, `1e300`, 1), Field},
		"iat negative":      {strings.Replace(goodClaims, `1767225600`, `-1767225600`, 1), Field},
		"iat with fraction": {strings.Replace(goodClaims, `1767225600`, `1767225600.5`, 1), Field},
		"iat in ms":         {strings.Replace(goodClaims, `1767225600`, `1767225600000`, 1), Field},
		"sub twice":         {strings.Replace(goodClaims, `"sub"`, `"sub":"root","sub"`, 1), Field},
		"more behind":       {goodClaims + "{}", Field},
		"a list":            {"[" + goodClaims + "]", Field},
		"bad UTF-8":         {strings.Replace(goodClaims, `alice`, "alic\xff", 1), Field},
		"escaped newline":   {strings.Replace(goodClaims, `alice`, `al\nice`, 1), Field},
		"bidi in the name":  {strings.Replace(goodClaims, `{`, `{"name":"Alice\u202e",`, 1), Field},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config(formatJWT))
			if v := (url.Values{"token": {jwtOf(t, jose.HS256, key, test.claims, "")}}); test.code == "" {
				b.enters(t, v)
			} else {
				b.refusedFor(t, v, test.code)
			}
		})
	}
}

func TestMintRefusesAKeyThatIsNotThePartners(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, config(formatJWT, func(c *Config) { c.Keys[0] = Key{Key: authn.NewSecret(pemOf(t, public)), Encoding: "pem"} }))
	for name, key := range map[string][]byte{"none": nil, "no PEM": []byte("x"), "a public one": []byte(pemOf(t, public)), "a stranger's": privatePEM(t, stranger)} {
		if _, err := b.partner.Mint(Draft{User: "alice", Made: noon, Host: host, SigningKey: key}); err == nil {
			t.Errorf("%s signs", name)
		}
	}
	b.enters(t, b.mint(t, "alice", func(d *Draft) { d.SigningKey = privatePEM(t, private) }))
}
