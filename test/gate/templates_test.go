package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTemplatesOfAnOperatorAreReadAgain when one changes; a broken one leaves the last good
// ones in force, and validate says where its fault is.
func TestTemplatesOfAnOperatorAreReadAgain(t *testing.T) {
	t.Parallel()
	save := func(dir, said string) {
		writeFile(t, filepath.Join(dir, "pages", "signedout.html"), `{{define "content"}}<p>`+said+`</p>{{end}}`, 0o600)
	}
	f := start(t, options{app: "    page: {templates: pages}", prepare: func(dir string) {
		if err := os.Mkdir(filepath.Join(dir, "pages"), 0o700); err != nil {
			t.Fatal(err)
		}
		save(dir, "Good night.")
	}})
	shows := func(words string) bool {
		return strings.Contains(f.get("/sso/sign-out", "", "Accept: text/html"), words)
	}
	if !shows("Good night.") {
		t.Fatal("the template is not in use")
	}
	save(f.dir, "Sleep well.")
	until(t, "the changed template is in use", func() bool { return shows("Sleep well.") })

	save(f.dir, "{{.Page.SingIn}}")
	until(t, "the broken template is told of", func() bool { return f.metric("foregate_config_last_reload_successful") == 0 })
	if !shows("Sleep well.") {
		t.Error("the last good template is gone")
	}
	const fault = `signedout.html:1:31: pages.SignedOut has no variable SingIn`
	if said, status := f.validate(); status != 2 || !strings.Contains(said, fault) || !strings.Contains(said, `did you mean "SignIn"?`) {
		t.Errorf("validate: %d, %s", status, said)
	}
	if !strings.Contains(f.logs.String(), "has no variable SingIn") {
		t.Errorf("the log does not say where the fault is:\n%s", f.logs)
	}

	save(f.dir, "Good morning.")
	until(t, "the mended template is in use", func() bool { return shows("Good morning.") })
}
