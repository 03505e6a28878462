package proxy

import (
	"net/http"
	"path"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// A Path is the path of a request in the two readings that matter. Rules are
// asked about both and the stricter answer holds: whatever an application makes
// of an odd spelling, it cannot be more than the rules allow for the plain one.
type Path struct {
	Exact  string // decoded once: what the application is sent
	Folded string // what a lenient application might make of it: decoded to the end, lower case, no parameters, dots resolved
}

// maxParams bounds the parameters of a query: past it, parsers begin to drop some
// and two readers of the same query no longer agree.
const maxParams = 10_000

// readPath returns the path of r, or an error for what has no single meaning.
// With raw, encoded slashes and doubled slashes are let through as they came.
func readPath(r *http.Request, raw bool) (Path, error) {
	if len(r.URL.RawQuery) > maxParams && strings.Count(r.URL.RawQuery, "&") >= maxParams {
		return Path{}, refuse(http.StatusBadRequest, "query of more than %d parameters", maxParams)
	}
	p := r.URL.Path
	if p == "" || p[0] != '/' || strings.IndexByte(r.RequestURI, '#') >= 0 {
		return Path{}, refuse(http.StatusBadRequest, "request target without a plain path")
	}
	if r.URL.RawPath == "" {
		switch shapeOf(p) {
		case lowerCase:
			return Path{p, p}, nil
		case mixedCase:
			return Path{p, strings.ToLower(p)}, nil
		}
	}
	return readOddPath(r, raw)
}

// oneTarget refuses what HTTP/2 lets a client say and HTTP/1 would not: a ":path" that is no
// path or holds a space, and a Host beside another ":authority" (RFC 9113, section 8.3.1).
func oneTarget(r *http.Request) error {
	for _, host := range r.Header["Host"] {
		if !strings.EqualFold(host, r.Host) {
			return refuse(http.StatusBadRequest, "a Host that is not the :authority")
		}
	}
	if target := r.RequestURI; target != "*" && !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return refuse(http.StatusBadRequest, "a :path that is none")
	}
	return nil
}

type shape int

const (
	odd       shape = iota
	mixedCase       // one reading but for upper and lower case
	lowerCase       // one reading only
)

// shapeOf tells nearly every path of real applications from those that need a
// closer look: a plain one has no empty segment, none that begins or ends with a
// dot, and only characters that mean the same to everybody.
func shapeOf(p string) shape {
	found, last := lowerCase, byte(0)
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '~', c == '!', c == '$', c == '(', c == ')', c == ',', c == '=', c == ':', c == '@':
		case c == '/' && last != '/' && last != '.':
		case c == '.' && last != '/' && last != '.':
		case c >= 'A' && c <= 'Z':
			found = mixedCase
		default:
			return odd
		}
		last = c
	}
	if last == '.' {
		return odd
	}
	return found
}

func readOddPath(r *http.Request, raw bool) (Path, error) {
	bad := func(what string) (Path, error) {
		return Path{}, refuse(http.StatusBadRequest, "path with %s", what)
	}
	p := r.URL.Path
	escaped := strings.ToLower(r.URL.EscapedPath())
	switch {
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return bad("control characters")
	case strings.Contains(p, `\`) || strings.Contains(escaped, "%5c"):
		return bad("a backslash")
	case overlong(p):
		return bad("an overlong encoding")
	case !raw && strings.Contains(escaped, "%2f"):
		return bad("an encoded slash")
	case !raw && strings.Contains(p, "//"):
		return bad("an empty segment")
	}
	folded, ok := fold(p)
	if !ok {
		return bad("too many layers of encoding")
	}
	if climbs(p) || climbs(folded.unresolved) {
		return bad("dot segments")
	}
	return Path{p, folded.path}, nil
}

// overlong finds UTF-8 that hides an ASCII character in two or three bytes; some
// servers still decode it.
func overlong(p string) bool {
	for i := 0; i+1 < len(p); i++ {
		if next := p[i+1]; next >= 0x80 && next < 0xc0 && (p[i] == 0xc0 || p[i] == 0xc1 || p[i] == 0xe0 && next < 0xa0) {
			return true
		}
	}
	return false
}

// climbs finds a segment "." or "..", also with parameters or spaces after it:
// servlet containers drop those first and resolve the dots then.
func climbs(p string) bool {
	for seg := range strings.SplitSeq(p, "/") {
		name, _, _ := strings.Cut(seg, ";")
		name = strings.Trim(name, " \t")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

type foldedPath struct{ path, unresolved string }

// fold makes of p the plainest path that any application might see in it. It
// fails when p is encoded more than four times over.
func fold(p string) (foldedPath, bool) {
	for layers := 0; ; layers++ {
		once := unescape(p)
		if once == p {
			break
		}
		if layers == 4 {
			return foldedPath{}, false
		}
		p = once
	}
	if before, _, found := strings.Cut(p, "\x00"); found {
		p = before
	}
	p = strings.ReplaceAll(norm.NFKC.String(p), `\`, "/")
	p = strings.ToLower(p)
	segs := strings.Split(p, "/")
	for i, seg := range segs {
		seg, _, _ = strings.Cut(seg, ";")
		if seg = strings.TrimLeft(seg, " \t"); strings.Trim(seg, ". \t") != "" {
			seg = strings.TrimRight(seg, ". \t") // Windows drops them at the end of a name
		}
		segs[i] = seg
	}
	unresolved := strings.Join(segs, "/")
	return foldedPath{path.Clean("/" + unresolved), unresolved}, true
}

// unescape decodes the valid percent-escapes of p once and leaves the others.
func unescape(p string) string {
	if strings.IndexByte(p, '%') < 0 {
		return p
	}
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if hi, lo := unhex(p[i+1]), unhex(p[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, p[i])
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
