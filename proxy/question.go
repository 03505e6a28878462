package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// question is a request that another proxy asks about.
type question struct {
	*http.Request        // as the browser sent it, without its body
	scheme        string // http or https, as the browser spoke
	original      bool   // asked with X-Original-URL
	browser       bool   // the answer goes to the browser as it is
}

// readQuestion reads which request is asked about. There are three ways to say it:
//
//	X-Forwarded-Method, -Proto, -Host and -Uri    Traefik, Caddy, HAProxy
//	X-Original-Method and X-Original-URL          nginx
//	the method and what follows the address       Envoy
//
// What is missing, comes twice, or is said in two of these ways, is refused: a client
// may have added the other.
func readQuestion(r *http.Request, address string) (*question, error) {
	forwarded, original := len(r.Header["X-Forwarded-Uri"]) > 0, len(r.Header["X-Original-Url"]) > 0
	target, _, _ := strings.Cut(r.RequestURI, "?")
	after := strings.HasPrefix(target, address+"/")
	var q *question
	var err error
	switch {
	case target != address && !after:
		return nil, refuse(http.StatusBadRequest, "question at an address in another spelling")
	case after && !forwarded && !original:
		q, err = questionAbout(r, r.Method, schemeOf(r), r.Host, strings.TrimPrefix(r.RequestURI, address))
	case after || forwarded == original:
		return nil, refuse(http.StatusBadRequest, "no single request is asked about")
	case original:
		q, err = askOriginal(r)
	default:
		q, err = askForwarded(r)
	}
	if err == nil && !after {
		q.browser = r.URL.RawQuery == "answer=browser"
	}
	return q, err
}

func askForwarded(r *http.Request) (*question, error) {
	if len(r.Header["X-Original-Method"]) > 0 {
		return nil, refuse(http.StatusBadRequest, "no single method is asked about")
	}
	var said [4]string
	for i, name := range [...]string{"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"} {
		lines := r.Header[name]
		if len(lines) != 1 {
			return nil, refuse(http.StatusBadRequest, "question with %d times %s", len(lines), name)
		}
		said[i] = lines[0]
	}
	return questionAbout(r, said[0], said[1], said[2], said[3])
}

func askOriginal(r *http.Request) (*question, error) {
	urls, methods := r.Header["X-Original-Url"], r.Header["X-Original-Method"]
	if len(urls) != 1 || len(methods) != 1 || len(r.Header["X-Forwarded-Method"]) > 0 {
		return nil, refuse(http.StatusBadRequest, "no single request is asked about")
	}
	// Not parsed as a whole: that would decide what of it is the host.
	scheme, rest, ok := strings.Cut(urls[0], "://")
	slash := strings.IndexByte(rest, '/')
	if !ok || slash < 0 {
		return nil, refuse(http.StatusBadRequest, "X-Original-URL is not a whole address")
	}
	if host := r.Header["X-Forwarded-Host"]; len(host) > 1 || len(host) == 1 && !strings.EqualFold(host[0], rest[:slash]) {
		return nil, refuse(http.StatusBadRequest, "X-Forwarded-Host is another host than X-Original-URL")
	}
	if proto := r.Header["X-Forwarded-Proto"]; len(proto) > 1 || len(proto) == 1 && !strings.EqualFold(proto[0], scheme) {
		return nil, refuse(http.StatusBadRequest, "X-Forwarded-Proto is another scheme than X-Original-URL")
	}
	q, err := questionAbout(r, methods[0], scheme, rest[:slash], rest[slash:])
	if err == nil {
		q.original = true
	}
	return q, err
}

func schemeOf(r *http.Request) string {
	proto := r.Header["X-Forwarded-Proto"]
	if len(proto) != 1 {
		return ""
	}
	return proto[0]
}

// questionAbout makes of r the request that it is about, as net/http would have read it.
func questionAbout(r *http.Request, method, scheme, host, target string) (*question, error) {
	if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
		return nil, refuse(http.StatusBadRequest, "question that does not say whether the browser spoke https")
	}
	if method == "" || len(method) > 32 || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return nil, refuse(http.StatusBadRequest, "question about a request without a plain method")
	}
	if target == "" || target[0] != '/' || strings.ContainsFunc(target, unsafeInTarget) {
		return nil, refuse(http.StatusBadRequest, "question about a request without a plain path")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "question about an address that cannot be read")
	}
	if strings.HasPrefix(target, "//") { // of which ParseRequestURI makes a host
		return nil, refuse(http.StatusBadRequest, "path with an empty segment")
	}
	about := r.WithContext(r.Context())
	about.Method, about.Host, about.URL, about.RequestURI, about.Body = method, host, u, target, http.NoBody
	return &question{Request: about, scheme: scheme}, nil
}

// unsafeInTarget finds what no request line has.
func unsafeInTarget(c rune) bool { return c <= ' ' || c == 0x7f }
