package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const hidden = "correct-horse-battery-staple-0123456789"

func TestSecretComesFromTextFileOrEnvironment(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "lf", hidden+"\n", 0o600)
	write(t, dir, "crlf", hidden+"\r\n", 0o600)
	write(t, dir, "two", hidden+"\n\n", 0o600)
	write(t, dir, "cr", hidden+"\r", 0o600)
	t.Setenv("FOREGATE_TEST_SECRET", hidden)
	tests := map[string]string{
		hidden:                        hidden,
		"'" + hidden + " # : {'":      hidden + " # : {",
		"{file: lf}":                  hidden,
		"{file: crlf}":                hidden,
		"{file: two}":                 hidden + "\n",
		"{file: cr}":                  hidden + "\r",
		"{env: FOREGATE_TEST_SECRET}": hidden,
		"{file: " + dir + "/lf}":      hidden,
	}
	for text, want := range tests {
		f, err := Parse("x", []byte(least+"session: {secrets: ["+text+"]}\n"), dir, kinds())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Session.Secrets[0].Reveal(); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestCF3BadSecretsAreFaultsThatDoNotShowThem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "empty", "\n", 0o600)
	write(t, dir, "shared", hidden, 0o622)
	write(t, dir, "large", strings.Repeat(hidden, 4000), 0o600)
	t.Setenv("FOREGATE_TEST_EMPTY", "")
	tests := map[string]string{
		`""`:                         "the secret is empty",
		"~":                          "the secret is empty",
		"&" + hidden:                 "the secret is empty",
		"!" + hidden:                 "begins with ! has a YAML tag",
		"*" + hidden:                 "begins with * refers to an anchor",
		"[" + hidden + "]":           "is not a secret (found a list",
		"{" + hidden + "}":           "is not a secret",
		"{file: }":                   "is not a secret",
		"{file: [a]}":                "is not a secret",
		"{fil: " + hidden + "}":      "is not a secret",
		"{env: " + hidden + "}":      "the environment variable is not set or empty; set it",
		"{env: FOREGATE_TEST_EMPTY}": "the environment variable is not set or empty (found {env: FOREGATE_TEST_EMPTY}",
		"{file: none}":               "cannot be read: no such file or directory (found {file: ",
		"{file: .}":                  "cannot be read: is not a regular file",
		"{file: large}":              "cannot be read: is larger than 64 KiB",
		"{file: empty}":              "the file of the secret is empty",
		"{file: shared}":             "others may write the file of the secret",
		"{file: a, env: B}":          "is not a secret",
		`"` + hidden + `\q"`:         "found unknown escape character",
		"'" + hidden:                 "is not YAML",
		hidden + ": " + hidden:       "is not a secret",
		hidden[:20]:                  "the secret is too short (found 20 bytes",
	}
	for text, want := range tests {
		_, err := Parse("x", []byte(least+"session: {secrets: ["+text+"]}\n"), dir, kinds())
		if err == nil || !strings.Contains(err.Error()+"(", want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), hidden[:20]) {
			t.Errorf("%s: the secret is shown:\n%v", text, err)
		}
	}
}

func TestCF3NoSecretIsPrinted(t *testing.T) {
	text := strings.Replace(least, "server: https://badge.example", "server: x, key: "+hidden+", users: [{name: alice, pin: "+hidden+"}]", 1) +
		"    headers: {map: {X-Key: {value: " + hidden + "}}}\nsession: {secrets: [" + hidden + "]}\n"
	f := mustParse(t, text)
	if all := fmt.Sprintf("%v %+v %#v", *f, *f, *f) + fmt.Sprintf("%+v %#v", f.Methods[0].Config, f.Methods[0].Config); strings.Contains(all, hidden) {
		t.Error("a printed file shows a secret")
	}
	_, err := parse(t, strings.ReplaceAll(text, hidden, hidden+`\ä`)+"prefix: /\nsession: {secrets: ["+hidden+"]}\n")
	if err == nil || strings.Contains(err.Error(), hidden) {
		t.Errorf("the faults show a secret: %v", err)
	}
}

func TestCF3SecretThatOthersCanReadIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key", hidden, 0o644)
	f, err := Parse("x", []byte(least+"session: {secrets: [{file: key}]}\n"), dir, kinds())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) != 1 || f.Warnings[0].Path != "session.secrets[0]" || f.Warnings[0].Line != 9 {
		t.Errorf("warnings %v", f.Warnings)
	}
}

func TestSecretIsNotReadFromAPipe(t *testing.T) {
	// Opening a pipe that nobody writes to would stop the start for ever.
	name := filepath.Join(t.TempDir(), "pipe")
	if err := mkfifo(name); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	_, err := parse(t, least+"session: {secrets: [{file: "+name+"}]}\n")
	var faults *Faults
	if !errors.As(err, &faults) || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableSecretIsAFault(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	write(t, dir, "key", hidden, 0o000)
	if _, err := Parse("x", []byte(least+"session: {secrets: [{file: key}]}\n"), dir, kinds()); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
}
