package gate

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// TestFM12AStoreThatTakesNothingSignsNobodyInAndNobodyOut: who is signed in works
// on, who wants in or out is told to wait, and all goes well by itself afterwards.
func TestFM12AStoreThatTakesNothingSignsNobodyInAndNobodyOut(t *testing.T) {
	t.Parallel()
	f := start(t, options{idle: "20s"}) // activity is due to be written each second
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	alice := "foregate=" + b.cookie("foregate")
	waiting := newBrowser(f)
	page := waiting.get("/sso/sign-in?rd=/x")
	release := f.lockStore()
	defer release()

	var in, out answer
	var wg sync.WaitGroup
	wg.Go(func() {
		in = waiting.submit(page, url.Values{"username": {"root"}, "password": {rootPassword}})
	})
	wg.Go(func() { out = b.do("POST", "/sso/sign-out", url.Values{}, nil) })
	wg.Wait()
	for what, a := range map[string]answer{"signing in": in, "signing out": out} {
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s, Retry-After %q", what, a.Status, a.Header.Get("Retry-After"))
		}
		if set := a.Header.Values("Set-Cookie"); len(set) > 0 {
			t.Errorf("%s: sets %q", what, set)
		}
		if codePattern.FindString(a.body) == "" {
			t.Errorf("%s: no support code", what)
		}
	}
	if waiting.cookie("foregate") != "" {
		t.Error("somebody was signed in")
	}
	for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); pause() {
		if answer := f.get("/x", alice); statusOf(answer) != 200 || len(headerLines(answer, "Set-Cookie")) > 0 {
			t.Fatalf("who is signed in gets %.300q", answer)
		}
	}

	release()
	if resp := waiting.signIn("root", rootPassword, "/x"); resp.Header.Get("Location") != "/x" {
		t.Errorf("afterwards root is led to %q", resp.Header.Get("Location"))
	}
	if status := statusOf(f.get("/x", alice)); status != 200 {
		t.Errorf("afterwards alice gets %d", status)
	}
	if resp := b.do("POST", "/sso/sign-out", url.Values{}, nil); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out afterwards: %s", resp.Status)
	}
	if status := statusOf(f.get("/x", alice)); status != 401 {
		t.Errorf("after signing out: %d", status)
	}
}

// lockStore keeps the database to itself, as a backup gone wrong would, until
// release, which may be called twice.
func (f *foregate) lockStore() (release func()) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(f.dir, "data", "foregate.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		f.t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		f.t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		_, err := conn.ExecContext(ctx, "ROLLBACK")
		if err != nil {
			f.t.Error(err)
		}
		_ = conn.Close()
		_ = db.Close()
		cancel()
	})
}
