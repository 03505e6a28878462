package upstream

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// folder has files that may be served, and much that may not.
func folder(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "help")
	for name, text := range map[string]string{
		"help/index.html": "<p>start</p>", "help/a b.txt": "0123456789", "help/sub/index.html": "<p>sub</p>", "help/empty/x.css": "p{}",
		"help/.env": "secret", "help/.git/config": "secret", "help/raw": "raw", "secret.txt": "secret", "helper/x.txt": "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(base, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for to, name := range map[string]string{"../secret.txt": "out.txt", "/etc/passwd": "passwd", "..": "up", "raw": "in.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func local(t *testing.T) string {
	t.Helper()
	u := open(t, Config{Route: Route{Folder: folder(t)}, Routes: []Route{
		{Path: "/help", Folder: folder(t)},
		{Path: "/robots.txt", Answer: &Answer{Body: "User-agent: *\n"}},
		{Path: "/gone", Answer: &Answer{Status: 410, Type: "text/html; charset=utf-8", Body: "<p>gone"}},
		{Path: "/none", Answer: &Answer{Status: 204}},
	}})
	trip := tripFor(u, alice())
	trip.Response = http.Header{"Set-Cookie": {"a=b"}, "X-Frame-Options": {"DENY"}}
	return front(t, u, trip)
}

func TestFolderServesItsFilesAndNothingElse(t *testing.T) {
	addr := local(t)
	for path, want := range map[string]string{
		"/help/":                        "200 <p>start</p>",
		"/help/index.html":              "200 <p>start</p>",
		"/help/a%20b.txt":               "200 0123456789",
		"/%68elp/raw":                   "200 raw",
		"/help/in.txt":                  "200 raw", // a link that stays inside
		"/help/sub/?x=1":                "200 <p>sub</p>",
		"/":                             "200 <p>start</p>",
		"/sub/":                         "200 <p>sub</p>",
		"/help":                         "302 /help/",
		"/help/sub?x=1":                 "302 /help/sub/?x=1",
		"/sub":                          "302 /sub/",
		"/help/empty/":                  "404", // no list
		"/help/none":                    "404",
		"/help/raw/":                    "404",
		"/help/raw/x":                   "404",
		"/help/.env":                    "404",
		"/help/%2eenv":                  "404",
		"/help/.git/config":             "404",
		"/help/out.txt":                 "404",
		"/help/passwd":                  "404",
		"/help/up/secret.txt":           "404",
		"/help/pipe":                    "404", // and does not wait for who writes into it
		"/help/../secret.txt":           "404",
		"/help/%2e%2e/secret.txt":       "404",
		"/help/..%2fsecret.txt":         "404",
		"/help/%2e%2e%2fsecret.txt":     "404",
		"/help/sub%2findex.html":        "404",
		"/help/..%5csecret.txt":         "404",
		"/help/..\\secret.txt":          "404",
		"/help/./raw":                   "404",
		"/help//raw":                    "404",
		"//evil.test":                   "404",
		"//sub":                         "404",
		"/help//etc/passwd":             "404",
		"/help/raw%00.txt":              "404",
		"/helper/x.txt":                 "404",
		"/" + strings.Repeat("a", 5000): "404",
	} {
		res, body, _ := send(t, addr, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\n\r\n")
		got := res.Status[:3]
		switch got {
		case "200":
			got += " " + body
		case "302":
			got += " " + res.Header.Get("Location")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if strings.Contains(body, "secret") || strings.Contains(body, "root:") {
			t.Errorf("%s showed %q", path, body)
		}
	}
}

func TestFolderKnowsRangesConditionsAndMethods(t *testing.T) {
	addr := local(t)
	ask := func(line, more string) (*http.Response, string) {
		res, body, _ := send(t, addr, line+" HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n"+more+"\r\n")
		return res, body
	}
	res, body := ask("GET /help/a%20b.txt", "")
	tag, h := res.Header.Get("Etag"), res.Header
	if tag == "" || body != "0123456789" || h.Get("Last-Modified") == "" || h.Get("Cache-Control") != "private, no-cache" ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") ||
		h.Get("Set-Cookie") != "a=b" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("whole: %v %q", h, body)
	}
	if res, body := ask("GET /help/a%20b.txt", "Range: bytes=2-4\r\nIf-Range: "+tag+"\r\n"); res.StatusCode != 206 || body != "234" || res.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("range: %d %q %v", res.StatusCode, body, res.Header)
	}
	if res, body := ask("GET /help/a%20b.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n"); res.StatusCode != 200 || body != "0123456789" {
		t.Errorf("range of another: %d %q", res.StatusCode, body)
	}
	if res, _ := ask("GET /help/a%20b.txt", "Range: bytes=20-\r\n"); res.StatusCode != 416 {
		t.Errorf("range behind the end: %d", res.StatusCode)
	}
	if res, body := ask("GET /help/a%20b.txt", "If-None-Match: "+tag+"\r\n"); res.StatusCode != 304 || body != "" {
		t.Errorf("unchanged: %d %q", res.StatusCode, body)
	}
	if res, _ := ask("GET /help/raw", ""); res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("type of an unknown file: %v", res.Header)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		if res, _ := ask(method+" /help/raw", "Content-Length: 0\r\n"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
		}
	}
}

func TestFixedAnswer(t *testing.T) {
	addr := local(t)
	for path, want := range map[string]string{
		"/robots.txt": "200 text/plain; charset=utf-8 User-agent: *\n", "/gone/x?y": "410 text/html; charset=utf-8 <p>gone", "/none": "204  ",
	} {
		res, body, _ := send(t, addr, "POST "+path+" HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab")
		if got := res.Status[:3] + " " + res.Header.Get("Content-Type") + " " + body; got != want || res.Header.Get("Set-Cookie") != "a=b" {
			t.Errorf("%s: %q, want %q; %v", path, got, want, res.Header)
		}
	}
}

func TestFolderThatIsGoneIsAnOutageAndTellsNoName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	u := open(t, Config{Route: Route{Folder: dir}})
	if res, body, _ := send(t, front(t, u, tripFor(u, nil)), get); res.StatusCode != http.StatusBadGateway || strings.Contains(body, dir) {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

func TestFileIsNotKeptOnASharedDevice(t *testing.T) {
	u := open(t, Config{Route: Route{Folder: folder(t)}})
	trip := tripFor(u, alice())
	trip.Fleeting = true
	addr := front(t, u, trip)
	for path, want := range map[string]string{"/": "no-store", "/empty/x.css": "private, no-cache"} {
		if res, _, _ := send(t, addr, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\n\r\n"); res.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
}

func TestRouteIsAnApplicationOrAFolderOrAnAnswer(t *testing.T) {
	for _, r := range []Route{
		{Folder: "/srv", Answer: &Answer{}}, {Folder: "/srv", URL: nowhere()}, {Answer: &Answer{}, URL: nowhere()}, {Folder: "srv"},
		{Answer: &Answer{Status: 304}}, {Answer: &Answer{Status: 101}}, {Answer: &Answer{Status: 600}},
	} {
		if _, err := New(Config{Name: "app", Route: r}, nil); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}
