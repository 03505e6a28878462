package command

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// readHTTP3Body makes the body of r what it would be with HTTP/2. There a request says in
// its header that it has none; here one that gives no length ends, or begins, a moment later,
// and would be sent to the application as a body of unknown length. Methods whose body may be
// long in coming are left alone.
func readHTTP3Body(w http.ResponseWriter, r *http.Request, patience time.Duration) error {
	if len(r.Trailer) > 0 {
		r.Body = &trailed{ReadCloser: r.Body, r: r, announced: r.Trailer}
	}
	switch {
	case r.ContentLength == 0:
		r.Body = http.NoBody
		return nil
	case r.ContentLength > 0, r.Method == http.MethodPost, r.Method == http.MethodPut, r.Method == http.MethodPatch, r.Method == http.MethodConnect:
		return nil
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	first := make([]byte, 1)
	switch _, err := io.ReadFull(r.Body, first); {
	case errors.Is(err, io.EOF):
		r.Body, r.ContentLength = http.NoBody, 0
	case err != nil:
		return err
	default:
		r.Body = &begun{ReadCloser: r.Body, first: first}
	}
	return c.SetReadDeadline(time.Time{})
}

// begun is a body of which the first byte has been read.
type begun struct {
	io.ReadCloser
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 || len(p) == 0 {
		return b.ReadCloser.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// trailed fills in the trailer fields that were announced, where copies of the request look
// for them. http3 puts them into the request that it made itself.
type trailed struct {
	io.ReadCloser
	r         *http.Request
	announced http.Header
}

func (b *trailed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		for name := range b.announced {
			b.announced[name] = b.r.Trailer[name]
		}
	}
	return n, err
}

// http3Answer leaves out of the header of an answer what HTTP/3 does not have (RFC 9114,
// section 4.2), as net/http does with HTTP/2. A client must take the whole answer for a fault
// otherwise.
type http3Answer struct {
	http.ResponseWriter
	begun bool
}

// Unwrap lets http.ResponseController reach the stream.
func (a *http3Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *http3Answer) WriteHeader(status int) {
	h := a.Header()
	for name, values := range h {
		if !mayAnswer(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			delete(h, name)
		}
	}
	a.begun = a.begun || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func mayAnswer(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
		return false
	}
	return httpguts.ValidHeaderFieldName(strings.TrimPrefix(name, http.TrailerPrefix))
}

func (a *http3Answer) Write(p []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController looks for.
func (a *http3Answer) FlushError() error {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}
