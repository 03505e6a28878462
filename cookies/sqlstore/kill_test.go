package sqlstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/cookies"
	"foregate/internal/database"
)

// victim names the folder in which this test binary, run again, writes until it
// is killed.
const victim = "FOREGATE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if folder := os.Getenv(victim); folder != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(folder))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled says on standard output what the store has acknowledged.
func writeUntilKilled(folder string) error {
	ctx := context.Background()
	db, err := database.Open(ctx, filepath.Join(folder, "foregate.db"))
	if err != nil {
		return err
	}
	s, err := Open(ctx, db, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	acknowledge := func(deed, key string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(deed, key)
	}
	failed := make(chan error)
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, i)
				if err := liveAndDie(ctx, s, key, i%3 == 0, acknowledge); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func liveAndDie(ctx context.Context, s *Store, key string, end bool, acknowledge func(deed, key string)) error {
	r := cookies.Record{Data: []byte("created " + key), Expires: time.Now().Add(time.Hour)}
	if err := s.Create(ctx, key, r); err != nil {
		return err
	}
	acknowledge("created", key)
	r.Data, r.Version = []byte("updated "+key), 1
	if err := s.Update(ctx, key, r); err != nil {
		return err
	}
	acknowledge("updated", key)
	if !end {
		return nil
	}
	if err := s.Delete(ctx, key); err != nil {
		return err
	}
	acknowledge("deleted", key)
	return nil
}

func TestFM11KilledProcessLosesNothingAcknowledged(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	folder := t.TempDir()
	acknowledged := make(map[string]string) // by key: the last deed
	for range rounds {
		killDuringWrites(t, folder, acknowledged)
		checkAcknowledged(t, folder, acknowledged)
	}
	if len(acknowledged) < rounds {
		t.Errorf("only %d records were written in %d rounds: the test proves nothing", len(acknowledged), rounds)
	}
}

func killDuringWrites(t *testing.T, folder string, acknowledged map[string]string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), victim+"="+folder)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	readDeeds(lines, acknowledged, 20) // it runs
	kill := time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { _ = child.Process.Kill() })
	defer kill.Stop()
	readDeeds(lines, acknowledged, -1)
	_ = child.Wait() // killed: always an error
}

// readDeeds notes at most n complete lines; all if n is negative.
func readDeeds(lines *bufio.Reader, acknowledged map[string]string, n int) {
	for ; n != 0; n-- {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // what was not said to the end was not acknowledged
		}
		deed, key, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		acknowledged[key] = deed
	}
}

func checkAcknowledged(t *testing.T, folder string, acknowledged map[string]string) {
	t.Helper()
	began := time.Now()
	s := openOwn(t, folder)
	defer s.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("opening after a kill took %v", took)
	}
	var verdict string
	if err := s.db.Reader.QueryRowContext(t.Context(), "PRAGMA quick_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("quick_check: %q, %v", verdict, err)
	}
	for key, deed := range acknowledged {
		r, err := s.Load(t.Context(), key)
		if err := survived(deed, key, r, err); err != nil {
			t.Errorf("acknowledged as %s: %v", deed, err)
		}
	}
}

// survived allows for the one deed that was done and not acknowledged any more.
func survived(deed, key string, r cookies.Record, err error) error {
	gone := errors.Is(err, cookies.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	got := string(r.Data)
	fine := map[string]bool{
		"created": got == "created "+key || got == "updated "+key,
		"updated": got == "updated "+key || gone,
		"deleted": gone,
	}
	if !fine[deed] {
		return fmt.Errorf("%s: found %q, error %v", key, got, err) //nolint:errorlint // err may be nil
	}
	return nil
}
