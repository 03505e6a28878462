package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestMain lets the test binary take the roles of bench and of the Foregate that
// bench starts, as their own processes.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch os.Args[1] {
	case roleUpstream, roleBare, roleSecure, roleReply, roleProvider, roleLoad:
		err = run(ctx, os.Args[1:])
	case "hash-password":
		fmt.Println("hashed:\n$argon2id$stand-in")
	case "serve":
		err = serveStandIn(ctx, os.Args[3])
	case "sessions": // import: nothing is kept, and the folder is there all the same
		err = os.Mkdir(filepath.Join(filepath.Dir(os.Args[4]), "data"), 0o700)
	default:
		if !strings.HasPrefix(os.Args[1], "-") {
			fmt.Fprintln(os.Stderr, "the stand-in has no command", os.Args[1])
			os.Exit(2)
		}
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// standIn does what bench needs of Foregate, without being safe: it follows the
// same steps of a sign-in, by form or at the provider.
type standIn struct {
	issuer string // empty: by form
	proxy  http.Handler

	mu       sync.Mutex
	sessions map[string]bool
	users    map[string]string // by session, of those from the directory
	mixed    bool              // takes people for somebody else
	shared   *redis.Client     // has the sessions in their place, if not nil
	attempts map[string]string // attempt or state to PKCE verifier
}

var listed = regexp.MustCompile(`(https?|cert|key|admin|issuer|url|addresses): \[?"?([^"\s}\]]+)`)

func serveStandIn(ctx context.Context, conf string) error {
	data, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	found := make(map[string]string)
	for _, m := range listed.FindAllSubmatch(data, -1) {
		found[string(m[1])] = string(m[2])
	}
	signal.Ignore(syscall.SIGHUP) // it answers questions all the time
	var all []listening
	proxy := newStandIn(found["url"], found["issuer"], found["addresses"])
	if found["https"] != "" {
		l, err := listenSecure(found["https"], found["cert"], found["key"])
		if err != nil {
			return err
		}
		all = append(all, listening{l, proxy})
	}
	for name, h := range map[string]http.Handler{
		"http":  proxy,
		"admin": http.HandlerFunc(serveStandInFigures),
	} {
		l, err := net.Listen("tcp", found[name])
		if err != nil {
			return err
		}
		all = append(all, listening{l, h})
	}
	return serveUntil(ctx, os.Stdout, all...)
}

func serveStandInFigures(w http.ResponseWriter, r *http.Request) {
	serveFigures(w, r)
	fmt.Fprintf(w, "%s{operation=\"load\"} 3\n", metricStoreOps)
}

func newStandIn(upstream, issuer, addresses string) *standIn {
	u, err := url.Parse(upstream)
	if err != nil {
		panic(err)
	}
	s := &standIn{issuer: issuer, proxy: bareProxy(u), sessions: map[string]bool{}, users: map[string]string{}, attempts: map[string]string{}}
	if addresses != "" {
		s.shared = redis.NewClient(&redis.Options{Addr: addresses})
	}
	return s
}

func (s *standIn) known(ctx context.Context, id string) bool {
	if s.shared != nil {
		n, err := s.shared.Exists(ctx, id).Result()
		return err == nil && n == 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

func (s *standIn) keep(ctx context.Context, id string, signedIn bool) {
	s.mu.Lock()
	s.sessions[id] = signedIn
	s.mu.Unlock()
	if s.shared == nil {
		return
	}
	if signedIn {
		_ = s.shared.Set(ctx, id, 1, 0)
	} else {
		_ = s.shared.Del(ctx, id)
	}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/sso/sign-in":
		s.begin(w, r)
	case "/sso/callback/form":
		s.form(w, r)
	case "/sso/callback/oidc":
		s.callback(w, r)
	case "/sso/verify":
		if r.Header.Get("X-Forwarded-Uri") == "" || r.Header.Get("Cookie") == "" {
			http.Error(w, "no", http.StatusBadRequest)
		}
	case "/sso/acs":
		if r.Method != http.MethodPost || r.PostFormValue("SAMLResponse") == "" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		s.signedIn(w, r)
	case "/sso/sign-out":
		if c, err := r.Cookie("foregate"); err == nil {
			s.keep(r.Context(), c.Value, false)
		}
	default:
		if r.URL.Query().Has("token") {
			s.signedIn(w, r)
			return
		}
		c, err := r.Cookie("foregate")
		if err != nil || !s.known(r.Context(), c.Value) {
			http.Redirect(w, r, "/sso/sign-in?rd="+url.QueryEscape(r.URL.RequestURI()), http.StatusFound)
			return
		}
		s.mu.Lock()
		user := s.users[c.Value]
		s.mu.Unlock()
		if user != "" {
			r.Header.Set("X-Forwarded-User", user)
		}
		s.proxy.ServeHTTP(w, r)
	}
}

func (s *standIn) begin(w http.ResponseWriter, r *http.Request) {
	attempt, verifier := rand.Text(), rand.Text()
	s.mu.Lock()
	s.attempts[attempt] = verifier
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "attempt", Value: attempt, Path: "/sso", HttpOnly: true})
	if s.issuer == "" {
		fmt.Fprintf(w, `<form action="/search"><input name=q></form>
			<form method=post action="callback/form"><input type=hidden name=attempt value="%s">
			<input name="username"><input type=password name="password"><button>Sign in</button></form>`, html.EscapeString(attempt))
		return
	}
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {clientID}, "response_type": {"code"}, "scope": {"openid"}, "state": {attempt}, "nonce": {rand.Text()},
		"redirect_uri": {s.callbackURL(r)}, "code_challenge": {encode(sum[:])}, "code_challenge_method": {"S256"}}
	http.Redirect(w, r, s.issuer+"/authorize?"+q.Encode(), http.StatusFound)
}

func (s *standIn) callbackURL(r *http.Request) string {
	return "http://" + r.Host + "/sso/callback/oidc"
}

// take returns the verifier of the attempt that this browser began.
func (s *standIn) take(r *http.Request, id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := r.Cookie("attempt")
	verifier, ok := s.attempts[id]
	delete(s.attempts, id)
	return verifier, ok && err == nil && c.Value == id
}

func (s *standIn) form(w http.ResponseWriter, r *http.Request) {
	_, ok := s.take(r, r.PostFormValue("attempt"))
	user, password := r.PostFormValue("username"), r.PostFormValue("password")
	known := strings.HasPrefix(user, "u") // in the directory
	switch {
	case !ok || r.Header.Get("Origin") != "http://"+r.Host || !known && (user != userName || password != userPassword):
		http.Error(w, "no", http.StatusForbidden)
	case known && password != directoryPassword:
		http.Error(w, "again", http.StatusUnprocessableEntity)
	default:
		if s.mixed {
			user = "u99999"
		}
		id := s.signedIn(w, r)
		s.mu.Lock()
		s.users[id] = user
		s.mu.Unlock()
	}
}

func (s *standIn) callback(w http.ResponseWriter, r *http.Request) {
	verifier, ok := s.take(r, r.FormValue("state"))
	if !ok {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {r.FormValue("code")},
		"redirect_uri": {s.callbackURL(r)}, "code_verifier": {verifier}}
	req, err := http.NewRequest(http.MethodPost, s.issuer+"/token", bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, clientSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	var tokens struct {
		ID string `json:"id_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || tokens.ID == "" {
		http.Error(w, "no token", http.StatusBadGateway)
		return
	}
	s.signedIn(w, r)
}

func (s *standIn) signedIn(w http.ResponseWriter, r *http.Request) (id string) {
	id = rand.Text() + rand.Text()
	s.keep(r.Context(), id, true)
	http.SetCookie(w, &http.Cookie{Name: "attempt", Path: "/sso", MaxAge: -1})
	http.SetCookie(w, &http.Cookie{Name: "foregate", Value: id, Path: "/", HttpOnly: true})
	to := "/page"
	if strings.HasPrefix(r.PostFormValue("username"), "u") {
		to = "/who"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return id
}
