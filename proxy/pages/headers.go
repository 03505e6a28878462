package pages

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// SecurityHeaders sets what every answer of Foregate's own carries: pages, JSON
// and redirects. Nothing may run in it, frame it, guess its type, keep it or
// learn from it where the person came from. Strict-Transport-Security is not
// among them, because only the listener knows whether the browser came by TLS.
// A Vary that is there already stays.
//
// Because of no-referrer browsers send "Origin: null" with the posts of our own
// forms (Fetch, 3.2, "append a request Origin header"). Who guards such a post
// goes by Sec-Fetch-Site or by what is bound to the browser, not by Origin.
func SecurityHeaders(h http.Header) {
	for i := range secured {
		h[secured[i].name] = secured[i].value[:1:1]
	}
	if _, set := h["Vary"]; !set {
		h["Vary"] = varying[:1:1]
	}
}

// The values are made once: a stranger's request shall cost as little as can be.
// They have no room to be appended to.
var (
	secured = [...]struct {
		name  string
		value []string
	}{
		{"Content-Security-Policy", []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Permissions-Policy", []string{"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"}},
		{"Cache-Control", []string{"no-store"}},
	}
	varying = []string{"Accept, Cookie"}
	spoken  = []string{"Accept, Accept-Language, Cookie"}
)

// policy is the page's Content-Security-Policy (CSP Level 3).
func (s sheet) policy(nonce string) string {
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src data:; style-src 'nonce-" + nonce + "'"
	if s.script {
		policy += "; script-src 'nonce-" + nonce + "'"
	}
	if !s.posts {
		return policy + "; form-action 'self'"
	}
	// Chromium holds the redirects that answer a post to form-action as well, and
	// those lead to providers whose own redirects nobody here can foresee. With
	// 'self' alone the button would silently do nothing.
	return policy + "; form-action 'self' https: http:"
}

// JSON answers a machine with v and SecurityHeaders. If v cannot be encoded the
// answer is {"error":"internal"} with status 500.
func JSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString("{\"error\":\"internal\"}\n")
	}
	h := w.Header()
	SecurityHeaders(h)
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
