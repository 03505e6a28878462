package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func signInAt(t *testing.T, issuer, password string) (outcome, error) {
	t.Helper()
	up := serve(t, upstreamHandler())
	gate := serve(t, newStandIn(up.URL, issuer, ""))
	return carry(t, gate, order{Kind: "sign-in", Path: "/page", Conns: 2, For: 20 * time.Second, Most: 3, User: userName, Password: password})
}

func TestSignInByForm(t *testing.T) {
	res, err := signInAt(t, "", userPassword)
	if err != nil {
		t.Fatal(err)
	}
	if res.Done != 3 || len(res.Cookies) != 3 || !strings.HasPrefix(res.Cookies[0], "foregate=") || res.Cookies[0] == res.Cookies[1] {
		t.Errorf("%d sign-ins left the cookies %q, want three sessions", res.Done, res.Cookies)
	}
}

func TestSignInWithAWrongPasswordIsAnError(t *testing.T) {
	_, err := signInAt(t, "", "wrong")
	if err == nil || !strings.Contains(err.Error(), "POST /sso/callback/form: status 403") {
		t.Errorf("the error is %v", err)
	}
}

func TestRushTellsWhoIsSomebodyElse(t *testing.T) {
	up := serve(t, upstreamHandler())
	stand := newStandIn(up.URL, "", "")
	gate := serve(t, stand)
	o := order{Kind: "rush", Path: "/who", Conns: 4, For: 20 * time.Second, Most: 40, User: directoryUser, People: 15, Password: directoryPassword}
	res, err := carry(t, gate, o)
	if err != nil || res.Done != 40 || res.Wrong != 0 || res.Busy != 0 || res.Rate <= 0 {
		t.Errorf("%+v, %v", res, err)
	}
	stand.mixed = true
	if res, err := carry(t, gate, o); err != nil || res.Wrong != 36 {
		t.Errorf("where all but four are somebody else: %+v, %v", res, err)
	}
	busy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		stand.begin(w, r)
	}))
	if res, err := carry(t, busy, o); err != nil || res.Busy != 40 || res.Rate != 0 {
		t.Errorf("where nobody is let in: %+v, %v", res, err)
	}
}

func TestSignInAtTheProvider(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		res, err := signInAt(t, serveProvider(t, alg).URL, "")
		if err != nil || len(res.Cookies) != 3 {
			t.Errorf("%s: cookies %q, %v", alg, res.Cookies, err)
		}
	}
}

func TestSignInThatGoesRoundInCirclesEnds(t *testing.T) {
	gate := serve(t, http.RedirectHandler("/page", http.StatusFound))
	_, err := carry(t, gate, order{Kind: "sign-in", Path: "/page", Conns: 1, For: time.Minute, Most: 1})
	if err == nil || !strings.Contains(err.Error(), "not at the application") {
		t.Errorf("the error is %v", err)
	}
}

func TestFormIsReadAsABrowserReadsIt(t *testing.T) {
	page := &url.URL{Scheme: "http", Host: "app.example", Path: "/sso/sign-in"}
	f, err := parseForm(page, strings.NewReader(`<!doctype html><form method=post action="/other"><input type=hidden name=x value=y></form>
		<form method="POST" action="../sso/callback/local?a=1&amp;b=2"><input type="hidden" name="attempt" value="0&quot;id">
		<input type="hidden" name="rd" value="/page"><input name="username" value="old"><input type="password" name="secret">
		<input type="submit" name="go" value="Sign in"><input type="checkbox" name="stay"></form>`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.action.String(), "http://app.example/sso/callback/local?a=1&b=2"; got != want {
		t.Errorf("action = %s, want %s", got, want)
	}
	want := url.Values{"attempt": {`0"id`}, "rd": {"/page"}, "username": {"bench"}, "secret": {"pw"}}
	if got := f.fill("bench", "pw"); got.Encode() != want.Encode() {
		t.Errorf("it posts %v, want %v", got, want)
	}
}

func TestPageWithoutAFormIsAnError(t *testing.T) {
	if f, err := parseForm(&url.URL{Path: "/x"}, strings.NewReader(`<form action=/search><input name=q></form>`)); err == nil {
		t.Errorf("parseForm = %+v", f)
	}
}

func serveProvider(t *testing.T, alg string) *httptest.Server {
	t.Helper()
	key, err := newSigningKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, grants: make(map[string]grant)}
	server := serve(t, p.handler())
	p.issuer = server.URL
	return server
}

func TestProviderRefusesWhatAProviderMustRefuse(t *testing.T) {
	server := serveProvider(t, "ES256")
	code := authorizeOnce(t, server, "verifier")
	exchange := func(code, verifier, secret string) int {
		form := url.Values{"code": {code}, "code_verifier": {verifier}, "redirect_uri": {"http://app.example/cb"}}
		req, err := http.NewRequest(http.MethodPost, server.URL+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(clientID, secret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := exchange(code, "verifier", "wrong"); got != 400 {
		t.Errorf("wrong client secret: %d", got)
	}
	if got := exchange(code, "verifier", clientSecret); got != 200 {
		t.Errorf("the right request: %d", got)
	}
	if got := exchange(code, "verifier", clientSecret); got != 400 {
		t.Errorf("the code again: %d", got)
	}
	if got := exchange(authorizeOnce(t, server, "verifier"), "guess", clientSecret); got != 400 {
		t.Errorf("wrong verifier: %d", got)
	}
}

func authorizeOnce(t *testing.T, server *httptest.Server, verifier string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {clientID}, "nonce": {"n"}, "state": {"s"}, "redirect_uri": {"http://app.example/cb"},
		"code_challenge": {encode(sum[:])}, "code_challenge_method": {"S256"}}
	res, err := http.DefaultTransport.RoundTrip(httptest.NewRequest(http.MethodGet, server.URL+"/authorize?"+q.Encode(), nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil || to.Query().Get("state") != "s" {
		t.Fatalf("sent back to %v, %v", to, err)
	}
	return to.Query().Get("code")
}

func TestTokensVerifyWithThePublishedKey(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		key, err := newSigningKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		token, err := key.sign(map[string]any{"sub": "alice"})
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%s: %d parts", alg, len(parts))
		}
		var claims map[string]string
		if err := json.Unmarshal(decode(t, parts[1]), &claims); err != nil || claims["sub"] != "alice" {
			t.Errorf("%s: claims %v, %v", alg, claims, err)
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if !verifies(t, key.public, sum[:], decode(t, parts[2])) {
			t.Errorf("%s: the signature does not verify", alg)
		}
	}
}

func verifies(t *testing.T, jwk map[string]string, sum, signature []byte) bool {
	number := func(name string) *big.Int { return new(big.Int).SetBytes(decode(t, jwk[name])) }
	if jwk["kty"] == "RSA" {
		key := &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, signature) == nil
	}
	point := append([]byte{4}, append(decode(t, jwk["x"]), decode(t, jwk["y"])...)...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(key, sum, r, s)
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
