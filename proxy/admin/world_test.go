package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
)

// world is an API on real accounts and sessions.
type world struct {
	t        *testing.T
	api      *API
	guard    *Guard
	accounts *accounts.Accounts
	sessions *cookies.Sessions
	tries    cookies.Tries
	log      *bytes.Buffer

	alice, bob, stranger accounts.Account // of no organisation, of st-elsewhere, of another one
}

// hasher is authn/local's. The decoy is hashed once for all tests.
type hasher struct{}

var hashed sync.Map

func (hasher) Hash(password string) (string, error) {
	if hash, found := hashed.Load(password); found {
		return hash.(string), nil
	}
	hash, err := local.Hash(password)
	if err == nil {
		hashed.Store(password, hash)
	}
	return hash, err
}

func (hasher) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{t: t, log: new(bytes.Buffer)}
	log := slog.New(slog.NewTextHandler(&locked{b: w.log}, nil))
	store := memstore.New()
	w.tries = cookies.Tries{Counter: store}
	if w.sessions, err = cookies.New(store, cookies.Config{Secrets: [][]byte{bytes.Repeat([]byte("s"), 32)}, Name: "foregate", Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.sessions.Close() })
	key := bytes.Repeat([]byte("k"), 32)
	w.accounts, err = accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{Keys: [][]byte{key}, Passwords: hasher{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if w.guard, err = NewGuard([][]byte{key}, w.accounts, w.tries, log); err != nil {
		t.Fatal(err)
	}
	w.api = NewAPI(Parts{
		Sessions: w.sessions, Accounts: w.accounts, Guard: w.guard, Log: log,
		Methods: func() []MethodState {
			return []MethodState{{Name: "entra", Title: "Microsoft", Kind: "oidc", Usable: true}}
		},
		Logins: func() []string { return []string{"formulary", "rota"} },
		Config: func() ([]byte, error) { return []byte("session:\n  idle: 20m\n"), nil },
		Try: func(_ context.Context, method, app, actor string) (TryLink, error) {
			if method != "entra" {
				return TryLink{}, fmt.Errorf("%w: no method is named %q", ErrNoTry, method)
			}
			return TryLink{URL: "https://" + app + ".example/sso/try/entra?ticket=of-" + actor, Until: time.Now()}, nil
		},
		Refresh: func(_ context.Context, method string, how RefreshOrder, tell func(RefreshProgress)) (accounts.Refreshed, error) {
			switch {
			case method != "ward-ad":
				return accounts.Refreshed{}, ErrNoDirectory
			case !how.Force && !how.DryRun:
				return accounts.Refreshed{}, fmt.Errorf("%w: 30 of 40", accounts.ErrTooMany)
			}
			if tell != nil {
				tell(RefreshProgress{Seen: 20, Found: 10, Accounts: 40})
			}
			if how.Force && how.DryRun {
				return accounts.Refreshed{}, errors.New("the directory broke off")
			}
			return accounts.Refreshed{Seen: 40, Left: 30, Dry: how.DryRun}, nil
		},
	})
	t.Cleanup(w.api.Close)
	w.alice = w.create(accounts.Account{Username: "alice", Email: "alice@hospital.example", Name: "Alice Archer"})
	w.bob = w.create(accounts.Account{Username: "bob", Email: "bob@st-elsewhere.example", Organisation: "st-elsewhere"})
	w.stranger = w.create(accounts.Account{Username: "carol", Email: "carol@county.example", Organisation: "county"})
	return w
}

// locked is a buffer that several may write to.
type locked struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (w *world) create(account accounts.Account) accounts.Account {
	w.t.Helper()
	made, err := w.accounts.Create(w.t.Context(), accounts.Context{Actor: "test"}, account)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// signIn begins a session of somebody.
func (w *world) signIn(issuer, subject, user string) {
	w.t.Helper()
	id := authn.Identity{Method: "entra", Issuer: issuer, Subject: subject, User: user}
	_, err := w.sessions.Start(w.t.Context(), httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), true,
		cookies.Opening{Audience: "app:careplan", App: "careplan", Limits: cookies.Limits{Idle: 20 * 60e9, Lifetime: 12 * 3600e9}}, id)
	if err != nil {
		w.t.Fatal(err)
	}
}

var (
	owner     = Who{Actor: "owner", Role: Owner}
	deskOfOne = Who{Actor: "desk of one", Role: Desk, Organisation: "st-elsewhere"}
)

// as asks on behalf of somebody.
func (w *world) as(who Who, method, target, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, base+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(target, "/import/") {
		r.Header.Set("Content-Type", "text/csv")
	}
	rec := httptest.NewRecorder()
	w.api.For(func(*http.Request) (Who, error) {
		if who == (Who{}) {
			return who, errNobody
		}
		return who, nil
	}).ServeHTTP(rec, r)
	return rec
}

// got asks and reads the answer into v.
func (w *world) got(who Who, method, target, body string, v any) {
	w.t.Helper()
	rec := w.as(who, method, target, body)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, target, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), v); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, target, err, rec.Body)
	}
}

// refused asks and wants no for an answer.
func (w *world) refused(who Who, status int, words, method, target, body string) {
	w.t.Helper()
	rec := w.as(who, method, target, body)
	if rec.Code != status || !strings.Contains(rec.Body.String(), words) {
		w.t.Errorf("%s %s by %s: %d %s, want %d with %q", method, target, who.Actor, rec.Code, rec.Body, status, words)
	}
}

// trailOf is the actions of the audit trail on an account, the oldest first.
func (w *world) trailOf(account string) (lines []string) {
	w.t.Helper()
	events, err := w.accounts.Audit.List(w.t.Context(), accounts.Filter{Account: account, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range slices.Backward(events) {
		lines = append(lines, e.Actor+" "+e.Action+" "+e.Result)
	}
	return lines
}
