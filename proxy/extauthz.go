package proxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Envoy can ask by gRPC: envoy.service.auth.v3.Authorization/Check. A call is made into a
// question as Traefik or Caddy would ask it and goes the same way; only the answer is
// written in Envoy's own words. One unary call of one message each way is little enough
// of gRPC (gRPC over HTTP2, PROTOCOL-HTTP2.md) to need no library for it.

const (
	checkPath  = "/envoy.service.auth.v3.Authorization/Check"
	maxCheck   = 1 << 20          // bytes of a call: a head, without the body
	checkLimit = 10 * time.Second // for a call to arrive
)

// Status codes of gRPC.
const (
	grpcOK              = 0
	grpcInvalid         = 3
	grpcDenied          = 7
	grpcExhausted       = 8
	grpcUnimplemented   = 12
	grpcUnauthenticated = 16
)

// ExtAuthz answers Envoy's calls. They come over HTTP/2, from trusted proxies alone.
func (s *Server) ExtAuthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		switch kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); {
		case err != nil || !within(s.Trusted, peer.Addr().Unmap().WithZone("")):
			http.Error(w, "asked by who is none of trusted_proxies", http.StatusForbidden)
			return
		case r.ProtoMajor != 2 || r.Method != http.MethodPost || kind != "application/grpc" && kind != "application/grpc+proto":
			http.Error(w, "only gRPC is spoken here", http.StatusUnsupportedMediaType)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		answer, code, problem := s.check(w, r)
		if code == grpcOK {
			frame := make([]byte, 5, 5+len(answer)) // uncompressed, and how long
			binary.BigEndian.PutUint32(frame[1:], uint32(len(answer)))
			_, _ = w.Write(append(frame, answer...))
		}
		w.Header().Set("Grpc-Status", strconv.Itoa(code))
		if problem != "" {
			w.Header().Set("Grpc-Message", problem)
		}
	})
}

// check answers one call, or says with which code and why it is none.
func (s *Server) check(w http.ResponseWriter, r *http.Request) (answer []byte, code int, problem string) {
	if r.URL.Path != checkPath {
		return nil, grpcUnimplemented, "only " + checkPath + " is served"
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(checkLimit))
	var head [5]byte
	if _, err := io.ReadFull(r.Body, head[:]); err != nil {
		return nil, grpcInvalid, "no message"
	}
	size := binary.BigEndian.Uint32(head[1:])
	switch {
	case head[0] != 0:
		return nil, grpcUnimplemented, "compressed messages are not read"
	case size > maxCheck:
		return nil, grpcExhausted, "the message is too long"
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(r.Body, message); err != nil {
		return nil, grpcInvalid, "the message ends early"
	}
	c, err := readCheck(message)
	if err != nil {
		return nil, grpcInvalid, "the message cannot be read"
	}
	v := &verdict{header: make(http.Header)}
	s.ServeHTTP(v, c.question(r, s.Prefix+verifyPath))
	if v.status == http.StatusOK {
		return allowed(s.mutations(c, v.header)), grpcOK, ""
	}
	return denied(v), grpcOK, ""
}

// question is c as Traefik or Caddy would ask it, with the address of who spoke to Envoy
// behind those that it was told of.
func (c *check) question(r *http.Request, address string) *http.Request {
	q := r.WithContext(r.Context())
	q.Method, q.Host, q.RequestURI, q.Body, q.ContentLength = http.MethodGet, c.host, address, http.NoBody, 0
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = address, "", ""
	q.URL = &u
	h := make(http.Header, len(c.headers)+5)
	for name, lines := range c.headers {
		if asked := http.CanonicalHeaderKey(name); !strings.HasPrefix(asked, "X-Original-") && asked != "Accept-Encoding" {
			h[asked] = append(h[asked], lines...)
		}
	}
	proto := h["X-Forwarded-Proto"]
	if len(proto) == 0 {
		proto = []string{c.scheme}
	}
	h["X-Forwarded-Proto"] = proto
	h["X-Forwarded-Method"], h["X-Forwarded-Host"], h["X-Forwarded-Uri"] = []string{c.method}, []string{c.host}, []string{c.path}
	h["X-Forwarded-For"] = append(slices.Clip(h["X-Forwarded-For"]), c.source)
	q.Header = h
	return q
}

// mutations are the headers that the application gets in place of the client's: those of
// the answer, and the client's cookies without Foregate's. What stands in remove goes: a
// name without a value, and other spellings of a name.
func (s *Server) mutations(c *check, told http.Header) (set http.Header, remove []string) {
	set = make(http.Header)
	ours := make(map[string]string)
	for name, lines := range told {
		if ofTheAnswer[name] {
			continue
		}
		ours[foldedName(name)] = name
		if len(lines) == 0 || lines[0] == "" {
			remove = append(remove, strings.ToLower(name))
			continue
		}
		set[name] = lines
	}
	for name := range c.headers {
		if known, ok := ours[foldedName(name)]; ok && !strings.EqualFold(known, name) {
			remove = append(remove, name)
		}
	}
	cookies := make(http.Header)
	for name, lines := range c.headers {
		if strings.EqualFold(name, "Cookie") {
			cookies["Cookie"] = append(cookies["Cookie"], lines...)
		}
	}
	if before := strings.Join(cookies["Cookie"], "; "); before != "" {
		s.Sessions.StripOwn(cookies)
		if left := strings.Join(cookies["Cookie"], "; "); left == "" {
			remove = append(remove, "cookie")
		} else if left != before {
			set["Cookie"] = []string{left}
		}
	}
	slices.Sort(remove)
	return set, remove
}

// ofTheAnswer says what of an answer is not for the application.
var ofTheAnswer = map[string]bool{"Cache-Control": true, "Content-Length": true, "Content-Type": true, "Date": true, "Set-Cookie": true, "Strict-Transport-Security": true, "Connection": true}

// foldedName is what applications make of a header's name that fold everything but
// letters and digits into "_".
func foldedName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			return c
		}
		return '_'
	}, name)
}

// verdict keeps an answer.
type verdict struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (v *verdict) Header() http.Header { return v.header }

func (v *verdict) WriteHeader(status int) {
	if v.status == 0 && status >= http.StatusOK {
		v.status = status
	}
}

func (v *verdict) Write(p []byte) (int, error) {
	v.WriteHeader(http.StatusOK)
	return v.body.Write(p)
}
