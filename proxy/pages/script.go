package pages

import (
	_ "embed" // the script
	"net/http"
	"strconv"
)

//go:embed script/warning.js
var warning []byte

// WriteWarning answers with the script that tells people before their session
// ends. It is the same for everybody and may be kept for an hour.
func WriteWarning(w http.ResponseWriter) {
	h := w.Header()
	SecurityHeaders(h)
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(warning)))
	h.Set("Cache-Control", "public, max-age=3600")
	h.Del("Vary")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(warning) // the browser may be gone
}
