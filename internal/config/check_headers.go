package config

import (
	"fmt"
	"maps"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// headers checks the map of an app's own headers.
func (c *checker) headers(path string, h *Headers) {
	first := make(map[string]string) // canonical name → as written
	for _, name := range slices.Sorted(maps.Keys(h.Map)) {
		at := join(join(path, "map"), shown(name))
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch other := first[canonical]; {
		case !headerName.MatchString(name):
			c.fault(at, FaultAt{
				Problem: "is not the name of a header", Found: quoted(name),
				Allowed: "letters, digits and dashes, beginning with a letter",
				Remedy:  "write a name such as X-Staff-Number; applications read it with _ as well",
			})
		case reserved(canonical):
			c.fault(at, FaultAt{
				Problem: "is a header that Foregate or HTTP itself needs", Found: quoted(name),
				Remedy: "choose another name, such as X-Staff-Number",
			})
		case other != "":
			c.fault(at, FaultAt{Problem: fmt.Sprintf("is the same header as %s", shown(other)), Remedy: "keep one of the two"})
		}
		first[canonical] = name
		c.source(at, h.Map[name])
	}
}

func (c *checker) source(path string, h Header) {
	value := h.Value.Reveal()
	switch {
	case (h.Claim == "") == h.Value.Empty():
		c.fault(path, FaultAt{
			Problem: "needs exactly one of claim and value",
			Allowed: "{claim: name} or {value: text}", Remedy: "write {claim: email}, for example",
		})
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(value) != value:
		c.fault(join(path, "value"), FaultAt{
			Problem: "cannot be sent in a header",
			Allowed: "printable ASCII without spaces at the ends", Remedy: "encode it first, for example as base64",
		})
	}
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)

// reserved reports headers that frame the message, steer the connection, carry
// the browser's state, or are Foregate's own.
func reserved(name string) bool {
	for _, prefix := range []string{"Content-", "Proxy-", "Sec-", "If-", "Access-Control-", "X-Foregate-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"Host", "Connection", "Cookie", "Set-Cookie", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Keep-Alive",
		"Expect", "Date", "Via", "Range", "Origin", "Referer", "User-Agent", "Accept", "Accept-Encoding", "Max-Forwards",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Forwarded-Server", "X-Forwarded-Uri", "X-Real-Ip", "X-Request-Id", "Traceparent", "Tracestate",
	}, name)
}
