package database

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"foregate/internal/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

func TestReplicasStartTogetherOnAnEmptyDatabase(t *testing.T) {
	dsn := postgres.Database(t)
	var started sync.WaitGroup
	for range 4 {
		started.Go(func() {
			db, err := OpenPostgres(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	db, err := OpenPostgres(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.Reader.QueryRowContext(t.Context(), "SELECT count(*) FROM accounts").Scan(&n); err != nil || n != 0 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestBothEnginesHaveTheSameColumns(t *testing.T) {
	pg, err := OpenPostgres(t.Context(), postgres.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	lite := open(t, t.TempDir()+"/x.db")
	tables := []string{"accounts", "attribute_values", "links", "credentials", "recovery_codes", "app_logins", "scim_groups", "scim_members", "audit", "usage"}
	for _, table := range tables {
		a, err := lite.Reader.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		here, _ := a.Columns()
		_ = a.Close()
		b, err := pg.Reader.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		there, _ := b.Columns()
		_ = b.Close()
		if got, want := strings.Join(there, " "), strings.Join(here, " "); got != want {
			t.Errorf("%s: PostgreSQL has %s, SQLite %s", table, got, want)
		}
	}
}

func TestPostgresErrorKeepsThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://foregate:hunter2@127.0.0.1:1/x?sslmode=disable&connect_timeout=1",
		"postgres://foregate:hunter2@127.0.0.1:port/x",
		"host=127.0.0.1 port=1 password=hunter2 sslmode=nonsense",
	} {
		_, err := OpenPostgres(t.Context(), dsn)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", dsn, err)
		}
	}
}

// TestAServerThatComesLaterIsWaitedFor: nothing is queried before its schema is up to date.
func TestAServerThatComesLaterIsWaitedFor(t *testing.T) {
	dsn := postgres.Database(t)
	relay, dsn := pgtest.NewRelay(t, dsn)
	var log strings.Builder
	db, err := AwaitPostgres(t.Context(), dsn, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	count := func() error {
		return db.Reader.QueryRowContext(t.Context(), "SELECT count(*) FROM accounts").Scan(&n)
	}
	if err := count(); !errors.Is(err, ErrNotReady) {
		t.Errorf("before it is there: %v", err)
	}
	relay.Up()
	select {
	case <-db.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("it is there, and not used")
	}
	if err := count(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil { // nobody writes the log any more
		t.Error(err)
	}
	if !strings.Contains(log.String(), "PostgreSQL does not answer") || !strings.Contains(log.String(), "PostgreSQL answers") {
		t.Error(log.String())
	}
}

// TestWhatIsWrongWithAServerIsSaidAtOnce and not waited for.
func TestWhatIsWrongWithAServerIsSaidAtOnce(t *testing.T) {
	good := postgres.Database(t)
	config, err := pgx.ParseConfig(good)
	if err != nil {
		t.Fatal(err)
	}
	for what, dsn := range map[string]string{
		"no such database": strings.Replace(good, "/"+config.Database, "/nothing", 1),
		"no such user":     strings.Replace(good, "//"+config.User, "//nobody", 1),
		"no such host":     "postgres://foregate@nothing.invalid/x?sslmode=disable",
		"no TLS":           strings.Replace(good, "sslmode=disable", "sslmode=verify-full", 1),
	} {
		db, err := AwaitPostgres(t.Context(), dsn, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = db.Close()
			t.Errorf("%s: waited for", what)
		}
	}
}
