package pages_test

import (
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/proxy/pages"
)

// common are the headers of every answer but Content-Security-Policy,
// Content-Type and Content-Length.
var common = map[string]string{
	"Cache-Control":                "no-store",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"Vary":                         "Accept, Cookie",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// others returns the headers that common speaks of, and any that nobody expects.
func others(h http.Header) map[string]string {
	got := map[string]string{}
	for name, values := range h {
		switch name {
		case "Content-Security-Policy", "Content-Type", "Content-Length":
		default:
			got[name] = strings.Join(values, "|")
		}
	}
	return got
}

func TestSE10EveryPageHasTheHeaders(t *testing.T) {
	for name, page := range gallery() {
		res, body, doc := write(t, careplan, page)
		wanted := maps.Clone(common)
		wanted["Content-Language"], wanted["Vary"] = "en", "Accept, Accept-Language, Cookie"
		if diff := cmp.Diff(wanted, others(res.Header)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := res.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", name, got)
		}
		nonce := attr(one(t, doc, "style"), "nonce")
		want := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src data:; style-src 'nonce-" + nonce + "'"
		if _, ok := page.(pages.PostForm); ok {
			want += "; script-src 'nonce-" + attr(one(t, doc, "script"), "nonce") + "'"
		} else if len(all(doc, "script")) != 0 {
			t.Errorf("%s: has a script", name)
		}
		if _, own := page.(pages.Account); strings.Contains(body, "<form") && !own { // whose forms nobody else answers
			want += "; form-action 'self' https: http:"
		} else {
			want += "; form-action 'self'"
		}
		if diff := cmp.Diff(want, res.Header.Get("Content-Security-Policy")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSE10NonceIsFreshAndLong(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		_, _, doc := write(t, nil, pages.Problem{})
		nonce := attr(one(t, doc, "style"), "nonce")
		if len(nonce) < 22 || seen[nonce] { // 22 letters of base64 are 128 bits
			t.Fatalf("nonce %q is short or was used before", nonce)
		}
		seen[nonce] = true
	}
}

func TestSE10JSONHasTheHeaders(t *testing.T) {
	rec := httptest.NewRecorder()
	pages.JSON(rec, http.StatusUnauthorized, map[string]string{"sign_in": "/sso/sign-in?rd=</script>"})
	if diff := cmp.Diff(common, others(rec.Header())); diff != "" {
		t.Error(diff)
	}
	if got := rec.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got, want := rec.Header().Get("Content-Security-Policy"), "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"; got != want {
		t.Errorf("got policy %q, want %q", got, want)
	}
	if got, want := rec.Body.String(), `{"sign_in":"/sso/sign-in?rd=\u003c/script\u003e"}`+"\n"; got != want || rec.Code != http.StatusUnauthorized {
		t.Errorf("got %d %q, want %q", rec.Code, got, want)
	}
}

func TestJSONThatCannotBeEncodedIsAnError(t *testing.T) {
	rec := httptest.NewRecorder()
	pages.JSON(rec, http.StatusOK, map[string]any{"a": 1, "b": math.NaN()})
	if rec.Code != http.StatusInternalServerError || rec.Body.String() != "{\"error\":\"internal\"}\n" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
}

func TestVaryOfTheCallerStays(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Vary", "Origin, Cookie")
	newPages(t).Write(rec, http.StatusOK, pages.Reader{}, nil, pages.Problem{})
	if got := rec.Header().Get("Vary"); got != "Origin, Cookie" {
		t.Errorf("got %q", got)
	}
}

func TestAnswerIsSentInOneWrite(t *testing.T) {
	for name, page := range gallery() {
		w := &counter{ResponseRecorder: httptest.NewRecorder()}
		newPages(t).Write(w, http.StatusOK, pages.Reader{}, careplan, page)
		if w.writes != 1 {
			t.Errorf("%s: got %d writes", name, w.writes)
		}
	}
}

type counter struct {
	*httptest.ResponseRecorder
	writes int
}

func (c *counter) Write(b []byte) (int, error) {
	c.writes++
	return c.ResponseRecorder.Write(b)
}
