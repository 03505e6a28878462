package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
)

// house is a console with everything behind it: a real database, sessions, and somebody
// with a token for each role, of all organisations and of one.
type house struct {
	t        *testing.T
	url      string
	people   *accounts.Accounts
	sessions *cookies.Sessions
	guard    *Guard
	methods  []MethodState
	config   string
	log      *lines
	database *database.DB

	mu  sync.Mutex
	now time.Time
}

// lines is a log that can be written to by many.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type passwords struct{}

var oneHash = sync.OnceValues(func() (string, error) { return local.Hash("a password for all of the tests") })

func (passwords) Hash(string) (string, error)                { return oneHash() }
func (passwords) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

// staff is everybody with a token; it is their name with this behind it.
var staff = []Token{
	{Name: "viewer", Role: Viewer}, {Name: "desk", Role: Desk}, {Name: "owner", Role: Owner},
	{Name: "elsewhere-viewer", Role: Viewer, Organisation: "st-elsewhere"}, {Name: "elsewhere-desk", Role: Desk, Organisation: "st-elsewhere"},
	{Name: "elsewhere-owner", Role: Owner, Organisation: "st-elsewhere"},
}

func tokenOf(name string) string { return name + "-0123456789abcdef0123456789abcdef" }

func openHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, log: new(lines), now: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC), config: "listen:\n  admin: 127.0.0.1:9180\n"}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h.database = db
	h.people, err = accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{
		Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, Passwords: passwords{}, Log: log, Now: h.clock, OnEnd: h.end,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.sessions, err = cookies.New(memstore.New(), cookies.Config{Secrets: [][]byte{[]byte("a secret of the sessions, for the tests alone")}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.sessions.Close() })
	h.guard, err = NewGuard([][]byte{[]byte("0123456789abcdef0123456789abcdef")}, h.people, cookies.Tries{Counter: memstore.New()}, log)
	if err != nil {
		t.Fatal(err)
	}
	h.guard.now = h.clock
	h.staffed()
	parts := Parts{
		Sessions: h.sessions, Accounts: h.people, Guard: h.guard, Log: log,
		Try: func(_ context.Context, method, _, actor string) (TryLink, error) {
			if method != "entra" {
				return TryLink{}, fmt.Errorf("%w: no method is named %q", ErrNoTry, method)
			}
			return TryLink{URL: "https://app.example/sso/try/entra?ticket=of-" + url.QueryEscape(actor), Until: h.clock()}, nil
		},
		Logins:  func() []string { return []string{"formulary"} },
		Methods: func() []MethodState { return h.methods }, Config: func() ([]byte, error) { return []byte(h.config), nil },
	}
	console, err := NewConsole(parts)
	if err != nil {
		t.Fatal(err)
	}
	listener := NewListener(ListenerParts{
		Metrics: NewMetrics("test"), Ready: func(context.Context) error { return nil }, API: NewAPI(parts), Console: console, Guard: h.guard, Near: true,
	})
	srv := httptest.NewServer(listener)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// staffed gives everybody their token.
func (h *house) staffed() {
	rules := Rules{}
	for _, one := range staff {
		one.Secret = authn.NewSecret(tokenOf(one.Name))
		rules.Tokens = append(rules.Tokens, one)
	}
	h.guard.Use(rules)
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// end does as the running Foregate does.
func (h *house) end(ctx context.Context, e accounts.Ended) error {
	if _, err := h.sessions.RevokePerson(ctx, accounts.Issuer, e.Account.ID); err != nil {
		return err
	}
	for _, l := range e.Links {
		if _, err := h.sessions.RevokePerson(ctx, l.Issuer, l.Subject); err != nil {
			return err
		}
	}
	return nil
}

// add makes an account, linked with an identity of the method entra.
func (h *house) add(a accounts.Account) accounts.Account {
	h.t.Helper()
	made, err := h.people.Create(h.t.Context(), accounts.Context{Actor: "test"}, a)
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.people.Link(h.t.Context(), accounts.Context{Actor: "test"}, accounts.Link{Account: made.ID, Method: "entra", Issuer: issuer, Subject: "subject of " + made.ID})
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

const issuer = "https://login.example/tenant/v2.0"

// begin makes a session of a linked account.
func (h *house) begin(a accounts.Account) {
	h.t.Helper()
	r := httptest.NewRequest("GET", "https://careplan.hospital.example/", nil)
	_, err := h.sessions.Start(h.t.Context(), httptest.NewRecorder(), r, true,
		cookies.Opening{Audience: "app:careplan", Limits: cookies.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour}, App: "careplan", Client: "192.0.2.10"},
		authn.Identity{Method: "entra", Issuer: issuer, Subject: "subject of " + a.ID, User: a.Username, Name: a.Name})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) open(a accounts.Account) int {
	h.t.Helper()
	found, err := h.sessions.Of(h.t.Context(), cookies.Person{Issuer: issuer, Subject: "subject of " + a.ID})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(found)
}

// somebody is a browser, which follows no redirect by itself.
type somebody struct {
	*http.Client
	h    *house
	name string
}

func (h *house) browser() *somebody {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &somebody{h: h, Client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser that is signed in to the console.
func (h *house) as(name string) *somebody {
	h.t.Helper()
	b := h.browser()
	b.name = name
	if name == "" {
		return b
	}
	res := b.post("/sign-in", url.Values{"token": {tokenOf(name)}})
	if res.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("%s cannot sign in: %d %s", name, res.StatusCode, res.body)
	}
	return b
}

// response is one whose body was read.
type response struct {
	*http.Response
	body string
}

func (b *somebody) send(method, target, body, kind string, header ...string) response {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), method, b.h.url+target, strings.NewReader(body))
	if err != nil {
		b.h.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return response{res, string(data)}
}

func (b *somebody) get(target string) response {
	b.h.t.Helper()
	return b.send("GET", target, "", "", "Sec-Fetch-Site", "same-origin")
}

func (b *somebody) post(target string, form url.Values) response {
	b.h.t.Helper()
	return b.send("POST", target, form.Encode(), "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// want checks a status and words on the page.
func (r response) want(t *testing.T, status int, words ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("%s: %d, want %d", r.Request.URL, r.StatusCode, status)
	}
	for _, word := range words {
		if !strings.Contains(r.body, word) {
			t.Errorf("%s: no %q on the page:\n%s", r.Request.URL, word, textOf(r.body))
		}
	}
}

// leads checks where a redirect goes.
func (r response) leads(t *testing.T, to string) {
	t.Helper()
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != to {
		t.Errorf("%s %s: %d to %q, want %q\n%s", r.Request.Method, r.Request.URL, r.StatusCode, r.Header.Get("Location"), to, textOf(r.body))
	}
}

// textOf is a page without its style, for messages.
func textOf(body string) string {
	_, after, found := strings.Cut(body, "</style>")
	if !found {
		return body
	}
	return after
}

// trail is the lines of the audit trail about an account, newest first, without the first ones.
func (h *house) trail(f accounts.Filter) []accounts.Event {
	h.t.Helper()
	events, err := h.people.Audit.List(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	return events
}

func alice() accounts.Account {
	return accounts.Account{
		Username: "alice", Email: "alice@st-elsewhere.example", Name: "Alice Archer", Organisation: "st-elsewhere", Kind: "staff",
		Roles: []string{"nurse"}, Attributes: map[string]any{"ward": "7", "shifts": []any{"early", "late"}}, ExternalID: "E-100",
	}
}

func bob() accounts.Account {
	return accounts.Account{Username: "bob", Email: "bob@hospital.example", Name: "Bob Barker", Organisation: "hospital", Kind: "staff"}
}

// giveLogin keeps a name and a password for an application.
func (h *house) giveLogin(a accounts.Account) {
	h.t.Helper()
	if err := h.people.SetLogin(h.t.Context(), accounts.Context{Actor: "test"}, a.ID, "formulary", accounts.Login{User: "AARCHER", Password: authn.NewSecret("HT11-secret")}); err != nil {
		h.t.Fatal(err)
	}
}

// giveTOTP sets up an authenticator app.
func (h *house) giveTOTP(a accounts.Account) {
	h.t.Helper()
	c := accounts.Context{Actor: "test"}
	made, err := h.people.EnrolTOTP(h.t.Context(), c, a.ID, "Foregate")
	if err != nil {
		h.t.Fatal(err)
	}
	code, err := totp.GenerateCode(made.Secret.Reveal(), h.clock())
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.people.ConfirmTOTP(h.t.Context(), c, a.ID, code); err != nil {
		h.t.Fatal(err)
	}
}
