package cookies

import (
	"net/http"
	"slices"
	"strings"
)

// setCookie writes c and takes back what the same response said about a cookie
// of that name before. Whatever sets a cookie must not be cached: a cache would
// hand one person's cookie to the next.
func setCookie(w http.ResponseWriter, c *http.Cookie) {
	h := w.Header()
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return name == c.Name
	}), c.String())
	h.Set("Cache-Control", "no-store")
}

// expired makes c the order to forget it. The attributes stay, or a browser
// would take it for another cookie.
func expired(c *http.Cookie) *http.Cookie {
	c.Value, c.MaxAge = "", -1
	return c
}
