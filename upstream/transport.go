package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"foregate/internal/resolve"
)

// Timeouts of the way to the application; zero means the default.
type Timeouts struct {
	Connect        time.Duration // TCP, and then TLS, each: 5 s
	ResponseHeader time.Duration // from the request's last byte to the response's header: 30 s; then 504

	// Idle is how long an unused connection is kept: 4 s. It must be below the
	// application server's own keep-alive (Apache 5 s, Tomcat 20 s, IIS 120 s):
	// a form that is posted on a connection just closed over there is lost, since
	// it cannot be sent twice.
	Idle time.Duration
}

const (
	connectTime       = 5 * time.Second
	responseTime      = 30 * time.Second
	idleTime          = 4 * time.Second
	idleConnections   = 1024
	maxResponseHeader = 256 << 10
	copyBuffer        = 32 << 10
)

func newTransport(cfg Route) *http.Transport {
	dialer := newDialer(cfg)
	t := &http.Transport{
		Proxy:                  nil, // HTTP_PROXY is for the internet, not for what stands behind us
		DialContext:            watch(cfg, dialer),
		TLSClientConfig:        cfg.tls(),
		TLSHandshakeTimeout:    dialer.Timeout,
		ForceAttemptHTTP2:      cfg.URL.Scheme == "https",
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:     true, // bytes, ETag and length stay the application's own
		MaxIdleConns:           idleConnections,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        orDefault(cfg.Timeouts.Idle, idleTime),
		ResponseHeaderTimeout:  orDefault(cfg.Timeouts.ResponseHeader, responseTime),
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
	if cfg.H2C {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

func (r *Route) tls() *tls.Config {
	cfg := &tls.Config{RootCAs: r.CA, ServerName: r.ServerName, MinVersion: tls.VersionTLS12}
	if r.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*r.Certificate}
	}
	return cfg
}

// dial connects to where the route leads, whatever its address looks like.
func (r *Route) dial(ctx context.Context, dialer *net.Dialer, address string) (net.Conn, error) {
	if r.socket != "" {
		return dialer.DialContext(ctx, "unix", r.socket)
	}
	return resolve.Dial(ctx, dialer, "tcp", address)
}

func newDialer(cfg Route) *net.Dialer {
	return &net.Dialer{Timeout: orDefault(cfg.Timeouts.Connect, connectTime), KeepAlive: 30 * time.Second}
}

func watch(to Route, dialer *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := to.dial(ctx, dialer, address)
		if err != nil || to.H2C { // numbered streams: see gotConn
			return conn, err
		}
		return &watchedConn{Conn: conn}, nil
	}
}

// guarded is a transport that does what ReverseProxy cannot: bound the 1xx
// responses before a response, and keep a response's extra bytes from the next
// request. Both need hooks of httptrace. ReverseProxy makes a trace for each
// request, so it is added to in place; a second one in the context would be
// merged with it by reflection, at ten times the cost.
type guarded struct{ http.RoundTripper }

func (t guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	p := passageOf(r.Context())
	trace := httptrace.ContextClientTrace(r.Context())
	if p.interim.pass == nil { // not the second address for the same request
		p.interim.pass = trace.Got1xxResponse
		trace.Got1xxResponse = p.got1xx
	}
	trace.GotConn = gotConn
	if p.route.pool != nil {
		trace.GotConn = p.gotConn
	}
	return t.RoundTripper.RoundTrip(r)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// buffers lends the buffers that bodies are copied through.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

func (b *buffers) Get() []byte  { return b.pool.Get().(*[copyBuffer]byte)[:] }
func (b *buffers) Put(s []byte) { b.pool.Put((*[copyBuffer]byte)(s)) }
