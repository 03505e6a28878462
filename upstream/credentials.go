package upstream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// maxCredentials bounds what identity adds to a request, in bytes: names, values
// and the assertion. Application servers refuse more than 8 to 64 KiB of header
// with an error that nobody understands.
const maxCredentials = 16 << 10

const maxHeaders = 16 // that applications usually get

// Credentials are the headers that say to one application who is asking. They
// are made once per session and are safe for concurrent use.
type Credentials struct {
	upstream *Upstream
	id       *authn.Identity
	values   []string // of the first of upstream.headers, "" for none; shared by all requests, never written to
	err      error    // why nothing may be forwarded with them
	signed   atomic.Pointer[signedAssertion]
	logins   atomic.Pointer[login] // by application; nil: none is known
}

type signedAssertion struct {
	value []string
	renew time.Time
}

// Credentials builds the header values of an identity, which must not change
// afterwards. An anonymous identity has none.
//
// Values are percent-encoded (RFC 3986, section 2.1): "%", every byte outside
// 0x20–0x7E, and a space at either end; in a list also "," within an element. So
// whatever a provider says is one header line, decodes to what it was, and two
// people never look alike. Empty elements of a list are left out. If all of it
// is more than 16 KiB, Forward refuses.
func (u *Upstream) Credentials(id *authn.Identity) *Credentials {
	c := &Credentials{upstream: u, id: id}
	if id.Anonymous() {
		return c
	}
	values := make([]string, 0, maxHeaders) // on the stack, unless there are more
	last := 0
	for i, h := range u.headers {
		values = append(values, h.source.read(id))
		if values[i] != "" {
			last = i + 1
		}
	}
	c.values = append([]string(nil), values[:last]...)
	c.err = c.fits(c.size())
	return c
}

// For reports whether u made them: no other Upstream forwards with them.
func (c *Credentials) For(u *Upstream) bool { return c.upstream == u }

// size is how many bytes the headers add to a request.
func (c *Credentials) size() int {
	n := 0
	for i, value := range c.values {
		if value != "" {
			n += lineSize(c.upstream.headers[i].name, value)
		}
	}
	return n
}

// write sets the headers of an identity. Each value is a slice without room to be
// appended to, because all requests of a session share it.
func (c *Credentials) write(h http.Header) {
	for i, value := range c.values {
		if value != "" {
			h[c.upstream.headers[i].name] = c.values[i : i+1 : i+1]
		}
	}
}

func (c *Credentials) fits(size int) error {
	if size <= maxCredentials {
		return nil
	}
	return authn.Refused(
		"Your account belongs to too many groups for this application. Ask your IT desk to send it fewer groups.",
		fmt.Errorf("identity headers of %q are %d bytes, more than %d", c.upstream.cfg.Name, size, maxCredentials))
}

func lineSize(name, value string) int { return len(name) + len(": ") + len(value) + len("\r\n") }

// assertion returns the header value of an assertion with at least half of its
// life before it.
func (c *Credentials) assertion() ([]string, error) {
	if s := c.signed.Load(); s != nil && time.Now().Before(s.renew) {
		return s.value, nil
	}
	c.upstream.signing.Lock() // one for all sessions: it is held for microseconds, and seldom
	defer c.upstream.signing.Unlock()
	now := time.Now()
	if s := c.signed.Load(); s != nil && now.Before(s.renew) {
		return s.value, nil
	}
	token, err := c.upstream.signer.Sign(newAssertion(c.id, c.upstream.cfg.Name, now))
	if err != nil {
		return nil, fmt.Errorf("upstream: sign the assertion: %w", err)
	}
	if err := c.fits(c.size() + lineSize(AssertionHeader, token)); err != nil {
		return nil, err
	}
	s := &signedAssertion{value: []string{token}, renew: now.Add(assertionLife / 2)}
	c.signed.Store(s)
	return s.value, nil
}

// read returns the encoded value, "" for none.
func (s Source) read(id *authn.Identity) string {
	switch s.Claim {
	case "":
		return s.Value
	case "user":
		return encode(id.User, "")
	case "email":
		return encode(id.Email, "")
	case "name":
		return encode(id.Name, "")
	case "groups":
		return encodeList(id.Groups)
	case "roles":
		return encodeList(id.Roles)
	case "preferred_username":
		return encode(id.PreferredUsername, "")
	case "subject":
		return encode(id.Subject, "")
	case "issuer":
		return encode(id.Issuer, "")
	case "method":
		return encode(id.Method, "")
	case "acr":
		return encode(id.ACR, "")
	case "amr":
		return encodeList(id.AMR)
	}
	return encodeClaim(id.Claims[s.Claim])
}

// encodeClaim carries a JSON scalar or a list of scalars. An object has no form
// that a header could carry and counts as no value.
func encodeClaim(v any) string {
	switch v := v.(type) {
	case []string:
		return encodeList(v)
	case []any:
		list := make([]string, len(v))
		for i, item := range v {
			list[i] = scalar(item)
		}
		return encodeList(list)
	}
	return encode(scalar(v), "")
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func encodeList(items []string) string {
	if len(items) == 1 {
		return encode(items[0], ",")
	}
	encoded := make([]string, 0, len(items))
	for _, item := range items {
		if item != "" {
			encoded = append(encoded, encode(item, ","))
		}
	}
	return strings.Join(encoded, ",")
}

// encode percent-encodes what a header cannot carry, and the characters of also.
func encode(s, also string) string {
	unsafe := func(i int) bool {
		c := s[i]
		atEnd := i == 0 || i == len(s)-1
		return c < ' ' || c > '~' || c == '%' || c == ' ' && atEnd || strings.IndexByte(also, c) >= 0
	}
	first := 0
	for first < len(s) && !unsafe(first) {
		first++
	}
	if first == len(s) {
		return s // as nearly always; a copy for each session would add up
	}
	var b strings.Builder
	for i := range len(s) {
		if unsafe(i) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
