package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
	"foregate/upstream"
)

// gate decides about a request for the application: forward it, refuse it, or
// send the person to sign in.
func (s *Server) gate(x *exchange, r *http.Request, set *Set, path Path) error {
	if r.URL.RawQuery != "" {
		if answered, err := s.recognise(x, r, set); answered || err != nil {
			return err
		}
	}
	sess, err := s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	if err == nil && s.Sessions.Due(sess) {
		sess, err = s.renewed(x, r, set, sess)
	}
	if err == nil {
		if err = s.inPlace(x, set, sess); err != nil {
			sess = nil
		}
	}
	if err != nil && !errors.Is(err, cookies.ErrNoSession) {
		return storeDown(err)
	}
	if x.app.Basic != nil {
		if sess == nil {
			if answered, err := s.basic(x, r, set, path); answered {
				return err
			}
		}
		stripBasic(r)
	}
	var who *authn.Identity
	if sess != nil {
		who = &sess.Identity
		x.who = who
	}
	decision := x.app.Policy.Decide(who, Request{Method: r.Method, Path: path, Client: x.client})
	switch decision.Verdict {
	case Allow:
		if sess != nil && x.app.Activity.counts(r, path) {
			s.Sessions.Touch(sess)
		}
		if sess != nil && r.Method == http.MethodPost {
			if err := s.resend(x, r, who); err != nil {
				return err
			}
		}
		return s.forward(x, r, sess)
	case SignIn:
		return s.askToSignIn(x, r, endedBy(err))
	default:
		return s.refusePerson(x, decision)
	}
}

// storeDown: an outage of the store signs nobody out and lets nobody in.
func storeDown(err error) error {
	return &authn.Error{
		Public: "We cannot look up who you are at the moment. You are still signed in. Try again in a few seconds.",
		Err:    err, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
	}
}

// endedBy names in one word why a session that was there is over.
func endedBy(err error) string {
	switch {
	case errors.Is(err, errWithdrawn):
		return "withdrawn"
	case errors.Is(err, cookies.ErrIdle):
		return "idle"
	case errors.Is(err, cookies.ErrOver):
		return "over"
	}
	return ""
}

func (s *Server) forward(x *exchange, r *http.Request, sess *cookies.Session) error {
	if err := x.app.Maintenance.refuse(x.client, x.who); err != nil {
		return err
	}
	trip := &x.trip
	*trip = upstream.Trip{
		Client: x.peer, Scheme: x.scheme(), Host: r.Host, RequestID: x.id, CloseAfter: x.closing,
	}
	if sess != nil {
		trip.Who = x.app.credentials(sess)
		if x.app.Upstream.AsksLogin(r.URL) {
			trip.Page = isPage(r)
			if !trip.Who.HasLogin() {
				if err := s.giveLogin(r.Context(), x, &sess.Identity, trip.Who); err != nil {
					return err
				}
			}
		}
		if x.app.Warns {
			trip.Insert = s.warningTag
		}
	}
	trip.Fleeting = s.shared(x)
	if isUpgrade(r) {
		if err := sameOrigin(x, r); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if sess != nil {
			go s.watch(ctx, cancel, sess)
		}
		r = r.WithContext(ctx)
	}
	if s.Tracer != nil {
		var end func(int)
		r, end = s.Tracer.Upstream(r, x.app.Name)
		defer func() { end(x.status) }()
	}
	x.app.Upstream.Forward(x, r, trip)
	return nil
}

// credentials are what the application is told about the person, made once for a
// session and app.
func (a *App) credentials(sess *cookies.Session) *upstream.Credentials {
	c, _ := sess.Kept().(*upstream.Credentials)
	if c == nil || !c.For(a.Upstream) {
		earlier := c
		c = a.Upstream.Credentials(&sess.Identity)
		c.Inherit(earlier)
		sess.Keep(c)
	}
	return c
}

// askToSignIn sends a person's browser to the sign-in page, and tells a script
// where that is.
func (s *Server) askToSignIn(x *exchange, r *http.Request, ended string) error {
	safe := isSafe(r)
	address := s.signInAddress(x, r)
	if !safe && ended != "" && s.keep(x, r) {
		address += "&kept=1"
	} else if !safe {
		address += "&lost=1" // what was posted is not repeated: the page says so
		readAway(r)
	}
	if ended != "" {
		address += "&ended=" + ended
	}
	if !isPage(r) {
		if x.app.Basic != nil && program(r) {
			s.challenge(x)
		}
		pages.JSON(x, http.StatusUnauthorized, map[string]string{
			"error": "sign_in_required", "sign_in": x.origin() + address, "code": x.id,
		})
		return nil
	}
	status := http.StatusFound
	if !safe {
		status = http.StatusSeeOther
	}
	redirect(x, status, address)
	return nil
}

// signInAddress leads back to what was asked for, or to the page with the form that was
// sent.
func (s *Server) signInAddress(x *exchange, r *http.Request) string {
	rd := r.URL.RequestURI()
	if !isSafe(r) {
		rd = refererPath(x, r)
	}
	return s.Prefix + "/sign-in?rd=" + url.QueryEscape(returnTo(rd, s.Prefix, x.host, nil))
}

func isSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// What is read of a body that nobody wants.
const (
	maxUnread  = 8 << 20          // octets
	unreadTime = 10 * time.Second // in all
)

// readAway takes in a body that is not kept. A browser that is still sending when the
// connection closes shows an error of its own in place of the answer.
func readAway(r *http.Request) {
	if r.ContentLength > maxUnread || r.Header.Get("Expect") != "" {
		return
	}
	buffer := make([]byte, 32<<10)
	end := time.Now().Add(unreadTime)
	for left := maxUnread; left > 0 && time.Now().Before(end); {
		n, err := r.Body.Read(buffer)
		if err != nil {
			return
		}
		left -= n
	}
}

// refererPath is the page that a form was sent from, where it is on this host.
func refererPath(x *exchange, r *http.Request) string {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Scheme != x.scheme() || !strings.EqualFold(u.Host, r.Host) {
		return "/"
	}
	return u.RequestURI()
}

func (s *Server) refusePerson(x *exchange, d Decision) error {
	s.Log.Info("access refused", "request_id", x.id, "app", x.app.Name, "user", x.user(), "rule", d.Rule, "reason", d.Reason, "client", x.peer)
	return authn.Refused("You are signed in, but you may not open this page. If you need it for your work, ask the people who look after this application.",
		&ruledOut{d.Rule, d.Reason})
}

// isPage reports whether a person's browser asks for a page to show, as opposed
// to a script, an image or an API client. Browsers say so in Sec-Fetch-Mode
// (Fetch Metadata); for older ones Accept has to do.
func isPage(r *http.Request) bool {
	if isUpgrade(r) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		dest := r.Header.Get("Sec-Fetch-Dest")
		return mode == "navigate" && (dest == "" || dest == "document" || dest == "iframe" || dest == "frame")
	}
	if strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest") {
		return false
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// redirect answers without a body: one that repeats the address is a place to
// inject into.
func redirect(w http.ResponseWriter, status int, location string) {
	h := w.Header()
	pages.SecurityHeaders(h)
	both := [2]string{location, "0"}
	h["Location"], h["Content-Length"] = both[0:1:1], both[1:2:2]
	w.WriteHeader(status)
}
