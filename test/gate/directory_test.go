package gate

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"foregate/internal/ldaptest"
)

const expiredPassword = "planted-Expired-2!"

// wire stands before a directory and keeps what it is sent, by connection.
type wire struct {
	address string
	mu      sync.Mutex
	sent    []*bytes.Buffer
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c, server)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	kept := new(bytes.Buffer)
	w.mu.Lock()
	w.sent = append(w.sent, kept)
	w.mu.Unlock()
	go func() { _, _ = io.Copy(c, s); _ = c.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		w.mu.Lock()
		kept.Write(buf[:n])
		w.mu.Unlock()
		if _, werr := s.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// operations counts what was asked of the directory, by the tag of RFC 4511.
func (w *wire) operations(t *testing.T) map[ber.Tag]int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[ber.Tag]int)
	for _, kept := range w.sent {
		for r := bytes.NewReader(kept.Bytes()); r.Len() > 0; {
			p, err := ber.ReadPacket(r)
			if err != nil || len(p.Children) < 2 {
				t.Fatalf("what was sent is not LDAP: %v", err)
			}
			all[p.Children[1].Tag]++
		}
	}
	return all
}

// startWard is a Foregate whose people are in a slapd, in clear text, so that the wire
// can be read.
func startWard(t *testing.T) (*foregate, *wire) {
	t.Helper()
	d := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: strings.Join([]string{
		"dn: " + ldaptest.PersonDN("erin"), "objectClass: inetOrgPerson", "uid: erin", "cn: Erin", "sn: Test", "userPassword: " + expiredPassword,
		"pwdPolicySubentry: cn=old,ou=policies," + ldaptest.Base, "pwdChangedTime: 20200101000000Z", "", "",
	}, "\n")})
	w := newWire(t, strings.TrimPrefix(d.Plain, "ldap://"))
	f := start(t, options{users: fmt.Sprintf(`
  - name: ward
    ldap: {preset: openldap, servers: ["ldap://%s"], insecure_plain: true, bind_dn: %q, bind_password: %q, base_dn: %q}
    admit: {account: create}`, w.address, ldaptest.Service, ldaptest.ServicePassword, ldaptest.Base)})
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "    methods: [local]\n", "    methods: [ward]\n    basic: {method: ward}\n", 1)
	})
	f.restart()
	return f, w
}

// adminSocket asks the operator's API as the owner of the socket does.
func (f *foregate) adminSocket(target string) string {
	f.t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(f.dir, "data", "admin.sock"))
	}}}
	defer c.CloseIdleConnections()
	resp, err := c.Get("http://foregate" + target)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("%s: %s %s, %v", target, resp.Status, body, err)
	}
	return string(body)
}

// TestPasswordsOfTheDirectoryAreNowhere: not in the log at its most talkative, the
// database and its journal, the figures and what the operator is shown; and nothing
// that writes is sent to the directory.
func TestPasswordsOfTheDirectoryAreNowhere(t *testing.T) {
	t.Parallel()
	f, w := startWard(t)
	const wrong = "planted-Wrong-3!"
	try := func(user, password string) answer {
		b := newBrowser(f)
		return b.submit(b.get("/sso/sign-in?rd=/"), url.Values{"username": {user}, "password": {password}})
	}
	newBrowser(f).signIn("alice", ldaptest.Password, "/")
	if resp := try("alice", wrong); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password: %s", resp.Status)
	}
	if resp := try("erin", expiredPassword); !strings.Contains(resp.body, "expired") {
		t.Errorf("an expired password: %s %s", resp.Status, resp.body)
	}
	try(wrong, wrong) // a password in the place of the name
	for _, password := range []string{ldaptest.Password, wrong} {
		field := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("bob:"+password))
		got := f.get("/x", "", field)
		if ok := strings.HasPrefix(got, "HTTP/1.1 200 "); ok != (password != wrong) {
			t.Errorf("HTTP Basic: %.200s", got)
		}
	}
	for _, head := range f.up.take() {
		if len(values(head, "Authorization")) > 0 {
			t.Error("the application was sent an Authorization header")
		}
	}
	out, err := exec.Command(binary, "accounts", "refresh", "-c", filepath.Join(f.dir, "foregate.yaml"), "--method", "ward").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "2 of them with an account") {
		t.Fatalf("refresh: %v %s", err, out)
	}
	if got := f.adminSocket("/api/v1/methods"); !strings.Contains(got, `"whole": true`) && !strings.Contains(got, `"whole":true`) || !strings.Contains(got, `"compared"`) {
		t.Errorf("the operator is not told of the comparison: %s", got)
	}
	places := map[string]string{"the figures": f.adminPage("/metrics"), "the refresh": string(out)}
	for _, target := range []string{"/api/v1/config", "/api/v1/methods", "/api/v1/accounts", "/api/v1/audit", "/api/v1/sessions"} {
		places[target] = f.adminSocket(target)
	}
	read := func() {
		files, err := filepath.Glob(filepath.Join(f.dir, "data", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
				continue
			}
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			places[filepath.Base(name)+fmt.Sprint(" ", len(places))] = string(content)
		}
	}
	read() // with the journal, while it runs
	f.stop()
	read()
	places["the log"] = f.logs.String()
	if !strings.Contains(places["the log"], `"level":"DEBUG"`) && !strings.Contains(places["the log"], "password refused") {
		t.Error("the log tells nothing")
	}
	var secrets []string
	for _, s := range []string{ldaptest.Password, wrong, expiredPassword, ldaptest.ServicePassword} {
		secrets = append(secrets, s, url.QueryEscape(s), base64.StdEncoding.EncodeToString([]byte("bob:"+s)))
	}
	for where, text := range places {
		for _, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds %q: …%q", where, secret, text[max(0, at-100):min(len(text), at+60)])
			}
		}
	}
	asked := w.operations(t)
	for op, n := range asked {
		switch op {
		case ldap.ApplicationBindRequest, ldap.ApplicationUnbindRequest, ldap.ApplicationSearchRequest, ldap.ApplicationAbandonRequest:
		default:
			t.Errorf("%d requests of kind %d, which may write", n, op)
		}
	}
	if asked[ldap.ApplicationBindRequest] < 5 || asked[ldap.ApplicationSearchRequest] < 5 {
		t.Errorf("the wire shows too little: %v", asked)
	}
	t.Logf("looked in %d places; asked: %d binds, %d searches", len(places), asked[ldap.ApplicationBindRequest], asked[ldap.ApplicationSearchRequest])
}
