package gate

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestHT10NothingThatAStrangerSendsMakesALogLine, or moves the cursor of who
// reads it.
func TestHT10NothingThatAStrangerSendsMakesALogLine(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	const probe = "a%0d%0a{\"msg\":\"signed in\",\"user\":\"root\"}%1b[2J%00%e2%80%ae%7f"
	hostile := "\x1b[2J\u202e{\"msg\":\"signed in\"}" + strings.Repeat("y", 10_000)
	f.get("/public/"+probe, "")
	f.get("/"+probe+"?"+probe, "")
	f.get("/sso/"+probe, "")
	f.get("/sso/callback/"+probe+"?state="+probe, "")
	f.get("/public/x", "", "User-Agent: "+hostile, "X-Request-ID: "+hostile, "Referer: "+hostile, "X-Forwarded-For: "+hostile, "traceparent: "+hostile)
	f.raw("GET /x HTTP/1.1\r\nHost: " + hostile + "\r\nConnection: close\r\n\r\n")
	f.raw("GET /x HTTP/1.1\r\nHost: app.test\x1b\r\nConnection: close\r\n\r\n")
	f.raw(strings.Repeat("M", 5000) + " /x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	b := newBrowser(f)
	b.submit(b.get("/sso/sign-in"), url.Values{"username": {"alice\r\n{\"msg\":\"signed in\"}\x1b[2J\u202e"}, "password": {"x"}})
	f.stop()
	lines := strings.Split(strings.TrimSuffix(f.logs.String(), "\n"), "\n")
	if len(lines) < 8 {
		t.Errorf("only %d lines", len(lines))
	}
	for _, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("no JSON: %q", line)
			continue
		}
		if entry["msg"] == "signed in" {
			t.Errorf("forged: %q", line)
		}
		if strings.ContainsFunc(line, unicode.IsControl) || strings.Contains(line, "\u202e") || len(line) > 8<<10 {
			t.Errorf("a line of %d bytes with control characters: %.300q", len(line), line)
		}
		for key, value := range entry {
			if text, ok := value.(string); ok && strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%s has control characters: %.200q", key, text)
			}
		}
	}
}

// TestHT11NoSecretIsWrittenAnywhere, at the level that tells most: not to the
// log, the metrics, a page, or the database.
func TestHT11NoSecretIsWrittenAnywhere(t *testing.T) {
	t.Parallel()
	sessionSecret := strings.Repeat("planted-secret-", 3)
	f := start(t, options{
		session: ", secrets: [" + sessionSecret + "]",
		headers: "{preset: forwarded, assertion: true, map: {X-Shared-Key: {value: planted-shared-key}}}",
	})
	b := newBrowser(f)
	page := b.get("/sso/sign-in?rd=" + url.QueryEscape("/x?token=planted-return-query"))
	page = b.submit(page, url.Values{"username": {"alice"}, "password": {"planted-wrong-password"}})
	attempts := slices.Collect(maps.Values(b.jar))
	b.submit(page, url.Values{"username": {"planted-password-typed-as-name"}, "password": {"x"}})
	b.signIn("alice", alicePassword, "/")
	session := b.cookie("foregate")
	b.get("/x?token=planted-query")
	b.get("/sso/callback/local?state=planted-state&code=planted-code")
	b.do("GET", "/x", nil, http.Header{"Authorization": {"Bearer planted-bearer"}, "Referer": {"http://app.test/?planted-referer"}, "X-Odd": {"planted-header"}})
	f.raw("GET /x?planted-query HTTP/1.1\r\nHost: app.test\r\nAuthorization: planted-bearer\r\nBad Header planted-header\r\n\r\n")
	f.raw("GET /x?planted-query=%zz;a HTTP/1.1\r\nHost: other.test\r\n\r\n")
	f.up.answerBytes("HTTP/1.1 200 OK planted-answer\r\nX: planted-answer")
	b.get("/x?planted-query")
	f.up.stop()
	b.get("/x?planted-query")
	assertion := ""
	for _, head := range f.up.take() {
		if v := values(head, "X-Foregate-Assertion"); len(v) > 0 {
			assertion = v[0]
		}
	}
	metrics := f.adminPage("/metrics")
	f.stop()
	places := map[string]string{"the log": f.logs.String(), "the metrics": metrics}
	files, err := filepath.Glob(filepath.Join(f.dir, "data", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no data", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		places[filepath.Base(name)] = string(content)
	}
	for where, text := range places {
		for _, secret := range append(attempts, "planted-", alicePassword, session, assertion) {
			if len(secret) < 8 {
				t.Fatalf("%q is no secret to look for", secret)
			}
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds a secret: …%q", where, text[max(0, at-100):min(len(text), at+60)])
			}
		}
	}
}

// adminPage reads from the admin listener.
func (f *foregate) adminPage(path string) string {
	f.t.Helper()
	b := browserAt(f, "http://"+f.admin, f.admin)
	return b.get(path).body
}

// TestHT11OperatorsPagesAreNotPublic: neither for a stranger nor for root.
func TestHT11OperatorsPagesAreNotPublic(t *testing.T) {
	t.Parallel()
	f := start(t, options{rules: "\n      - {allow: anyone}"})
	root := f.root()
	for _, target := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/healthz", "/readyz", "/api/v1/sessions"} {
		for _, cookie := range []string{"", root} {
			if answer := f.get(target, cookie); !strings.HasSuffix(answer, mark) {
				t.Errorf("%s is not the application's: %.200q", target, answer)
			}
			if status := statusOf(f.get("/sso"+target, cookie)); status != 404 {
				t.Errorf("/sso%s: %d", target, status)
			}
		}
	}
	if page := browserAt(f, "http://"+f.admin, f.admin).get("/debug/pprof/"); page.StatusCode == 200 {
		t.Error("the admin listener serves profiles")
	}
}
