package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// modifyResponse sees the final response after hop-by-hop headers are removed,
// or a 101 with all of them.
func (u *Upstream) modifyResponse(res *http.Response) error {
	p := passageOf(res.Request.Context())
	switch {
	case res.StatusCode < 100: // net/http's server panics on these
		return fmt.Errorf("the application answered with status %03d", res.StatusCode)
	case res.StatusCode == http.StatusSwitchingProtocols:
		if !isWebSocket(res.Request.Header) || !isWebSocket(res.Header) {
			return errors.New("the application switched protocols unasked")
		}
		removeHops(res.Header)
		res.Header.Set("Connection", "Upgrade")
		res.Header.Set("Upgrade", "websocket")
		res.Body = u.cfg.Tunnels.through(res.Body)
	case p.trip.CloseAfter:
		res.Header.Set("Connection", "close")
	}
	if err := p.refusedLogin(res.StatusCode); err != nil {
		return err
	}
	u.dropOwnCookies(res.Header)
	p.outward(res.Header)
	if p.route.sendsBasic() {
		delete(res.Header, "Www-Authenticate") // a browser would ask a person for what only we send
	}
	delete(res.Header, "Alt-Svc") // would lead the browser past us
	if p.trip.Fleeting && personal(res.Header) {
		res.Header.Set("Cache-Control", "no-store")
		delete(res.Header, "Expires")
		delete(res.Header, "Pragma")
	}
	if p.trip.Insert != "" && res.StatusCode != http.StatusSwitchingProtocols {
		u.insert(p, res)
	}
	for name, values := range p.trip.Response {
		if name == "Set-Cookie" {
			values = append(slices.Clip(res.Header[name]), values...)
		}
		res.Header[name] = values
	}
	if res.ContentLength < 0 && res.StatusCode != http.StatusSwitchingProtocols {
		delete(res.Trailer, "Set-Cookie")
		res.Body = &trailingBody{res.Body, res}
	}
	return nil
}

// removeHops removes hop-by-hop headers (RFC 9110, section 7.6.1) where
// ReverseProxy does not: from 1xx and 101.
func removeHops(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
	} {
		delete(h, name)
	}
}

func (u *Upstream) dropOwnCookies(h http.Header) {
	cookies := h["Set-Cookie"]
	if len(cookies) == 0 || u.cfg.OwnCookie == nil {
		return
	}
	own := func(line string) bool { return u.cfg.OwnCookie(cookieName(line)) }
	if cookies = slices.DeleteFunc(cookies, own); len(cookies) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = cookies
}

// cookieName returns the name under which a browser would send a cookie back.
// Browsers keep "=name=value" and "name" as cookies without a name, and send
// them as "name=value" and "name" (RFC 6265bis, section 5.6).
func cookieName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	pair = strings.TrimLeft(pair, "= \t")
	name, _, _ := strings.Cut(pair, "=")
	return strings.TrimSpace(name)
}

// A response has at most so many 1xx before it, with so many bytes of header in
// all of them.
const (
	maxInterim      = 5
	maxInterimBytes = 16 << 10
)

// interim counts the 1xx responses of one request.
type interim struct {
	count, bytes int
	pass         func(int, textproto.MIMEHeader) error
}

func (p *passage) got1xx(code int, header textproto.MIMEHeader) error {
	p.interim.count++
	for name, values := range header {
		for _, value := range values {
			p.interim.bytes += lineSize(name, value)
		}
	}
	if p.interim.count > maxInterim || p.interim.bytes > maxInterimBytes {
		return errors.New("the application sent too many interim responses")
	}
	if !p.in.ProtoAtLeast(1, 1) { // RFC 9110, section 15.2
		return nil
	}
	if code == http.StatusContinue && p.in.Header.Get("Expect") == "" {
		return nil // some servers say it unasked, and some clients take it for the response
	}
	removeHops(http.Header(header))
	delete(header, "Set-Cookie") // no cookie belongs to an interim response
	return p.interim.pass(code, header)
}
