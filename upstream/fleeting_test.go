package upstream

import (
	"net/http"
	"testing"
)

func TestWhatMayBeOfAPersonIsNotKept(t *testing.T) {
	for _, one := range []struct {
		kind, control string
		want          bool
	}{
		{"text/html; charset=utf-8", "max-age=3600", true},
		{"application/pdf", "", true},
		{"image/png", "private, max-age=60", true},
		{"application/json", "", true},
		{"", "", true},
		{"nonsense;;", "", true},
		{"text/html", "Public, max-age=3600", false},
		{"text/css", "max-age=60", false},
		{"text/javascript; charset=utf-8", "", false},
		{"font/woff2", "", false},
	} {
		h := http.Header{}
		if one.kind != "" {
			h.Set("Content-Type", one.kind)
		}
		if one.control != "" {
			h.Set("Cache-Control", one.control)
		}
		if got := personal(h); got != one.want {
			t.Errorf("%q, %q: %v", one.kind, one.control, got)
		}
	}
}
