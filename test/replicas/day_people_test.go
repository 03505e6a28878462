package replicas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// person is somebody of one deployment, with a browser.
type person struct {
	d      *day
	c      *counts
	place  string // the deployment
	host   string
	name   string // at whoever knows them
	user   string // as the application must be told
	client string // their address
	enter  func(p *person) (page, error)
	codes  int // that were mailed to them

	http    *http.Client
	jar     atomic.Pointer[cookiejar.Jar]
	revoked atomic.Bool // an operator ends their session; they may come back
	doomed  atomic.Bool // they are being shut out for good
	out     atomic.Bool // they are: nothing may let them in from now on
}

// newBrowser forgets all cookies. Its requests go to either replica, as a balancer would
// send them: where one does not listen, to the other.
func (p *person) newBrowser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.d.t.Error(err)
		return
	}
	p.jar.Store(jar)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !strings.HasSuffix(addr, ".test:80") {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		first := rand.IntN(2)
		c, err := new(net.Dialer).DialContext(ctx, network, p.d.replicas[first].addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			p.c.elsewhere.Add(1)
			return new(net.Dialer).DialContext(ctx, network, p.d.replicas[1-first].addr)
		}
		return c, err
	}}
	p.http = &http.Client{Jar: jar, Transport: fromAddress{asBrowser{transport}, p.client}, Timeout: 30 * time.Second}
}

type fromAddress struct {
	next   http.RoundTripper
	client string
}

func (f fromAddress) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.client)
	return f.next.RoundTrip(r)
}

func (p *person) read(resp *http.Response, err error) (page, error) {
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	at := page{status: resp.StatusCode, at: resp.Request.URL, header: resp.Header, body: string(body)}
	_ = json.Unmarshal(body, &at.told) // or it is not the application's
	return at, err
}

func (p *person) get(target string) (page, error) {
	if strings.HasPrefix(target, "/") {
		target = "http://" + p.host + target
	}
	return p.read(p.http.Get(target))
}

var (
	formAction = regexp.MustCompile(`<form[^>]*\baction="([^"]*)"`)
	sixDigits  = regexp.MustCompile(`\b\d{6}\b`)
	hiddenOnes = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit sends the first form of a page, filled in.
func (p *person) submit(at page, fields ...string) (page, error) {
	target := at.at
	if action := formAction.FindStringSubmatch(at.body); action != nil {
		to, err := at.at.Parse(html.UnescapeString(action[1]))
		if err != nil {
			return page{}, err
		}
		target = to
	}
	v := make(url.Values)
	for _, one := range hiddenOnes.FindAllStringSubmatch(at.body, -1) {
		v.Set(html.UnescapeString(one[1]), html.UnescapeString(one[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return p.read(p.http.PostForm(target.String(), v))
}

// live is the person's day.
func (p *person) live() {
	for time.Now().Before(p.d.until) {
		if p.out.Load() {
			p.tryInVain()
			return
		}
		if !p.come() {
			continue
		}
		p.work(time.Now().Add(time.Duration(10+rand.IntN(31)) * time.Second))
		switch rand.IntN(3) {
		case 0:
			p.signOut()
		case 1:
			p.lunch()
		}
	}
}

// come signs in. A part that is away now is asked again; it reports whether the person is in.
func (p *person) come() bool {
	began := time.Now()
	for {
		p.newBrowser()
		at, err := p.enter(p)
		switch {
		case p.out.Load():
			return false
		case err == nil && at.told.User == p.user:
			p.c.in.Add(1)
			return true
		case err == nil && at.told.User != "":
			p.c.wrong.Add(1)
			p.d.t.Errorf("%s signs in and is %q", p.user, at.told.User)
			return false
		case !p.doomed.Load() && time.Since(began) > 30*time.Second:
			p.c.failed.Add(1)
			p.d.t.Errorf("%s of %s cannot sign in: %v, %d at %s: %.300s", p.user, p.place, err, at.status, at.at, at.body)
			return false
		}
		p.c.again.Add(1)
		time.Sleep(time.Second)
	}
}

// work asks for pages until then, or until an operator ended the session.
func (p *person) work(until time.Time) {
	for n := 0; time.Now().Before(until) && time.Now().Before(p.d.until); n++ {
		time.Sleep(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
		out := p.out.Load()
		at, err := p.get(fmt.Sprint("/page/", n))
		switch {
		case err != nil:
			p.c.unreached.Add(1)
		case out && at.told.User != "":
			p.c.stayed.Add(1)
			p.d.t.Errorf("%s of %s was shut out and is let in", p.user, p.place)
			return
		case at.told.User == "" && (p.doomed.Load() || p.revoked.Load()):
			p.c.shut.Add(1)
			return
		case at.told.User == p.user:
			p.c.right.Add(1)
		case at.told.User != "":
			p.c.wrong.Add(1)
			p.d.t.Errorf("%s of %s was answered as %q", p.user, p.place, at.told.User)
		case at.status == http.StatusServiceUnavailable:
			p.c.unavailable.Add(1)
		default:
			p.c.lost.Add(1)
			p.d.t.Errorf("%s of %s is signed out at %s: %d at %s: %.200s", p.user, p.place, time.Now().Format(time.TimeOnly), at.status, at.at, at.body)
			return
		}
	}
}

// session is the cookie that the person's browser has.
func (p *person) session() string {
	for _, c := range p.jar.Load().Cookies(&url.URL{Scheme: "http", Host: p.host, Path: "/"}) {
		if c.Name == "foregate" {
			return c.Value
		}
	}
	return ""
}

// isOver asks both replicas with a session that must be over, because they did that.
func (p *person) isOver(session, why string) {
	for _, r := range p.d.replicas {
		req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+"/", nil)
		if err != nil {
			p.d.t.Error(err)
			return
		}
		req.Host = p.host
		req.Header.Set("Cookie", "foregate="+session)
		at, err := p.read(http.DefaultTransport.RoundTrip(req))
		if err == nil && at.told.User != "" {
			p.c.stayed.Add(1)
			p.d.t.Errorf("%s of %s is let in after they %s", p.user, p.place, why)
		}
	}
}

func (p *person) signOut() {
	session := p.session()
	at, err := p.read(p.http.PostForm("http://"+p.host+"/sso/sign-out", nil))
	if err != nil || at.status == http.StatusServiceUnavailable {
		p.c.unreached.Add(1)
		return // they were told that it did not work
	}
	time.Sleep(1500 * time.Millisecond) // a second is what the replicas promise each other
	p.isOver(session, "signed out")
	p.c.signedOut.Add(1)
}

// lunch is longer than the session may be idle.
func (p *person) lunch() {
	session := p.session()
	time.Sleep(dayIdle + 2*time.Second)
	p.isOver(session, "were away")
	p.c.lunches.Add(1)
}

// tryInVain is somebody who was shut out.
func (p *person) tryInVain() {
	for time.Now().Before(p.d.until) {
		p.newBrowser()
		if at, err := p.enter(p); err == nil && at.told.User != "" {
			p.c.stayed.Add(1)
			p.d.t.Errorf("%s of %s was shut out and signs in", p.user, p.place)
		}
		p.c.vain.Add(1)
		time.Sleep(5 * time.Second)
	}
}
