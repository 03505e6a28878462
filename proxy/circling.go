package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"foregate/authn"
	"foregate/proxy/pages"
)

// A browser that is sent to the provider, comes back signed in and is sent there
// again would go round for ever: its cookies are blocked, or a clock is wrong. A
// small cookie counts how often it was sent without anybody clicking.
const (
	circleLimit = 5
	circleTime  = 30 * time.Second
)

// circling counts this automatic start and reports whether it is one too many.
// The cookie is not sealed: who forges it can only stop their own browser.
func (s *Server) circling(x *exchange, r *http.Request) bool {
	name := s.Attempts.TurnsName(x.secure)
	count, began := 0, time.Now()
	if c, err := r.Cookie(name); err == nil {
		n, at, _ := strings.Cut(c.Value, ".")
		turns, err1 := strconv.Atoi(n)
		unix, err2 := strconv.ParseInt(at, 10, 64)
		if err1 == nil && err2 == nil && turns > 0 && turns <= circleLimit {
			if t := time.Unix(unix, 0); time.Since(t) >= 0 && time.Since(t) < circleTime {
				count, began = turns, t
			}
		}
	}
	if count >= circleLimit {
		http.SetCookie(x, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: x.secure, SameSite: http.SameSiteLaxMode})
		return true
	}
	http.SetCookie(x, &http.Cookie{
		Name: name, Value: strconv.Itoa(count+1) + "." + strconv.FormatInt(began.Unix(), 10),
		Path: "/", MaxAge: int(circleTime.Seconds()), HttpOnly: true, Secure: x.secure, SameSite: http.SameSiteLaxMode,
	})
	return false
}

func (s *Server) stopCircling(x *exchange, m *Method, rd string) error {
	s.Log.Warn("sign-in goes round in circles", "request_id", x.id, "app", x.app.Name, "method", m.Name, "client", x.peer)
	stop := pages.LoopStop{Again: s.startURL(m, rd), Code: x.id}
	if m.recognises() {
		stop.Partner = m.Title
	}
	s.Pages.Write(x, http.StatusLoopDetected, &x.app.Look, stop)
	return nil
}

// Where a token alone signs people in, a browser that keeps no cookie goes round
// without one that could count: application, partner's page, application. So the
// same person from the same place for the same address is counted here. Browsers
// give up after 16 to 20 redirects, which are four turns.
const (
	lostLimit = 3
	lostTime  = 10 * time.Second
	lostMost  = 1000 // people
)

// lostCookies counts sign-ins of browsers that came without any cookie.
type lostCookies struct {
	mu    sync.Mutex
	turns map[lostTurn]int
	began time.Time
}

type lostTurn struct{ issuer, subject, client, agent, target string }

// again counts a sign-in and reports whether it is one too many.
func (l *lostCookies) again(x *exchange, r *http.Request, id authn.Identity) bool {
	if r.Header.Get("Cookie") != "" || r.Method != http.MethodGet {
		return false // a form of another site comes without the cookies that there are
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.start.Sub(l.began) >= lostTime || len(l.turns) >= lostMost {
		l.began, l.turns = x.start, make(map[lostTurn]int)
	}
	turn := lostTurn{id.Issuer, id.Subject, x.peer, authn.CutControl(r.UserAgent(), 200), authn.CutControl(r.URL.Path, 200)}
	l.turns[turn]++
	return l.turns[turn] > lostLimit
}
