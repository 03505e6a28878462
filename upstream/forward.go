package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"

	"foregate/authn"
)

// Trip is what the proxy knows about one request that it lets through.
type Trip struct {
	Client    string       // address of who asks, after trusted proxies: X-Forwarded-For and X-Real-IP; "" sends none
	Scheme    string       // "http" or "https" as the browser sees it: X-Forwarded-Proto
	Host      string       // host, and port if not the usual, as the browser sees it: X-Forwarded-Host, Host
	RequestID string       // X-Request-ID; "" sends none
	Who       *Credentials // as whom, made by the same Upstream; nil is nobody

	// CloseAfter ends the client's connection after this response, as RFC 9112,
	// section 6.1, asks for after doubtful framing. It has no effect on an upgrade.
	CloseAfter bool

	// Fleeting keeps the response out of the browser's cache, where the next person at a
	// shared device would find it: all but what the application calls public, and style
	// sheets, scripts and fonts.
	Fleeting bool

	// Page says that a person's browser asked for a page to show: where the application
	// refuses their own name and password, OnError answers and says what to do.
	Page bool

	// Insert is put at the end of the head of pages that a browser loads into a window or
	// frame, as they stream; "" inserts nothing. They come uncompressed then.
	Insert string

	// Response is put on the final response: Set-Cookie beside the application's
	// own, everything else in place of it. What a handler sets on the
	// ResponseWriter instead would go out with a 1xx, and be lost after it. Pages
	// of OnError do not get it.
	Response http.Header

	under passage // the Trip under way; a Trip is for one Forward
}

// passage is a Trip under way. It holds what would be allocated one by one.
type passage struct {
	trip      *Trip
	in        *http.Request
	route     *route
	login     []string // the Authorization header of the person's own; nil: none is sent
	taken     int      // bytes of the escaped path that the route's own path takes up
	assertion []string
	values    [4]string // of X-Forwarded-For, -Host, -Proto and X-Request-ID
	interim   interim
	address   *address // of several, the one that is asked
	connected bool     // whether the transport had a connection; told only where there are several addresses
	retries   int      // addresses that were asked because another had refused
	retried   Retried
}

// slot is where the hooks of ReverseProxy find the passage of their request.
type slot struct{ passage *passage }

type slotKey struct{}

// ConnContext is for http.Server.ConnContext: it gives a connection one slot for
// all its HTTP/1 requests, which come one after the other. Without it, and with
// HTTP/2, each request gets one of its own.
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, slotKey{}, new(slot))
}

// seat returns r with p where the hooks find it.
func seat(r *http.Request, p *passage) *http.Request {
	if r.ProtoMajor == 1 {
		if s, ok := r.Context().Value(slotKey{}).(*slot); ok {
			s.passage = p
			return r
		}
	}
	return r.WithContext(context.WithValue(r.Context(), slotKey{}, &slot{p}))
}

func passageOf(ctx context.Context) *passage { return ctx.Value(slotKey{}).(*slot).passage }

// Forward carries r to the application and its answer to w.
//
// The path goes out as r.URL has it, escapes kept, save for what a Route rewrites;
// a base path of its URL is put before it. Bodies stream in both directions. A WebSocket upgrade is
// tunnelled until either side or the context of r ends; other upgrades are taken
// off the request. CONNECT and TRACE are refused.
//
// If the application cannot be reached or does not speak HTTP, OnError answers.
// If r's context is cancelled, or the response breaks off half-way, Forward
// panics with http.ErrAbortHandler: the connection must end without what might
// look like a whole response. It never retries what the application may have
// begun to do, save for requests without a body whose method is safe (RFC 9110,
// section 9.2.1; see Retry) or which the client itself marked with an Idempotency-Key.
func (u *Upstream) Forward(w http.ResponseWriter, r *http.Request, t *Trip) {
	p := &t.under
	*p = passage{trip: t, in: r}
	p.route, p.taken = u.routeOf(r.URL)
	if err := u.board(p); err != nil {
		u.fail(w, p, err)
		return
	}
	if p.route.isLocal() {
		u.answerHere(w, p)
		return
	}
	if r.ContentLength != 0 {
		// Otherwise net/http holds the response back until the client has sent
		// its body, and swallows of it what the application should have had. A
		// ResponseWriter that cannot (HTTP/2) has no need to.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	w.Header()["Content-Type"] = nil // the server does not guess what the application leaves open
	if p.route.pool != nil {
		defer p.leave()
	}
	p.route.proxy.ServeHTTP(w, seat(r, p))
}

// board says why a request may not go out at all.
func (u *Upstream) board(p *passage) error {
	switch p.in.Method {
	case http.MethodConnect, http.MethodTrace: // a tunnel; a mirror for credentials
		return &authn.Error{
			Public: "This kind of request is not served here.",
			Err:    errors.New("upstream: CONNECT and TRACE are not forwarded"),
			Status: http.StatusMethodNotAllowed,
		}
	}
	if p.route == nil {
		return &authn.Error{
			Public: "This address does not lead to the application. Tell the people who look after it.",
			Err:    errors.New("upstream: another proxy carries the requests of this application, and sent one here"),
			Status: http.StatusBadGateway,
		}
	}
	if err := p.route.limit(p.in); err != nil {
		return err
	}
	who := p.trip.Who
	if who == nil {
		return nil
	}
	if who.upstream != u {
		return &authn.Error{
			Public: "Something went wrong here. Try again; if it goes on, tell your IT desk.",
			Err:    errors.New("upstream: credentials were made for another application"),
			Status: http.StatusInternalServerError,
		}
	}
	if err := p.findLogin(); err != nil {
		return err
	}
	if who.err != nil || !u.cfg.Assertion || who.id.Anonymous() {
		return who.err
	}
	var err error
	p.assertion, err = who.assertion()
	return err
}

// rewrite runs after ReverseProxy has removed hop-by-hop headers, so that a
// client's "Connection: X-Forwarded-User" cannot remove what is set here.
func (u *Upstream) rewrite(pr *httputil.ProxyRequest) {
	p := passageOf(pr.In.Context())
	out := pr.Out
	p.route.readdress(out.URL, p.taken)
	pr.SetURL(p.route.URL)
	if u.cfg.RawQuery {
		out.URL.RawQuery = pr.In.URL.RawQuery
	}
	out.Host = p.host()
	u.strip(out.Header)
	restrictUpgrade(out)
	p.announce(out.Header)
	if p.trip.Who != nil {
		p.trip.Who.write(out.Header)
	}
	if p.route.sendsBasic() {
		p.proveBasic(out.Header)
	}
	if p.assertion != nil {
		out.Header[AssertionHeader] = p.assertion
	}
	if p.trip.Insert != "" && p.wantsInsert() {
		askForPlain(out.Header)
	}
	u.carryBody(pr)
}

func (p *passage) host() string {
	if p.route.HostHeader != "" {
		return p.route.HostHeader
	}
	if p.trip.Host != "" {
		return p.trip.Host
	}
	return p.in.Host
}

func (u *Upstream) strip(h http.Header) {
	for name := range h {
		if u.forbidden.has(name) {
			delete(h, name)
		}
	}
	if u.cfg.StripCookies != nil {
		u.cfg.StripCookies(h)
	}
}

// announce says where the request came from, as we see it and as nobody else
// says.
func (p *passage) announce(h http.Header) {
	if p.values[0] = p.trip.Client; p.values[0] != "" {
		h["X-Forwarded-For"] = p.values[0:1:1]
		h["X-Real-Ip"] = p.values[0:1:1]
	}
	if p.values[1] = p.trip.Host; p.values[1] != "" {
		h["X-Forwarded-Host"] = p.values[1:2:2]
	}
	if p.values[2] = p.trip.Scheme; p.values[2] != "" {
		h["X-Forwarded-Proto"] = p.values[2:3:3]
	}
	if p.values[3] = p.trip.RequestID; p.values[3] != "" {
		h["X-Request-Id"] = p.values[3:4:4]
	}
}

// restrictUpgrade lets nothing but a WebSocket handshake (RFC 6455, section 4.1)
// ask for a tunnel. Through "Upgrade: h2c" further requests would reach the
// application that nobody has judged.
func restrictUpgrade(out *http.Request) {
	if _, ok := out.Header["Upgrade"]; !ok {
		return
	}
	if out.Method == http.MethodGet && out.Body == nil && isWebSocket(out.Header) {
		return
	}
	delete(out.Header, "Upgrade")
	delete(out.Header, "Connection")
}

func isWebSocket(h http.Header) bool {
	return len(h["Upgrade"]) == 1 && strings.EqualFold(h["Upgrade"][0], "websocket")
}
