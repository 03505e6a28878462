package oidc

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestPersonSignsIn(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	got := p.mustIn(t, m)
	if got.Until.Before(time.Now()) || got.Authenticated.IsZero() || got.Private[privateToken] == "" {
		t.Errorf("got until %s, authenticated %s, private keys %d", got.Until, got.Authenticated, len(got.Private))
	}
	got.Until, got.Authenticated, got.Private = time.Time{}, time.Time{}, nil
	want := authn.Identity{
		Method: "entra", Issuer: p.issuer(), Subject: "alice", User: "alice", Email: "alice@hospital.test", Checked: true,
		PreferredUsername: "alice", Name: "Alice Archer", Groups: []string{"admins", "staff"},
		Claims: map[string]any{"preferred_username": "alice"}, // and not those that nobody is sent
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := p.count("/userinfo"); n != 0 {
		t.Errorf("userinfo asked %d times though no claim was missing", n)
	}
}

func segment(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func reheader(token string, header any) string {
	parts := strings.Split(token, ".")
	return segment(header) + "." + parts[1] + "." + parts[2]
}

func TestOI4ForgedTokensAreRefused(t *testing.T) {
	rsaPublic := rsaKey().Public()
	der, err := x509.MarshalPKIXPublicKey(rsaPublic)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	publicJWK, err := json.Marshal(jose.JSONWebKey{Key: rsaPublic, KeyID: "rsa"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := ecKey(t)
	hs256 := func(secret []byte) func(string) string {
		return func(token string) string {
			body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			return sign(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: "rsa"}}, nil, body)
		}
	}
	resigned := func(header map[jose.HeaderKey]any, kid string, embed bool) func(string) string {
		return func(token string) string {
			body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: kid}},
				&jose.SignerOptions{EmbedJWK: embed, ExtraHeaders: header})
			if err != nil {
				t.Fatal(err)
			}
			jws, err := s.Sign(body)
			if err != nil {
				t.Fatal(err)
			}
			text, err := jws.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
	unsigned := func(alg string) func(string) string {
		return func(token string) string {
			return segment(map[string]any{"alg": alg}) + "." + strings.Split(token, ".")[1] + "."
		}
	}
	cases := map[string]func(string) string{
		"alg none":              unsigned("none"),
		"alg None":              unsigned("None"),
		"alg NONE":              unsigned("NONE"),
		"alg empty":             unsigned(""),
		"alg none keeps sig":    func(s string) string { return reheader(s, map[string]any{"alg": "none"}) },
		"HS256 with public PEM": hs256(publicPEM),
		"HS256 with public DER": hs256(der),
		"HS256 with public JWK": hs256(publicJWK),
		"HS256 with our secret": hs256([]byte("s3cret-padded-to-thirty-two-bytes")),
		"unknown key":           resigned(nil, "other", false),
		"unknown key, known ID": resigned(nil, "key-1", false),
		"unknown key, no ID":    resigned(nil, "", false),
		"embedded jwk":          resigned(nil, "", true),
		"jku":                   resigned(map[jose.HeaderKey]any{"jku": "https://evil.test/jwks"}, "key-1", false),
		"x5u":                   resigned(map[jose.HeaderKey]any{"x5u": "https://evil.test/cert"}, "key-1", false),
		"kid traversal":         resigned(nil, "../../../../dev/null", false),
		"kid injection":         resigned(nil, "' OR 1=1 --", false),
		"other key's type":      func(s string) string { return reheader(s, map[string]any{"alg": "RS256", "kid": "key-1"}) },
		"ES256 of zeros": func(s string) string {
			parts := strings.Split(s, ".")
			return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		},
		"crit": func(s string) string {
			return reheader(s, map[string]any{"alg": "ES256", "kid": "key-1", "crit": []string{"exp"}})
		},
		"b64 false": func(s string) string {
			return reheader(s, map[string]any{"alg": "ES256", "kid": "key-1", "b64": false})
		},
		"JSON form":         func(s string) string { return jsonForm(s) },
		"3 MB":              func(s string) string { return s + strings.Repeat("A", 3<<20) },
		"200 kB":            func(s string) string { return s + strings.Repeat("A", 200<<10) },
		"a million dots":    func(string) string { return strings.Repeat(".", 1<<20-2048) },
		"signature cut off": func(s string) string { return s[:strings.LastIndex(s, ".")] },
		"empty signature":   func(s string) string { return s[:strings.LastIndex(s, ".")+1] },
		"empty":             func(string) string { return "" },
		"other payload": func(s string) string {
			parts := strings.Split(s, ".")
			return parts[0] + "." + segment(map[string]any{"sub": "root"}) + "." + parts[2]
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.published = append(p.published, jose.JSONWebKey{Key: rsaPublic, KeyID: "rsa"})
			m := openMethod(t, p.config())
			p.mustIn(t, m)
			p.spoil = spoil
			_, err := p.signIn(t, m, attempt())
			if err == nil {
				t.Fatal("signed in")
			}
			t.Log(err)
		})
	}
}

func jsonForm(token string) string {
	parts := strings.Split(token, ".")
	b, err := json.Marshal(map[string]any{"payload": parts[1], "protected": parts[0], "signature": parts[2]})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestOI4KeysThatMustNotVerifyAreLeftOut(t *testing.T) {
	small := &jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "short"}
	text, err := json.Marshal(small)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	fields["n"] = base64.RawURLEncoding.EncodeToString(new(big.Int).Lsh(big.NewInt(3), 1000).Bytes())
	offCurve := map[string]any{
		"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)),
		"y": base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{2}, 32)),
	}
	forEncryption, err := json.Marshal(jose.JSONWebKey{Key: rsaKey().Public(), Use: "enc"})
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKey{Key: rsaKey()})
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{
		"short RSA":       fields,
		"point off curve": offCurve,
		"symmetric":       map[string]any{"kty": "oct", "k": "c2VjcmV0"},
		"for encryption":  json.RawMessage(forEncryption),
		"private":         json.RawMessage(private),
		"unknown kind":    map[string]any{"kty": "XYZ"},
		"not an object":   7,
	} {
		body, err := json.Marshal(map[string]any{"keys": []any{key}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := parseKeys(body); err == nil {
			t.Errorf("%s: took %d keys", name, len(keys))
		}
	}
}

func TestOI5ClaimsMatrix(t *testing.T) {
	now := time.Now().Unix()
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	without := func(name string) func(map[string]any) {
		return func(c map[string]any) { delete(c, name) }
	}
	type spoil = func(map[string]any)
	bad := map[string]spoil{
		"iss with slash":        func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" },
		"iss in capitals":       func(c map[string]any) { c["iss"] = strings.ToUpper(c["iss"].(string)) },
		"iss of another":        set("iss", "https://evil.test"),
		"iss missing":           without("iss"),
		"aud other":             set("aud", "other"),
		"aud list without us":   set("aud", []string{"a", "b"}),
		"aud several, no azp":   set("aud", []string{"foregate", "b"}),
		"aud empty":             set("aud", ""),
		"aud missing":           without("aud"),
		"azp other":             set("azp", "other"),
		"azp a list":            set("azp", []string{"foregate"}),
		"exp past":              set("exp", now-120),
		"exp 1e300":             set("exp", json.RawMessage("1e300")),
		"exp text":              set("exp", "99999999999"),
		"exp negative":          set("exp", -5),
		"exp missing":           without("exp"),
		"exp null":              set("exp", nil),
		"nbf future":            set("nbf", now+200),
		"nbf text":              set("nbf", "soon"),
		"iat future":            set("iat", now+200),
		"iat ancient":           set("iat", now-86400),
		"iat missing":           without("iat"),
		"sub missing":           without("sub"),
		"sub empty":             set("sub", ""),
		"sub number":            set("sub", 7),
		"sub list":              set("sub", []string{"alice"}),
		"sub long":              set("sub", strings.Repeat("a", 256)),
		"sub control":           set("sub", "al\x00ice"),
		"at_hash wrong":         set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"at_hash empty":         set("at_hash", ""),
		"at_hash number":        set("at_hash", 5),
		"auth_time text":        set("auth_time", "now"),
		"auth_time future":      set("auth_time", now+3600),
		"groups hold an object": set("groups", []any{"staff", map[string]any{"a": 1}}),
	}
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, spoil := range bad {
		t.Run(name, func(t *testing.T) {
			p.claims = spoil
			id, err := p.signIn(t, m, attempt())
			if err == nil {
				t.Fatalf("signed in as %q", id.Subject)
			}
			t.Log(err)
			// A token that is right but for its time has words of its own; the clocks are in them.
			var public *authn.Error
			want := map[string]string{"exp past": "too old", "iat ancient": "too old", "nbf future": "do not agree", "iat future": "do not agree", "auth_time future": "do not agree"}[name]
			if !errors.As(err, &public) || !strings.Contains(public.Public, want) || want == "" && strings.Contains(public.Public, "clock") {
				t.Errorf("people are told %q, want %q", public.Public, want)
			}
		})
	}
	good := map[string]spoil{
		"exp within tolerance":  set("exp", now-30),
		"nbf within tolerance":  set("nbf", now+30),
		"iat five minutes back": set("iat", now-300),
		"aud list of us":        set("aud", []string{"foregate"}),
		"aud several with azp":  func(c map[string]any) { c["aud"], c["azp"] = []string{"x", "foregate"}, "foregate" },
		"at_hash right":         set("at_hash", "oFYf1knNtrqnhAVfBRuteQ"),
	}
	for name, spoil := range good {
		t.Run(name, func(t *testing.T) {
			p.claims = spoil
			p.mustIn(t, m)
		})
	}
}

func TestOI5TokensOfOtherKindsAreRefused(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for _, typ := range []any{"at+jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "secevent+jwt", 5} {
		p.header = map[jose.HeaderKey]any{"typ": typ}
		if _, err := p.signIn(t, m, attempt()); err == nil {
			t.Errorf("typ %v: signed in", typ)
		}
	}
	p.header = map[jose.HeaderKey]any{"typ": "JWT"}
	p.mustIn(t, m)
}

func TestOI2NonceMustBeOursAndOnce(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, spoil := range map[string]func([]byte) []byte{
		"absent":     func(b []byte) []byte { return bytes.Replace(b, []byte(`"nonce"`), []byte(`"ecnon"`), 1) },
		"duplicated": func(b []byte) []byte { return append([]byte(`{"nonce":"x",`), b[1:]...) },
		"other case": func(b []byte) []byte { return bytes.Replace(b, []byte(`"nonce"`), []byte(`"Nonce"`), 1) },
	} {
		p.payload = spoil
		if _, err := p.signIn(t, m, attempt()); err == nil {
			t.Errorf("nonce %s: signed in", name)
		}
	}
	p.payload = nil
	for name, value := range map[string]any{"wrong": "x", "empty": "", "null": nil, "number": 1} {
		p.claims = func(c map[string]any) { c["nonce"] = value }
		if _, err := p.signIn(t, m, attempt()); err == nil {
			t.Errorf("nonce %s: signed in", name)
		}
	}
	p.claims = func(c map[string]any) { c["nonce"] = []any{c["nonce"]} }
	if _, err := p.signIn(t, m, attempt()); err == nil {
		t.Error("nonce in a list: signed in")
	}
}

func TestFreshAuthenticationIsProved(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, c := range map[string]struct {
		at time.Duration
		ok bool
	}{"now": {0, true}, "earlier": {-time.Hour, false}} {
		p.claims = func(claims map[string]any) { claims["auth_time"] = time.Now().Add(c.at).Unix() }
		a := attempt()
		a.Fresh = true
		_, err := p.signIn(t, m, a)
		if (err == nil) != c.ok {
			t.Errorf("authenticated %s: got error %v", name, err)
		}
		if p.sent.Get("prompt") != "login" || p.sent.Get("max_age") != "0" {
			t.Errorf("sent prompt %q, max_age %q", p.sent.Get("prompt"), p.sent.Get("max_age"))
		}
	}
	p.claims = nil
	a := attempt()
	a.Fresh = true
	_, err := p.signIn(t, m, a)
	refused(t, err, http.StatusBadRequest)
}

func TestMaxAgeIsChecked(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.MaxAge = 8 * time.Hour
	m := openMethod(t, c)
	for age, ok := range map[time.Duration]bool{time.Hour: true, 9 * time.Hour: false} {
		p.claims = func(claims map[string]any) { claims["auth_time"] = time.Now().Add(-age).Unix() }
		if _, err := p.signIn(t, m, attempt()); (err == nil) != ok {
			t.Errorf("authenticated %s ago: got error %v", age, err)
		}
	}
	if got := p.sent.Get("max_age"); got != "28800" {
		t.Errorf("sent max_age %q", got)
	}
	p.claims = nil
	if _, err := p.signIn(t, m, attempt()); err == nil {
		t.Error("signed in without auth_time")
	}
}

func TestStrengthOfAuthenticationIsChecked(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.ACRValues, c.RequireACR = []string{"gold", "silver"}, []string{"gold", "silver"}
	m := openMethod(t, c)
	for acr, ok := range map[string]bool{"silver": true, "bronze": false, "": false} {
		p.claims = func(claims map[string]any) { claims["acr"] = acr; claims["amr"] = []string{"pwd", "otp"} }
		id, err := p.signIn(t, m, attempt())
		if (err == nil) != ok || ok && (id.ACR != acr || len(id.AMR) != 2) {
			t.Errorf("acr %q: got error %v, identity %q %q", acr, err, id.ACR, id.AMR)
		}
	}
	if got := p.sent.Get("acr_values"); got != "gold silver" {
		t.Errorf("sent acr_values %q", got)
	}
}
