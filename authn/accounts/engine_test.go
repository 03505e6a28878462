package accounts

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/local"
	"foregate/internal/database"
	"foregate/internal/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// world is a store with a clock, and what it told about sessions.
type world struct {
	*Accounts
	db   DB
	fail error // of OnEnd

	mu    sync.Mutex
	time  time.Time
	ended []Ended
}

// hasher is authn/local's, as in the product. What nobody has is hashed once for all tests.
type hasher struct{}

var decoy = sync.OnceValues(func() (string, error) { return local.Hash(nobodys) })

func (hasher) Hash(password string) (string, error) {
	if password == nobodys {
		return decoy()
	}
	return local.Hash(password)
}

func (hasher) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

// onBothEngines runs a test on SQLite and on PostgreSQL.
func onBothEngines(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, open(t, sqlite(t, filepath.Join(t.TempDir(), "foregate.db"))))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, open(t, shared(t, postgres.Database(t))))
	})
}

func sqlite(t *testing.T, path string) DB {
	t.Helper()
	return use(t)(database.Open(t.Context(), path))
}

func shared(t *testing.T, dsn string) DB {
	t.Helper()
	return use(t)(database.OpenPostgres(t.Context(), dsn))
}

func use(t *testing.T) func(db *database.DB, err error) DB {
	return func(db *database.DB, err error) DB {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return DB{Writer: db.Writer, Reader: db.Reader}
	}
}

func open(t *testing.T, db DB) *world {
	t.Helper()
	w := &world{db: db, time: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}
	var err error
	w.Accounts, err = Open(t.Context(), db, Env{
		Keys:      [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Passwords: hasher{},
		OnEnd: func(_ context.Context, e Ended) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ended = append(w.ended, e)
			return w.fail
		},
		Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// told returns what OnEnd was told since the last call.
func (w *world) told() []Ended {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.ended
	w.ended = nil
	return told
}

func (w *world) create(t *testing.T, account Account) Account {
	t.Helper()
	made, err := w.Create(t.Context(), desk, account)
	if err != nil {
		t.Fatalf("create %+v: %v", account, err)
	}
	return made
}

func (w *world) admitted(t *testing.T, p Policy, id authn.Identity) Admitted {
	t.Helper()
	admission, err := w.Admit(t.Context(), p, id, careplan)
	if err != nil {
		t.Fatalf("admit %s: %v", id.Subject, err)
	}
	admitted, ok := admission.(Admitted)
	if !ok {
		t.Fatalf("admit %s: got %#v, want to be admitted", id.Subject, admission)
	}
	return admitted
}

func (w *world) asked(t *testing.T, p Policy, id authn.Identity) Verify {
	t.Helper()
	admission, err := w.Admit(t.Context(), p, id, careplan)
	if err != nil {
		t.Fatalf("admit %s: %v", id.Subject, err)
	}
	v, ok := admission.(Verify)
	if !ok {
		t.Fatalf("admit %s: got %#v, want to be asked for a code", id.Subject, admission)
	}
	return v
}

func (w *world) refused(t *testing.T, p Policy, id authn.Identity, c Context, want Reason) {
	t.Helper()
	admission, err := w.Admit(t.Context(), p, id, c)
	if got := ReasonOf(err); got != want {
		t.Fatalf("admit %s: got %#v, %v, want the refusal %s", id.Subject, admission, err, want)
	}
}

func (w *world) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	if err := w.db.Reader.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	desk     = Context{Actor: "desk", Client: netip.MustParseAddr("192.0.2.7"), RequestID: "r-desk"}
	careplan = Context{App: "careplan", Client: netip.MustParseAddr("192.0.2.8"), RequestID: "r-1"}

	byMail  = Policy{Groups: []string{"Careplan-Users"}, Account: AccountExisting}
	onSight = Policy{Account: AccountExisting, Verify: VerifyNone}
)

// person is alice as the provider of the hospital vouches for her.
func person(subject, email string) authn.Identity {
	return authn.Identity{
		Method: "entra", Issuer: "https://idp.hospital.example", Subject: subject, User: subject, Email: email, Checked: true,
		Name: "Alice Archer", Groups: []string{"Careplan-Users"}, Authenticated: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC),
	}
}
