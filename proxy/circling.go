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
	s.show(x, http.StatusLoopDetected, stop)
	return nil
}

// Where a token alone signs people in, a browser that keeps no cookie goes round
// without one that could count: application, partner's page, application. So who is
// sent to that page and comes back, as the same person for the same address, is
// counted here. Browsers give up after 16 to 20 redirects, which are four turns.
const (
	lostLimit = 3
	lostTime  = 10 * time.Second
	lostMost  = 1000 // browsers
)

// lostCookies counts the turns of browsers that came without any cookie.
type lostCookies struct {
	mu    sync.Mutex
	began time.Time
	sent  map[lostBrowser]bool // to a partner's page
	turns map[lostTurn]int
}

type (
	lostBrowser struct{ client, agent string }
	lostTurn    struct {
		lostBrowser
		issuer, subject, path string
	}
)

// away notes that a browser is sent to a page whose token will be enough.
func (l *lostCookies) away(x *exchange, r *http.Request) {
	if r.Header.Get("Cookie") != "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.start.Sub(l.began) >= lostTime || len(l.sent) >= lostMost {
		l.began, l.sent, l.turns = x.start, make(map[lostBrowser]bool), make(map[lostTurn]int)
	}
	l.sent[browserOf(x, r)] = true
}

// again counts a sign-in and reports whether it is one too many.
func (l *lostCookies) again(x *exchange, r *http.Request, id authn.Identity) bool {
	if r.Header.Get("Cookie") != "" || r.Method != http.MethodGet {
		return false // a form of another site comes without the cookies that there are
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := lostTurn{browserOf(x, r), id.Issuer, id.Subject, authn.CutControl(r.URL.Path, 200)}
	if !l.sent[turn.lostBrowser] || len(l.turns) >= lostMost {
		return false
	}
	l.turns[turn]++
	return l.turns[turn] > lostLimit
}

func browserOf(x *exchange, r *http.Request) lostBrowser {
	return lostBrowser{x.peer, authn.CutControl(r.UserAgent(), 200)}
}
