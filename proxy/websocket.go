package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"foregate/cookies"
)

func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// sameOrigin refuses a WebSocket that another site's page opens with this
// browser's cookies: the protocol has no such check of its own (RFC 6455,
// section 10.2).
func sameOrigin(x *exchange, r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil // not a browser
	}
	u, err := url.Parse(origin)
	if err == nil && strings.EqualFold(u.Host, r.Host) {
		return nil
	}
	if err == nil && u.Host != "" && returnTo(origin+"/", "", x.host, x.app.ReturnHosts) != "/" {
		return nil
	}
	return refuse(http.StatusForbidden, "upgrade asked for by a page of another site")
}

// watchEvery is how soon an open WebSocket notices that its session is over
// because time has passed. Of a sign-out it is told at once.
const watchEvery = 10 * time.Second

// watch ends an upgraded connection when the session that it was opened with
// ends, or its person has other rights: the page opens another one, which is judged by
// them. A store that does not answer ends nothing.
func (s *Server) watch(ctx context.Context, end context.CancelFunc, sess *cookies.Session) {
	changed, stop := s.Sessions.Watch(sess)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		now, err := s.Sessions.Check(ctx, sess)
		if errors.Is(err, cookies.ErrNoSession) || err == nil && otherRights(sess, now) {
			end()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-changed:
		}
	}
}

func otherRights(before, now *cookies.Session) bool {
	return now.Overtaken() || !slices.Equal(before.Identity.Roles, now.Identity.Roles) || !slices.Equal(before.Identity.Groups, now.Identity.Groups)
}
