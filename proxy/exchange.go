package proxy

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"foregate/authn"
	"foregate/upstream"
)

// exchange is one request and its answer, and what became known of them. It is
// the ResponseWriter that handlers are given.
type exchange struct {
	http.ResponseWriter
	asked  *http.Request
	id     string // request ID, which is also the support code
	start  time.Time
	client netip.Addr // the invalid address when nobody knows
	peer   string     // client as text
	secure bool
	host   string // as the browser sees it, canonical, with its port
	app    *App
	who    *authn.Identity // nil until somebody is known
	again  string          // address for signing in anew, where the request's own holds a token
	ranOut string          // method whose sign-in this request found withdrawn

	status   int
	written  int64
	patience time.Duration // with a peer that takes nothing
	closing  bool          // the connection ends with this answer
	trying   bool          // nobody signs in: what would be decided is found out
	hsts     []string      // over TLS of ours: what browsers are to remember
	altSvc   []string      // over TLS of ours: where browsers find HTTP/3

	trip upstream.Trip
}

func (s *Server) open(w http.ResponseWriter, r *http.Request) *exchange {
	client, trusted := clientOf(r, s.Trusted)
	x := place(r)
	*x = exchange{
		ResponseWriter: w,
		asked:          r,
		id:             s.ids.next(),
		start:          time.Now(),
		client:         client,
		peer:           textOf(client, r.RemoteAddr),
		secure:         secureOf(r, trusted),
		patience:       s.Patience,
		closing:        ambiguousFraming(r),
	}
	if r.TLS != nil {
		x.hsts = s.hsts
		if !trusted {
			x.altSvc = s.altSvc
		}
	}
	return x
}

type placeKey struct{}

// connContext gives each connection a place for the exchange of its HTTP/1
// requests, which come one after the other: the largest thing that would be
// allocated for each.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(upstream.ConnContext(ctx, c), placeKey{}, &seat{opened: time.Now()})
}

// seat is what a connection has of its own.
type seat struct {
	exchange exchange  // of the HTTP/1 request under way
	opened   time.Time // when it was accepted
}

func place(r *http.Request) *exchange {
	if r.ProtoMajor == 1 {
		if p, ok := r.Context().Value(placeKey{}).(*seat); ok {
			return &p.exchange
		}
	}
	return new(exchange)
}

// supportAlphabet has no letters that are mistaken for each other on the phone.
var supportAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// requestIDs are made some at a time, in one piece of memory.
type requestIDs struct{ pool sync.Pool }

type idBlock struct {
	text string
	used int
}

const (
	idLength = 13
	idBatch  = 64
)

// next returns 13 characters out of 64 random bits. They tell requests apart and
// grant nothing, so they need not be unguessable.
func (ids *requestIDs) next() string {
	b, _ := ids.pool.Get().(*idBlock)
	if b == nil || b.used == len(b.text) {
		b = newIDBlock()
	}
	id := b.text[b.used : b.used+idLength]
	b.used += idLength
	ids.pool.Put(b)
	return id
}

func newIDBlock() *idBlock {
	var b [8]byte
	out := make([]byte, 0, idBatch*idLength)
	for range idBatch {
		binary.LittleEndian.PutUint64(b[:], rand.Uint64())
		out = supportAlphabet.AppendEncode(out, b[:])
	}
	return &idBlock{text: string(out)}
}

// ambiguousFraming reports requests after which the connection must not be used
// again: where a proxy in front may have counted the bytes of the body otherwise
// (RFC 9112, sections 6.1 and 6.3). The standard library has dropped the second
// header by now, so every chunked and every HTTP/1.0 request is taken for one.
func ambiguousFraming(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

func (x *exchange) scheme() string {
	if x.secure {
		return "https"
	}
	return "http"
}

func (x *exchange) origin() string { return x.scheme() + "://" + x.host }

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 || status == http.StatusSwitchingProtocols {
		x.status = status
	}
	if x.closing && status >= http.StatusOK {
		x.Header().Set("Connection", "close")
	}
	if x.hsts != nil && status >= http.StatusOK {
		x.strict()
	}
	if x.altSvc != nil && status >= http.StatusOK {
		x.Header()[altSvc] = x.altSvc
	}
	x.ResponseWriter.WriteHeader(status)
}

// freely is how much of an answer is written without looking at the peer's
// patience: connections take about as much from us though nobody reads.
const freely = 16 << 10

func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	held := x.hold(len(p))
	n, err := x.ResponseWriter.Write(p)
	x.written += int64(n)
	if held && err == nil {
		x.letGo()
	}
	return n, err
}

// FlushError is what http.ResponseController looks for.
func (x *exchange) FlushError() error {
	held := x.hold(0)
	err := http.NewResponseController(x.ResponseWriter).Flush()
	if held && err == nil {
		x.letGo()
	}
	return err
}

// hold lets the connection fail when the peer takes nothing of what is written
// now for too long, and reports whether it has to be let go of afterwards: an
// application may pause between two writes for as long as it likes.
func (x *exchange) hold(more int) bool {
	if x.patience <= 0 || x.written+int64(more) <= freely {
		return false
	}
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.patience))
	return true
}

func (x *exchange) letGo() {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Time{})
}

// patient bounds how slowly a request body may arrive.
func (s *Server) patient(x *exchange, r *http.Request) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody || s.Patience <= 0 {
		return r.Body
	}
	return &patientBody{ReadCloser: r.Body, c: http.NewResponseController(x.ResponseWriter), patience: s.Patience}
}

type patientBody struct {
	io.ReadCloser
	c        *http.ResponseController
	patience time.Duration
	until    time.Time
	ended    bool
}

func (b *patientBody) Read(p []byte) (int, error) {
	// The transport reads once more after the end. By then the server waits on
	// the connection for its client to go away, and a deadline would be just that.
	if now := time.Now(); !b.ended && b.until.Sub(now) < b.patience/2 {
		b.until = now.Add(b.patience)
		_ = b.c.SetReadDeadline(b.until)
	}
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}

// close ends an exchange: it contains a panic, counts, and writes the access line.
func (s *Server) close(x *exchange, r *http.Request) {
	fault := recover()
	aborted := fault != nil && isAbort(fault)
	if fault != nil && !aborted {
		s.Log.Error("request ended by a panic", "request_id", x.id, "fault", fault, "stack", string(debug.Stack()))
		if x.status == 0 {
			s.answer(x, r, refuse(http.StatusInternalServerError, "panic"))
		} else {
			aborted = true
		}
	}
	took := time.Since(x.start)
	x.count(s.Metrics, took)
	if s.Access != nil {
		s.access(x, r, took)
	}
	x.asked = nil // an idle connection keeps its exchange, and need not keep the request
	if aborted {
		panic(http.ErrAbortHandler) // the peer must see that the answer is not whole
	}
}

func isAbort(fault any) bool {
	err, ok := fault.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// access writes the line of one request: never its query, which may hold tokens.
func (s *Server) access(x *exchange, r *http.Request, took time.Duration) {
	attrs := [...]slog.Attr{
		slog.String("request_id", x.id),
		slog.String("client", x.peer),
		slog.String("method", authn.CutControl(r.Method, 32)),
		slog.String("host", authn.CutControl(r.Host, 255)),
		slog.String("path", authn.CutControl(r.URL.Path, 1024)),
		slog.Int("status", x.status),
		slog.Int64("bytes", x.written),
		slog.Int64("took_us", took.Microseconds()),
		slog.String("app", x.appName()),
		slog.String("user", x.user()),
		{},
	}
	line := attrs[:len(attrs)-1]
	if n, _ := x.trip.Retries(); n > 0 {
		line = attrs[:]
		line[len(line)-1] = slog.Int("retries", n)
	}
	s.Access.LogAttrs(r.Context(), slog.LevelInfo, "request", line...)
}

func (x *exchange) appName() string {
	if x.app == nil {
		return ""
	}
	return x.app.Name
}

func (x *exchange) user() string {
	if x.who == nil {
		return ""
	}
	return x.who.User
}
