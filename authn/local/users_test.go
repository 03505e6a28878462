package local

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/lockout"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsersFileIsReadAgainWhenItChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.yaml")
	write(t, file, "- user: alice\n  password_hash: "+quick+"\n")
	b := newBench(t, Config{UsersFile: authn.Path(file), Users: []User{}})
	var log bytes.Buffer
	b.people.(*users).log = slog.New(slog.NewTextHandler(&log, nil))

	write(t, file, "- user: alice\n  password_hash: "+quick+"\n  disabled: true\n- user: dora\n  password_hash: "+quick+"\n")
	if !b.enters(t, "alice", right, ward) {
		t.Error("the file was looked at twice in a second")
	}
	*b.clock = b.clock.Add(lookAgain)
	if b.enters(t, "alice", right, ward) || !b.enters(t, "dora", right, ward) {
		t.Error("the changed file is not in force")
	}

	write(t, file, "- user: alice\n  password_hash: hunter2\n")
	for range 3 {
		*b.clock = b.clock.Add(lookAgain)
		if !b.enters(t, "dora", right, ward) {
			t.Error("a broken file replaced the good one")
		}
	}
	if n := strings.Count(log.String(), "users file cannot be used"); n != 1 {
		t.Errorf("the fault is logged %d times, want once:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log repeats a password")
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	*b.clock = b.clock.Add(lookAgain)
	if !b.enters(t, "dora", right, ward) {
		t.Error("a missing file replaced the good one")
	}
	write(t, file, "- user: emil\n  password_hash: "+quick+"\n")
	*b.clock = b.clock.Add(lookAgain)
	if b.enters(t, "dora", right, ward) || !b.enters(t, "emil", right, ward) {
		t.Error("the repaired file is not in force")
	}
}

func TestFaultsOfUsersSayWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.yaml")
	good := "- user: alice\n  password_hash: " + quick + "\n"
	for text, want := range map[string]string{
		good + "- user: bob\n  pasword_hash: x\n":                  ":4:",
		good + "- user: bob\n  password_hash: hunter2\n":           `:3: password_hash of user "bob"`,
		good + "- password_hash: x\n":                              ":3: a user has no name",
		good + "- user: ALICE\n  password_hash: " + quick + "\n":   `:3: user "ALICE" is there twice`,
		good + "- user: bob\n  user: bob\n":                        ":4:",
		good + "- user: \"b\\u200bob\"\n  password_hash: " + quick: ":3: user",
		good + "- user: bob\n  disabled: perhaps\n":                ":4:",
		"alice: x\n":       "no list of users",
		"":                 "users.yaml",
		good + "---\n[]\n": "users.yaml",
		"- user: [\n":      "users.yaml:",
		good + "- user: bob\n  password_hash: $argon2id$v=19$m=999999,t=2,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hhYmNkZWZnaA\n": "at most m=262144",
	} {
		write(t, file, text)
		err := (&Config{UsersFile: authn.Path(file)}).Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate of\n%s= %v\nwant it to say %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Error("the fault repeats a password")
		}
	}
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	hash := authn.NewSecret(quick)
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"no file":       {Config{UsersFile: "/nonexistent/users.yaml"}, "users_file: "},
		"bad hash":      {Config{Users: []User{{User: "a", PasswordHash: hash}, {User: "b"}}}, "users[1].password_hash: "},
		"twice":         {Config{Users: []User{{User: "a", PasswordHash: hash}, {User: "A", PasswordHash: hash}}}, "users[1]: "},
		"too many":      {Config{Lockout: Lockout{AccountFailures: 26}}, "104 guesses"},
		"short windows": {Config{Lockout: Lockout{AccountWindow: 10 * time.Minute}}, "175 guesses"},
		"negative":      {Config{Hashing: Hashing{Parallel: -1}}, "hashing.parallel: "},
		"endless":       {Config{Hashing: Hashing{Wait: time.Hour}}, "hashing.wait: "},
	} {
		if err := test.config.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Validate = %v, want it to say %q", name, err, test.want)
		}
	}
	if err := (&Config{}).Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestEmptyListLetsNobodyIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	method, err := (&Config{UsersFile: authn.Path(file)}).Open(authntest.NewEnv("local"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := method.Resume(t.Context(), authntest.NewAttempt("local", "app.example"),
		answer("nobody", "nobody has this password, as nobody has an account"))
	if _, isForm := reply.(authn.Form); err != nil || !isForm {
		t.Errorf("Resume = %T, %v, want the form again", reply, err)
	}
}

func TestWithoutUsersThereMustBeAccounts(t *testing.T) {
	if _, err := (&Config{}).Open(authntest.NewEnv("local")); err == nil || !strings.Contains(err.Error(), "no accounts are configured") {
		t.Errorf("got %v", err)
	}
}

func FuzzUsersFile(f *testing.F) {
	f.Add([]byte("- user: alice\n  password_hash: " + quick + "\n  groups: [a, b]\n  disabled: false\n"))
	f.Add([]byte("- &a {user: x}\n- *a\n"))
	f.Add([]byte("[]"))
	f.Add([]byte("- user: [\n"))
	f.Add([]byte("- <<: {user: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		people, err := parseUsers("users.yaml", data)
		if err != nil {
			return
		}
		b, err := newBook(people)
		if err == nil && len(b.accounts) != len(people) {
			t.Errorf("%d users became %d accounts", len(people), len(b.accounts))
		}
	})
}

func FuzzResume(f *testing.F) {
	f.Add("alice", "wrong")
	f.Add("ALICE\x00", right)
	f.Add("", "")
	f.Add("\xff", "\xff")
	c := Config{Users: people()}
	directory, err := openUsers("", c.Users, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user, password string) {
		m := c.open(authntest.NewEnv("local"), directory, time.Now)
		reply, err := m.Resume(context.Background(), authntest.NewAttempt("local", "app.example"), answer(user, password))
		if err != nil {
			t.Fatalf("Resume: %v", err)
		}
		in, signedIn := reply.(authn.SignedIn)
		name, _ := lockout.Canonical(user)
		if signedIn != (password == right && (name == "alice" || name == "bob")) {
			t.Errorf("%q with %q: signed in %v as %q", user, password, signedIn, in.Identity.Subject)
		}
	})
}

// Whoever reads the configuration from YAML goes by these tags.
func TestEveryKeyOfTheConfigurationIsDescribed(t *testing.T) {
	for _, part := range []any{Config{}, User{}, Hashing{}, Lockout{}} {
		for field := range reflect.TypeOf(part).Fields() {
			_, hasDefault := field.Tag.Lookup("default")
			if field.Tag.Get("yaml") == "" || field.Tag.Get("doc") == "" || !hasDefault {
				t.Errorf("%T.%s lacks a yaml, default or doc tag", part, field.Name)
			}
		}
	}
}

// entry is User for the file: a key of one is a key of the other.
func TestUsersFileHasTheKeysOfTheConfiguration(t *testing.T) {
	keys := func(of any) (keys []string) {
		for field := range reflect.TypeOf(of).Fields() {
			keys = append(keys, field.Tag.Get("yaml"))
		}
		return keys
	}
	if diff := cmp.Diff(keys(User{}), keys(entry{})); diff != "" {
		t.Errorf("keys (-configuration +file):\n%s", diff)
	}
}

func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	for _, part := range []any{Hashing{}.withDefaults(), Lockout(Lockout{}.limits())} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			field := v.Type().Field(i)
			want := field.Tag.Get("default")
			if d, ok := v.Field(i).Interface().(time.Duration); ok {
				if parsed, err := time.ParseDuration(want); err != nil || parsed != d {
					t.Errorf("%s is %v, its tag says %s", field.Name, d, want)
				}
			} else if got := fmt.Sprint(v.Field(i)); got != want && want != "0" {
				t.Errorf("%s is %s, its tag says %s", field.Name, got, want)
			}
		}
	}
}
