package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// What a provider says about the end of its sessions, by its server (back channel)
// or by a frame in the person's browser (front channel).

const (
	maxLogout   = 64 << 10 // bytes of a back-channel request
	revokeTries = 3
	revokePause = 300 * time.Millisecond
)

// backChannel ends the sessions that a provider's server names (OpenID Connect
// Back-Channel Logout 1.0, sections 2.5 to 2.8).
func (s *Server) backChannel(x *exchange, r *http.Request, set *Set, name string) error {
	m, auth, err := set.opened(x.app, name)
	if err != nil {
		return err
	}
	receiver, ok := auth.(authn.LogoutReceiver)
	if !ok {
		return refuse(http.StatusNotFound, "method %q takes no logout requests", name)
	}
	n, err := s.providerEnded(x, r, receiver)
	if err != nil {
		s.refuseLogout(x, r, err)
		return nil
	}
	s.Log.Info("sessions ended by provider", "request_id", x.id, "app", x.app.Name, "method", m.Name, "sessions", n, "client", x.peer)
	pages.SecurityHeaders(x.Header())
	x.Header().Set("Content-Length", "0")
	x.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) providerEnded(x *exchange, r *http.Request, receiver authn.LogoutReceiver) (int, error) {
	r.Body = http.MaxBytesReader(x, r.Body, maxLogout)
	if err := parseForm(r); err != nil {
		return 0, err
	}
	ended, err := receiver.Logout(r.Context(), r)
	if err != nil {
		return 0, err
	}
	return s.revoke(r.Context(), ended)
}

// revoke ends sessions although the provider may hang up. The method has taken
// note of the request already, so that the provider could not repeat it: a store
// that stumbles is asked again.
func (s *Server) revoke(ctx context.Context, ended authn.Ended) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signInTime)
	defer cancel()
	for try := 1; ; try++ {
		var done int
		if ended.SID != "" {
			done, err = s.Sessions.RevokeSID(ctx, ended.Issuer, ended.Subject, ended.SID)
		} else {
			done, err = s.Sessions.RevokePerson(ctx, ended.Issuer, ended.Subject)
		}
		n += done
		if err == nil || try == revokeTries || errors.Is(err, cookies.ErrNoLister) {
			return n, err
		}
		select {
		case <-time.After(revokePause):
		case <-ctx.Done():
			return n, err
		}
	}
}

// refuseLogout answers a provider in the words of section 2.8. What is not its
// fault, it may try again.
func (s *Server) refuseLogout(x *exchange, r *http.Request, err error) {
	status, code := http.StatusServiceUnavailable, "temporarily_unavailable"
	var known *authn.Error
	var wrong *refusal
	if errors.As(err, &wrong) || errors.As(err, &known) && known.Status != http.StatusServiceUnavailable {
		status, code = http.StatusBadRequest, "invalid_request"
	} else {
		x.Header().Set("Retry-After", strconv.Itoa(int(storeRetry.Seconds())))
	}
	s.logFault(x, r, status, fmt.Errorf("back-channel logout: %w", err))
	pages.JSON(x, status, map[string]string{"error": code})
}

// frontChannel ends this browser's session if it is the one that its provider
// names (OpenID Connect Front-Channel Logout 1.0, section 2). The answer is the
// same whether it was or not. Browsers send our cookie into a frame only where
// provider and application share a site, so a provider that can should use the
// back channel.
func (s *Server) frontChannel(x *exchange, r *http.Request, set *Set, name string) error {
	m, auth, err := set.opened(x.app, name)
	if err != nil {
		return err
	}
	framed, ok := auth.(authn.Framed)
	if !ok {
		return refuse(http.StatusNotFound, "method %q is framed by nobody", name)
	}
	q := r.URL.Query()
	sess, err := s.load(x, r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet && sess != nil && sess.Identity.Method == m.Name && endsWith(&sess.Identity, q["iss"], q["sid"]) {
		if err := s.endFramed(x, r, sess); err != nil {
			return err
		}
	}
	h := x.Header()
	pages.SecurityHeaders(h)
	h.Del("X-Frame-Options") // it knows no origins
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors "+framed.FrameOrigin())
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", "0")
	x.WriteHeader(http.StatusOK)
	return nil
}

// endsWith reports whether a provider's session is the one that id came from. A
// request without both names is a provider that does not say which; a page
// elsewhere could send it just as well.
func endsWith(id *authn.Identity, iss, sid []string) bool {
	return len(iss) == 1 && len(sid) == 1 && id.SID != "" && iss[0] == id.Issuer && sid[0] == id.SID
}

func (s *Server) endFramed(x *exchange, r *http.Request, sess *cookies.Session) error {
	if _, err := s.Sessions.End(r.Context(), x, r, x.secure); err != nil && !errors.Is(err, cookies.ErrNoSession) {
		return storeDown(fmt.Errorf("front-channel logout: %w", err))
	}
	s.Log.Info("signed out by provider", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method,
		"user", sess.Identity.User, "session", sess.Handle(), "client", x.peer)
	return nil
}
