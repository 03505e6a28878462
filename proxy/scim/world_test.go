package scim

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
)

const (
	token      = "token-of-st-elsewhere-0123456789abcdef"
	otherToken = "token-of-the-hospital-0123456789abcdef"
	base       = "https://careplan.example/sso/scim/v2"
)

// world is a handler with real accounts of two organisations.
type world struct {
	*Handler
	t *testing.T

	mu    sync.Mutex
	ended []accounts.Ended
	fail  error // of ending sessions
}

func sqlite(t testing.TB) accounts.DB {
	t.Helper()
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return accounts.DB{Writer: db.Writer, Reader: db.Reader}
}

func newWorld(t *testing.T) *world { return worldOn(t, sqlite(t)) }

func worldOn(t *testing.T, db accounts.DB) *world {
	t.Helper()
	w := &world{t: t}
	acc, err := accounts.Open(t.Context(), db, accounts.Env{OnEnd: func(_ context.Context, e accounts.Ended) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, e)
		return w.fail
	}})
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	w.Handler = New(Config{Accounts: acc, Tries: cookies.Tries{Counter: store}, Organisations: []Organisation{
		{Name: "st-elsewhere", Secret: Hash(token), Kind: "staff", Roles: []string{"nurse", "physician"}},
		{Name: "hospital", Secret: Hash(otherToken)},
	}})
	return w
}

// told returns whose sessions were to end since the last call.
func (w *world) told() []accounts.Ended {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.ended
	w.ended = nil
	return told
}

// reply is an answer, read.
type reply struct {
	Code   int
	Header http.Header
	Body   map[string]any
	Text   string
}

func (r reply) id() string {
	id, _ := r.Body["id"].(string)
	return id
}

// get is what a path of keys leads to in the body: "emails.0.value".
func (r reply) get(path string) any {
	var at any = r.Body
	for key := range strings.SplitSeq(path, "/") {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			n := int(key[0] - '0')
			if n >= len(v) {
				return nil
			}
			at = v[n]
		default:
			return nil
		}
	}
	return at
}

func (w *world) send(method, target, body string, headers ...string) reply {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, base+target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	path := strings.TrimPrefix(r.URL.Path, "/sso/scim/v2")
	err := w.Serve(rec, r, At{Path: path, Base: base, App: "careplan", Client: netip.MustParseAddr("192.0.2.9"), RequestID: "r1"})
	if (rec.Code >= 400) != (err != nil) {
		w.t.Errorf("%s %s: status %d with the error %v", method, target, rec.Code, err)
	}
	out := reply{Code: rec.Code, Header: rec.Header(), Text: rec.Body.String()}
	if len(rec.Header()["Set-Cookie"]) > 0 {
		w.t.Errorf("%s %s: sets a cookie", method, target)
	}
	if rec.Body.Len() > 0 {
		if rec.Header().Get("Content-Type") != "application/scim+json" {
			w.t.Errorf("%s %s: answered as %q", method, target, rec.Header().Get("Content-Type"))
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &out.Body); err != nil {
			w.t.Errorf("%s %s: %v in %q", method, target, err, rec.Body)
		}
	}
	return out
}

// want sends a request that must be answered with a status.
func (w *world) want(status int, method, target, body string, headers ...string) reply {
	w.t.Helper()
	got := w.send(method, target, body, headers...)
	if got.Code != status {
		w.t.Fatalf("%s %s %.300s: status %d, want %d: %.300s", method, target, body, got.Code, status, got.Text)
	}
	return got
}

// refused sends a request that must be answered with a status and a scimType.
func (w *world) refused(status int, kind, method, target, body string, headers ...string) reply {
	w.t.Helper()
	got := w.want(status, method, target, body, headers...)
	if have, _ := got.Body["scimType"].(string); have != kind {
		w.t.Errorf("%s %s %.300s: scimType %q, want %q: %.300s", method, target, body, have, kind, got.Text)
	}
	if got.get("schemas/0") != errorSchema || got.Body["detail"] == "" {
		w.t.Errorf("%s %s: no SCIM error: %s", method, target, got.Text)
	}
	return got
}

func (w *world) user(name string) string {
	w.t.Helper()
	return w.want(http.StatusCreated, "POST", "/Users", `{"schemas":["`+w.Handler.user.core.ID+`"],"userName":"`+name+`"}`).id()
}

func patch(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

func (w *world) account(id string) accounts.Account {
	w.t.Helper()
	a, err := w.Accounts.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}
