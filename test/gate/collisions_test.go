package gate

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

func hashOf(t *testing.T, password string) string {
	t.Helper()
	cmd := exec.Command(binary, "hash-password")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestPB13ProgramsNeverCross: programs that use an app by HTTP Basic with names and passwords
// that run together to the same text, and the same name and password at the hosts of two apps
// where they are of two people. All ask at the same time, and then from memory.
func TestPB13ProgramsNeverCross(t *testing.T) {
	t.Parallel()
	const tail = "correct horse"
	short, long := hashOf(t, tail), hashOf(t, "x"+tail)
	f := start(t, options{
		users: fmt.Sprintf(`        - {user: nora, name: Nora, groups: [norax], password_hash: %q}
        - {user: norax, name: Norax, groups: [nora], password_hash: %q}
  - name: other
    title: The other
    local: {users: [{user: nora, name: Another Nora, groups: [others], password_hash: %q}]}`, long, short, long),
		app: "    basic: {method: local}",
		apps: `
  - {name: other, hosts: [other.test], upstream: {url: "http://APPLICATION"}, methods: [other], basic: {method: other}, headers: {preset: forwarded}, rules: [{allow: signed_in}]}
`,
	})
	f.up.answerWith(func(conn net.Conn, head string) bool {
		told := strings.Join(values(head, "X-Forwarded-Name"), "|") + " of " + strings.Join(values(head, "X-Forwarded-Groups"), "|")
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(told), told)
		return true
	})
	ask := func(host, user, password string) string {
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /api HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nAuthorization: Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password))+"\r\n\r\n")
		return readQuiet(conn)
	}
	type program struct{ host, user, password, told string }
	programs := []program{
		{"app.test", "nora", "x" + tail, "Nora of norax"},
		{"app.test", "norax", tail, "Norax of nora"},
		{"other.test", "nora", "x" + tail, "Another Nora of others"},
	}
	var all sync.WaitGroup
	for _, p := range programs {
		for range 8 {
			all.Go(func() {
				for range 5 {
					if answer := ask(p.host, p.user, p.password); statusOf(answer) != http.StatusOK || !strings.HasSuffix(answer, "\r\n\r\n"+p.told) {
						t.Errorf("%s at %s: %.300q, want %q", p.user, p.host, answer, p.told)
					}
				}
			})
		}
	}
	all.Wait()
	for _, p := range []program{
		{"app.test", "nor", "ax" + tail, ""}, {"app.test", "norax", "x" + tail, ""}, {"app.test", "nora", tail, ""}, {"other.test", "norax", tail, ""},
		{"app.test", "noraxc", tail[1:], ""},
	} {
		if answer := ask(p.host, p.user, p.password); statusOf(answer) != http.StatusUnauthorized {
			t.Errorf("%s with %q at %s: %.200q", p.user, p.password, p.host, answer)
		}
	}
}

// TestPB13PeopleNeverCross whose names and groups run together to the same text: not in what a
// proxy that asks is told, not in what a support code stands for, and not at another host.
func TestPB13PeopleNeverCross(t *testing.T) {
	t.Parallel()
	hash := hashOf(t, alicePassword)
	f := asked(t)
	f.edit(func(yaml string) string {
		yaml = strings.Replace(yaml, "      users:\n", fmt.Sprintf("      users:\n        - {user: a, groups: [bc], password_hash: %q}\n        - {user: ab, groups: [c], password_hash: %q}\n", hash, hash), 1)
		return yaml + "  - {name: other, hosts: [other.test], forward_auth: {}, methods: [local]}\n"
	})
	f.restart()
	cookies := map[string]string{"a": f.signIn("a", alicePassword), "ab": f.signIn("ab", alicePassword)}
	groups := map[string]string{"a": "bc", "ab": "c"}
	var all sync.WaitGroup
	for who := range cookies {
		for name := range ways {
			all.Go(func() {
				for i := range 30 {
					path, lines := ways[name]("GET", "app.test", fmt.Sprintf("/ward/%d", i%2))
					answer := f.get(path, cookies[who], lines...)
					if statusOf(answer) != http.StatusOK || !strings.Contains(answer, "X-Forwarded-User: "+who+"\r\n") || !strings.Contains(answer, "X-Forwarded-Groups: "+groups[who]+"\r\n") {
						t.Errorf("%s, asked about as %s: %.400q", who, name, answer)
					}
				}
			})
		}
	}
	all.Wait()

	for who, cookie := range cookies {
		path, lines := ways["forwarded"]("GET", "app.test", "/admin/"+who)
		answer := f.get(path, cookie, append(lines, "Accept: text/html")...)
		code := codePattern.FindStringSubmatch(answer)
		if statusOf(answer) != http.StatusForbidden || code == nil {
			t.Fatalf("%s: %.300q", who, answer)
		}
		said, err := f.explain("--error-id", code[len(code)-1])
		if err != nil || !strings.Contains(said, "GET app.test/admin/"+who+" on ") || !strings.Contains(said, "who:    "+who+",") {
			t.Errorf("the code of %s: %v\n%s", who, err, said)
		}
		path, lines = ways["original"]("GET", "other.test", "/ward")
		if answer := f.raw("GET " + path + " HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\nCookie: " + cookie + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"); statusOf(answer) != http.StatusUnauthorized || strings.Contains(answer, "X-Forwarded-User: a") {
			t.Errorf("%s at the host of another app: %.300q", who, answer)
		}
	}
}
