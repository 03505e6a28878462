package gate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestCF1FixedVersions: releases before these have known holes that concern us.
func TestCF1FixedVersions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ pattern, least string }{
		"the toolchain": {`(?m)^toolchain go(\S+)$`, "1.26.6"},
		"go-jose":       {`(?m)github\.com/go-jose/go-jose/v4 v(\S+)`, "4.1.4"},
		"x/net":         {`(?m)golang\.org/x/net v(\S+)`, "0.55.0"},
	} {
		m := regexp.MustCompile(c.pattern).FindSubmatch(text)
		if m == nil || older(string(m[1]), c.least) {
			t.Errorf("%s: %q, want %s or later", what, m, c.least)
		}
	}
	out, err := exec.Command("go", "version", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`go(\d+\.\d+\.\d+)`).FindStringSubmatch(string(out)); m == nil || older(m[1], "1.26.6") {
		t.Errorf("the binary was built by %s", out)
	}
}

// older compares versions such as 1.26.8, number by number.
func older(version, least string) bool {
	have, want := strings.Split(version, "."), strings.Split(least, ".")
	for i := range want {
		h, w := 0, 0
		if i < len(have) {
			h, _ = strconv.Atoi(have[i])
		}
		if w, _ = strconv.Atoi(want[i]); h != w {
			return h < w
		}
	}
	return false
}

// TestCF2RiskyOptionsAreSaidAtEveryStart.
func TestCF2RiskyOptionsAreSaidAtEveryStart(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "insecure_trust_all_proxies: true"})
	for range 2 {
		f.waitForLog("the warning", logTime, func(logs string) bool {
			return strings.Contains(logs, `"level":"WARN"`) && strings.Contains(logs, "insecure_trust_all_proxies")
		})
		f.restart()
	}
	// Who trusts everybody is told so by X-Forwarded-For, as asked for.
	f.get("/public/x", "", "X-Forwarded-For: 203.0.113.9")
	if heads := f.up.take(); len(heads) != 1 || values(heads[0], "X-Forwarded-For")[0] != "203.0.113.9" {
		t.Errorf("the option does nothing: %q", heads)
	}
}

// TestCF3NoSecretCanBeSeenFromOutside: not in the process list, not in its
// environment, and in no file that others may read.
func TestCF3NoSecretCanBeSeenFromOutside(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.alice()
	secret, err := os.ReadFile(filepath.Join(f.dir, "data", "session.secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cmdline", "environ"} {
		seen, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", f.cmd.Process.Pid, name))
		if err != nil {
			t.Skip("no /proc here: ", err)
		}
		for _, s := range []string{strings.TrimSpace(string(secret)), alicePassword, "argon2id"} {
			if strings.Contains(string(seen), s) {
				t.Errorf("%s holds a secret", name)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "data", "*"))
	if err != nil || len(files) < 2 {
		t.Fatal("no data", err)
	}
	for _, name := range append(files, filepath.Join(f.dir, "data")) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: others may use it: %v", filepath.Base(name), info.Mode())
		}
	}
}

// TestCF3ASecretFileThatOthersMayWriteIsRefused.
func TestCF3ASecretFileThatOthersMayWriteIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, options{session: ", secrets: [{file: key}]", prepare: func(dir string) {
		writeFile(t, filepath.Join(dir, "key"), strings.Repeat("k", 40), 0o600)
	}})
	f.stop()
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o644: 0, 0o666: 2, 0o620: 2} {
		if err := os.Chmod(filepath.Join(f.dir, "key"), mode); err != nil {
			t.Fatal(err)
		}
		said, status := f.validate()
		if status != want || strings.Contains(said, "kkkk") {
			t.Errorf("%v: exit %d, want %d: %s", mode, status, want, said)
		}
		if warned := strings.Contains(said, "others may read"); warned != (mode == 0o644) {
			t.Errorf("%v: warned: %v: %s", mode, warned, said)
		}
	}
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// validate has the file looked over and returns what was said and the status.
func (f *foregate) validate() (string, int) { return f.command("validate") }

// command runs a command on the fixture's file to its end.
func (f *foregate) command(name string) (said string, status int) {
	f.t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(f.t.Context(), binary, name, "-c", filepath.Join(f.dir, "foregate.yaml"))
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// TestOI17AMisspeltKeyRefusesToStart, since the rule that it belonged to would
// silently be gone.
func TestOI17AMisspeltKeyRefusesToStart(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.stop()
	good, err := os.ReadFile(filepath.Join(f.dir, "foregate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ from, to, say string }{
		"in a rule":        {"groups: [admins]}\n", "group: [admins]}\n", `"groups"`},
		"at the top":       {"storage: {path", "storge: {path", `"storage"`},
		"in the session":   {"session: {idle", "session: {idel", `"idle"`},
		"of an app":        {"    rules:", "    rule:", `"rules"`},
		"in upper case":    {"apps:", "Apps:", `"apps"`},
		"a method unknown": {"methods: [local]", "methods: [lokal]", "lokal"},
		"twice":            {"log: {level: debug}", "log: {level: debug}\nlog: {level: info}", "log"},
	} {
		bad := strings.Replace(string(good), c.from, c.to, 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing changed", what)
		}
		f.write(bad)
		for _, command := range []string{"serve", "validate"} {
			said, status := f.command(command)
			if status != 2 || !strings.Contains(said, c.say) || !regexp.MustCompile(`foregate\.yaml:\d+:\d+: `).MatchString(said) {
				t.Errorf("%s, %s: exit %d: %s", what, command, status, said)
			}
		}
	}
}

// TestOI17EachKindOfRuleKeepsPeopleOut who do not fulfil it.
func TestOI17EachKindOfRuleKeepsPeopleOut(t *testing.T) {
	t.Parallel()
	f := start(t, options{rules: `
      - {path: /groups/**, groups: [admins]}
      - {path: /users/**, users: [root]}
      - {path: /networks/**, networks: [192.0.2.0/24]}
      - {path: /nobody/**, allow: nobody}
      - {path: /read/**, http_methods: [GET], groups: [admins]}
      - {allow: signed_in}`})
	alice, root := f.alice(), f.root()
	f.up.take()
	for path, want := range map[string][2]int{
		"/groups/x": {403, 200}, "/users/x": {403, 200}, "/networks/x": {403, 403}, "/nobody/x": {403, 403}, "/read/x": {403, 200}, "/other": {200, 200},
	} {
		got := [2]int{statusOf(f.get(path, alice)), statusOf(f.get(path, root))}
		if got != want {
			t.Errorf("%s: alice and root get %v, want %v", path, got, want)
		}
		for _, head := range f.up.take() {
			if want[0] == 403 && strings.Contains(head, "X-Forwarded-User: alice") {
				t.Errorf("%s: alice reached the application", path)
			}
		}
	}
}
