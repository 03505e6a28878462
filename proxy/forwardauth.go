package proxy

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"foregate/cookies"
	"foregate/proxy/pages"
	"foregate/upstream"
)

// Forward auth: another proxy carries the requests of an app, asks here about each, and
// does as it is told. A question goes the way of every request, through the same reading
// of its path, the same session and the same rules; only that nothing is forwarded.
// What the proxy says was asked for is believed of an app's Verifiers alone.

const verifyPath = "/verify" // below the prefix

// verify answers a question.
func (s *Server) verify(x *exchange, r *http.Request, set *Set) error {
	x.altSvc = nil // the answer is not the browser's
	q, err := readQuestion(r, s.Prefix+verifyPath)
	if err != nil {
		return err
	}
	app, host, err := set.route(q.Request)
	if err != nil {
		return err
	}
	x.app, x.host = app, host
	if err := mayAsk(r, set, app); err != nil {
		return err
	}
	x.secure = q.scheme == "https"
	if err := s.judge(x, q, set); err != nil {
		s.answer(x, q.Request, err)
	}
	return nil
}

// mayAsk refuses everybody but the app's own proxies. A question that itself came to the
// host of another app is about two, and there is no telling which one was meant.
func mayAsk(r *http.Request, set *Set, app *App) error {
	if len(app.Verifiers) == 0 {
		return refuse(http.StatusNotFound, "nobody asks about the requests of this application: it has no forward_auth")
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !within(app.Verifiers, peer.Addr().Unmap().WithZone("")) {
		return refuse(http.StatusForbidden, "asked by who is no proxy of this application")
	}
	if other, _, err := set.route(r); err == nil && other != app {
		return refuse(http.StatusBadRequest, "asked at the host of one application about another")
	}
	return nil
}

// judge is what gate is for a request that Foregate carries itself.
func (s *Server) judge(x *exchange, q *question, set *Set) error {
	r := q.Request
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return refuse(http.StatusMethodNotAllowed, "method %s", r.Method)
	}
	if len(r.RequestURI) > s.MaxTarget {
		return refuse(http.StatusRequestURITooLong, "request target of %d bytes", len(r.RequestURI))
	}
	path, err := readPath(r, x.app.RawPath)
	if err != nil {
		return err
	}
	if below(path.Exact, s.Prefix) {
		return refuse(http.StatusNotFound, "asked about an address of Foregate's own")
	}
	if r.URL.RawQuery != "" {
		if m, _ := set.recogniser(x.app, r); m != nil {
			return s.sendAway(x, q, "") // to where recogniseSent finds it
		}
	}
	sess, err := s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	if err == nil && s.Sessions.Due(sess) {
		sess, err = s.renewed(x, r, set, sess)
	}
	if err == nil {
		err = s.inPlace(x, set, sess)
	}
	if err != nil && !errors.Is(err, cookies.ErrNoSession) {
		return storeDown(err)
	}
	req := Request{Method: r.Method, Path: path, Client: x.client}
	if err != nil {
		return s.told(x, q, path, nil, x.app.Policy.Decide(nil, req), endedBy(err))
	}
	x.who = &sess.Identity
	return s.told(x, q, path, sess, x.app.Policy.Decide(x.who, req), "")
}

// told tells the proxy what was decided.
func (s *Server) told(x *exchange, q *question, path Path, sess *cookies.Session, d Decision, ended string) error {
	switch d.Verdict {
	case Allow:
		if err := x.app.Maintenance.refuse(x.client, x.who); err != nil {
			return err
		}
	case SignIn:
		return s.sendAway(x, q, ended)
	default:
		return s.refusePerson(x, d)
	}
	// Proxies take Upgrade off the question; what belongs to the handshake alone stays.
	if isUpgrade(q.Request) || q.Header.Get("Sec-Websocket-Key") != "" {
		if err := sameOrigin(x, q.Request); err != nil {
			return err
		}
	}
	if sess != nil && x.app.Activity.counts(q.Request, path) {
		s.Sessions.Touch(sess)
	}
	h := x.Header()
	h.Set("Cache-Control", "no-store")
	if q.browser { // it was refused a moment ago, and may try once more
		rd := q.RequestURI
		if !isSafe(q.Request) {
			rd = refererPath(x, q.Request)
		}
		redirect(x, http.StatusSeeOther, x.origin()+returnTo(rd, s.Prefix, x.host, nil))
		return nil
	}
	var who *upstream.Credentials
	if sess != nil {
		who = x.app.credentials(sess)
	}
	if err := x.app.Upstream.Tell(h, who); err != nil {
		return err
	}
	h.Set("Content-Length", "0")
	x.WriteHeader(http.StatusOK)
	return nil
}

// sendAway has the proxy send a browser to the sign-in page. Its address is whole: some
// proxies would complete it with their own address of Foregate. Who asked with
// X-Original-URL understands 401 and no redirect.
func (s *Server) sendAway(x *exchange, q *question, ended string) error {
	address := x.origin() + s.signInAddress(x, q.Request)
	if !isSafe(q.Request) {
		address += "&lost=1"
	}
	if ended != "" {
		address += "&ended=" + ended
	}
	switch {
	case !isPage(q.Request):
		pages.JSON(x, http.StatusUnauthorized, map[string]string{"error": "sign_in_required", "sign_in": address, "code": x.id})
	case q.original && !q.browser:
		redirect(x, http.StatusUnauthorized, address)
	case isSafe(q.Request):
		redirect(x, http.StatusFound, address)
	default:
		redirect(x, http.StatusSeeOther, address)
	}
	return nil
}

// recogniseSent signs a person in by what the address carries from which a proxy sent
// them here. The application would have been led to without it, as by recognise.
func (s *Server) recogniseSent(x *exchange, r *http.Request, set *Set, rd string) (bool, error) {
	if len(x.app.Verifiers) == 0 || !strings.Contains(rd, "?") {
		return false, nil
	}
	u, err := url.ParseRequestURI(rd)
	if err != nil || u.Host != "" {
		return false, nil
	}
	sent := r.WithContext(r.Context())
	sent.URL, sent.RequestURI = u, rd
	return s.recognise(x, sent, set)
}
