package upstream

import (
	"mime"
	"net/http"
	"strings"
)

// personal reports whether a response may hold something of a person: whatever the
// application does not call public, but for the parts of which pages are built.
func personal(h http.Header) bool {
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "public") {
				return false
			}
		}
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case err != nil:
		return true
	case strings.HasPrefix(kind, "font/"):
		return false
	}
	switch kind {
	case "text/css", "text/javascript", "application/javascript", "application/x-javascript":
		return false
	}
	return true
}
