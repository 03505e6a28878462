package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// operate runs another foregate command on the fixture's configuration.
func (f *foregate) operate(stdin string, args ...string) string {
	f.t.Helper()
	cmd := exec.Command(binary, append(args, "-c", filepath.Join(f.dir, "foregate.yaml"))...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		f.t.Fatalf("foregate %q: %v\n%s", args, err, errs.String())
	}
	return out.String()
}

// shortSocket: the folder of a test is too long for the path of a Unix socket.
func shortSocket(t *testing.T) func(string) string {
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return func(yaml string) string {
		return strings.Replace(yaml, "listen: {", "listen: {admin_socket: "+filepath.Join(dir, "s")+", ", 1)
	}
}

// TestOperatorSeesAndEndsSessions by the socket; what is ended is over at once.
func TestOperatorSeesAndEndsSessions(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.edit(shortSocket(t))
	f.restart()
	first, second, root := f.alice(), f.alice(), f.root()
	var list struct {
		Sessions []struct{ Handle, User, Method, App, Client string }
	}
	if err := json.Unmarshal([]byte(f.operate("", "sessions", "list", "--json", "--user", "alice")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Sessions) != 2 || list.Sessions[0].Method != "local" || list.Sessions[0].App != "app" || list.Sessions[0].Client != "127.0.0.1" {
		t.Fatalf("alice's sessions: %+v", list)
	}
	if table := f.operate("", "sessions", "list"); strings.Count(table, "\n") != 4 || !strings.Contains(table, "root") {
		t.Errorf("the table:\n%s", table)
	}
	if said := f.operate("", "sessions", "revoke", "--handle", list.Sessions[0].Handle); said != "1 sessions ended\n" {
		t.Errorf("said %q", said)
	}
	alive := 0
	for _, c := range []string{first, second} {
		if statusOf(f.get("/x", c)) == 200 {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d of alice's two sessions are alive", alive)
	}
	if said := f.operate("", "sessions", "revoke", "--user", "alice", "--app", "app", "--method", "local", "--json"); said != "{\"revoked\":1}\n" {
		t.Errorf("said %q", said)
	}
	if statusOf(f.get("/x", first)) != 401 || statusOf(f.get("/x", second)) != 401 || statusOf(f.get("/x", root)) != 200 {
		t.Error("not just alice's sessions ended")
	}
	if said := f.operate("", "sessions", "revoke", "--all"); said != "1 sessions ended\n" {
		t.Errorf("said %q", said)
	}
	f.waitForLog("who did it", logTime, func(logs string) bool {
		return strings.Contains(logs, "sessions revoked by an operator") && strings.Contains(logs, `"by":"uid `)
	})
	for _, at := range []string{f.addr, f.admin} { // nothing of it is anywhere else
		if status := statusOf((&foregate{t: t, addr: at}).get("/api/v1/sessions", root)); status == 200 {
			t.Errorf("%s answers", at)
		}
	}
}

// TestSE14ASocketEndsWhenAnOperatorEndsItsSession, though nobody sends anything on it.
func TestSE14ASocketEndsWhenAnOperatorEndsItsSession(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.edit(shortSocket(t))
	f.restart()
	alice, root := f.alice(), f.root()
	f.up.answerWith(echo)
	ended, stays := f.openSocket(alice), f.openSocket(root)
	if said := f.operate("", "sessions", "revoke", "--user", "alice"); said != "1 sessions ended\n" {
		t.Errorf("said %q", said)
	}
	began := time.Now()
	_ = ended.SetReadDeadline(began.Add(20 * time.Second))
	if n, err := ended.Read(make([]byte, 1)); err == nil || time.Since(began) > time.Second {
		t.Errorf("after the revocation: %d bytes, %v after %v", n, err, time.Since(began))
	}
	if !echoes(stays) {
		t.Error("somebody else's socket ended too")
	}
}

// TestMovedSessionsNeedTheirSecret: without it Foregate does not start, since it
// would sign everybody out; with it everybody is signed in.
func TestMovedSessionsNeedTheirSecret(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	cookie := f.alice()
	f.stop()
	secret, err := os.ReadFile(filepath.Join(f.dir, "data", "session.secret"))
	if err != nil {
		t.Fatal(err)
	}
	moved := f.operate("", "sessions", "export")
	f.edit(func(yaml string) string { return strings.Replace(yaml, "path: ./data", "path: ./elsewhere", 1) })
	f.operate(moved, "sessions", "import")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, binary, "serve", "-c", filepath.Join(f.dir, "foregate.yaml")).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(said), "everybody would be signed out") {
		t.Errorf("with another secret it ended with %v:\n%s", err, said)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "elsewhere", "session.secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	f.run()
	if status := statusOf(f.get("/x", cookie)); status != 200 {
		t.Errorf("alice is signed out: %d", status)
	}
}

// TestSessionsMoveToAnotherStore without signing anybody out.
func TestSessionsMoveToAnotherStore(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	cookie, gone := f.alice(), newBrowser(f)
	gone.signIn("root", rootPassword, "/")
	signedOut := "foregate=" + gone.cookie("foregate")
	gone.do("POST", "/sso/sign-out", nil, nil)
	f.stop()
	moved := f.operate("", "sessions", "export")
	if strings.Contains(moved, "alice") || strings.Count(moved, "\n") < 3 {
		t.Fatalf("exported:\n%s", moved)
	}
	secret, err := os.ReadFile(filepath.Join(f.dir, "data", "session.secret"))
	if err != nil {
		t.Fatal(err)
	}
	f.edit(func(yaml string) string { return strings.Replace(yaml, "path: ./data", "path: ./elsewhere", 1) })
	if err := os.Mkdir(filepath.Join(f.dir, "elsewhere"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "elsewhere", "session.secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := f.operate(moved, "sessions", "import"); !strings.Contains(said, " 0 were there already") {
		t.Errorf("said %q", said)
	}
	if said := f.operate(moved, "sessions", "import"); !strings.HasPrefix(said, "0 records imported") {
		t.Errorf("the second time: %q", said)
	}
	f.run()
	if status := statusOf(f.get("/x", cookie)); status != 200 {
		t.Errorf("alice is signed out: %d", status)
	}
	if status := statusOf(f.get("/x", signedOut)); status != 401 {
		t.Errorf("root is signed in again: %d", status)
	}
}
