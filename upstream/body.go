package upstream

import (
	"io"
	"net/http"
	"net/http/httputil"
)

// clientBody is a request body on its way. It tells the client's faults from the
// application's, and brings the trailer along.
type clientBody struct {
	io.ReadCloser
	in, out http.Header // trailers; out has the keys that may pass
}

// bodyError is what went wrong in reading a client's body.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read the client's body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func (u *Upstream) carryBody(pr *httputil.ProxyRequest) {
	pr.Out.Trailer = nil
	if pr.Out.Body == nil {
		return
	}
	body := &clientBody{ReadCloser: pr.Out.Body}
	pr.Out.Body = body
	for name := range pr.In.Trailer {
		if u.mayTrail(name) {
			if body.out == nil {
				body.in, body.out = pr.In.Trailer, make(http.Header)
			}
			body.out[name] = nil
		}
	}
	pr.Out.Trailer = body.out
}

// mayTrail reports whether a trailer field may pass. Some servers merge trailers
// into the header, where these would be believed (RFC 9110, section 6.5.1).
func (u *Upstream) mayTrail(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Cookie", "Authorization", "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade":
		return false
	}
	return !u.forbidden.has(name)
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		// The server has filled in its trailer now, and the transport writes
		// ours after this. Fields that were not announced stay behind.
		for name := range b.out {
			b.out[name] = b.in[name]
		}
	default:
		err = &bodyError{err}
	}
	return n, err
}

// trailingBody is a response body that can have a trailer.
type trailingBody struct {
	io.ReadCloser
	res *http.Response
}

// Close completes the trailer. A cookie in it could only serve to get past the
// removal of ours.
func (b *trailingBody) Close() error {
	err := b.ReadCloser.Close()
	delete(b.res.Trailer, "Set-Cookie")
	return err
}
