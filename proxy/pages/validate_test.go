package pages_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"foregate/proxy/pages"
)

// validate reads the files in a folder as html-validate does (the npm package) with its rules for what the
// standard demands, and writes its findings as JSON.
const validate = `
const { HtmlValidate, StaticConfigLoader } = require("html-validate");
const fs = require("fs"), path = require("path");
const loader = new StaticConfigLoader({ root: true, extends: ["html-validate:standard", "html-validate:a11y"] });
const checker = new HtmlValidate(loader);
(async () => {
  const found = [];
  for (const name of fs.readdirSync(process.argv[1])) {
    const report = await checker.validateString(fs.readFileSync(path.join(process.argv[1], name), "utf8"), name);
    for (const r of report.results) for (const m of r.messages) found.push(name + ":" + m.line + ":" + m.column + ": " + m.ruleId + ": " + m.message);
  }
  console.log(JSON.stringify(found));
})();`

// TestEveryPageIsValidHTML in every language, in the eyes of a validator that knows the standard.
func TestEveryPageIsValidHTML(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	modules, err := filepath.Abs("../../test/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "html-validate")); err != nil {
		missing(t, "html-validate is not installed below test/")
	}
	dir, p := t.TempDir(), newPages(t)
	for _, name := range slices.Sorted(maps.Keys(gallery())) {
		for _, l := range pages.Languages() {
			rec := httptest.NewRecorder()
			if err := p.Write(rec, http.StatusOK, pages.Reader{Language: l.Tag, Choose: "/sso/language?rd=%2F&to="}, careplan, gallery()[name]); err != nil {
				t.Fatal(err)
			}
			if n := rec.Body.Len(); n >= 30_000 { // all of it: there is no second request
				t.Errorf("%s in %s: %d bytes, want less than 30000", name, l.Tag, n)
			}
			if err := os.WriteFile(filepath.Join(dir, name+"."+l.Tag+".html"), rec.Body.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	broken := `<!doctype html><html lang="en"><head><title>x</title></head><body><p><div id="a"></div><b id="a"></i></p></body></html>`
	if err := os.WriteFile(filepath.Join(dir, "broken.html"), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", validate, dir)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, f := range found {
		if strings.HasPrefix(f, "broken.html") {
			seen = true
			continue
		}
		t.Error(f)
	}
	if !seen {
		t.Error("the validator finds nothing wrong with a page that is broken")
	}
}
