package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// HTTP/3 (RFC 9114) is what the https listener serves, carried by QUIC (RFC 9000) in UDP:
// the same handler, certificates, demands and limits. Off unless listen.http3 asks for it.

// One connection holds at most streamsMost headers, which may be as slow as they like while
// another request is under way, and two windows of bodies.
const (
	streamsMost = 100     // requests at once on one connection
	windowMost  = 1 << 20 // bytes of one body that wait to be read
	keepAlive   = 20 * time.Second
)

// quicServed is the listener of HTTP/3.
type quicServed struct {
	server    *http3.Server
	transport *quic.Transport
	listener  *quic.Listener
	visitors  visitors
	as        *http.Server // whose handler, limits and contexts these are
	leaving   atomic.Bool
	over      chan struct{} // closed when nobody more is accepted
}

// serveHTTP3 serves by socket what as would by TCP, to whom secure lets in.
func (fg *running) serveHTTP3(as *http.Server, socket net.PacketConn, secure *tls.Config) error {
	q := &quicServed{as: as, over: make(chan struct{})}
	var strangers perSecond
	q.transport = &quic.Transport{Conn: socket, VerifySourceAddress: func(net.Addr) bool { return !strangers.take(time.Now()) }}
	var err error
	// Not ListenEarly: nothing is answered before the handshake is over, and with it the proof
	// of a client's certificate. 0-RTT could be played back.
	q.listener, err = q.transport.Listen(http3.ConfigureTLSConfig(secure), &quic.Config{
		HandshakeIdleTimeout: as.ReadHeaderTimeout / 2, // and twice this in all
		MaxIdleTimeout:       as.IdleTimeout, KeepAlivePeriod: keepAlive,
		MaxIncomingStreams: streamsMost, MaxIncomingUniStreams: 8, RequireStreamCreditRelease: true,
		MaxStreamReceiveWindow: windowMost, MaxConnectionReceiveWindow: 2 * windowMost,
	})
	if err != nil {
		return fmt.Errorf("listen.http3: %w", err)
	}
	q.server = &http3.Server{
		Handler: q, MaxHeaderBytes: as.MaxHeaderBytes, ConnContext: q.enter, Logger: slog.New(faultsOnly{fg.log.Handler()}),
	}
	fg.quic = q
	fg.log.Info("listening", "for", "http3", "address", socket.LocalAddr().String())
	go q.visitors.watch(as.IdleTimeout, q.over)
	go func() {
		defer close(q.over)
		if err := q.server.ServeListener(q.listener); !errors.Is(err, http.ErrServerClosed) && !q.leaving.Load() {
			fg.failed <- fmt.Errorf("http3 listener: %w", err)
		}
	}()
	return nil
}

// enter gives a connection its context.
func (q *quicServed) enter(ctx context.Context, conn *quic.Conn) context.Context {
	// httputil.ReverseProxy breaks an answer off, so that it does not look whole, only where it
	// finds a server of net/http.
	ctx = context.WithValue(ctx, http.ServerContextKey, q.as)
	if q.as.ConnContext != nil {
		ctx = q.as.ConnContext(ctx, nil) // ours look at no net.Conn, and there is none
	}
	return q.visitors.enter(ctx, conn)
}

// ServeHTTP hands on a request as HTTP/2 would have brought it.
func (q *quicServed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r.Context())
	v.begin()
	defer v.end()
	if err := readHTTP3Body(w, r, q.as.ReadHeaderTimeout); err != nil {
		panic(http.ErrAbortHandler)
	}
	q.as.Handler.ServeHTTP(&http3Answer{ResponseWriter: w}, r)
}

// shut accepts nobody more, tells who is there to go (GOAWAY) and lets what is under way
// finish, until ctx ends.
func (q *quicServed) shut(ctx context.Context) {
	q.leaving.Store(true)
	_ = q.listener.Close()
	<-q.over
	select {
	case <-ctx.Done():
	case <-time.After(askTime): // as with TCP: who was let in at the last moment gets to ask
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = q.server.Shutdown(ctx)
	}()
	q.visitors.see(ctx, gone)
	_ = q.transport.Close()
	_ = q.transport.Conn.Close()
}

// strangersMost is how many connections in a second may begin with an address that nobody
// has proved. Beyond it the client is sent a token first (Retry, RFC 9000, section 8.1.2),
// which costs it a round trip and us nothing that stays: floods have made-up addresses.
const strangersMost = 64

// perSecond counts up to strangersMost in each second.
type perSecond struct {
	mu     sync.Mutex
	second int64
	taken  int
}

func (p *perSecond) take(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := now.Unix(); s != p.second {
		p.second, p.taken = s, 0
	}
	p.taken++
	return p.taken <= strangersMost
}

// faultsOnly keeps lines of http3 from the log that name addresses with their queries.
type faultsOnly struct{ slog.Handler }

func (f faultsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && f.Handler.Enabled(ctx, level)
}

func (f faultsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return faultsOnly{f.Handler.WithAttrs(attrs)}
}

func (f faultsOnly) WithGroup(name string) slog.Handler { return faultsOnly{f.Handler.WithGroup(name)} }
