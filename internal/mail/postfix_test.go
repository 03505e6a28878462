package mail

import (
	"bytes"
	netmail "net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/internal/mailtest"
	"foregate/test/free"
)

const postfixMain = `compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test.example
mydestination =
alias_maps =
maillog_file = DIR/log
maillog_file_prefixes = DIR
virtual_mailbox_domains = hospital.example
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
smtpd_tls_cert_file = DIR/cert.pem
smtpd_tls_key_file = DIR/key.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
cyrus_sasl_config_path = DIR/etc/sasl
smtpd_sasl_local_domain = hospital.example
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_non_fqdn_helo_hostname
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
default_transport = error:no way out of this test
`

const postfixMaster = `ADDRESS inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
`

const saslSMTPD = `pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: DIR/etc/sasldb2
mech_list: PLAIN LOGIN
`

// postfix is a real mail server with a folder of its own.
type postfix struct{ dir, addr string }

func startPostfix(t *testing.T) postfix {
	t.Helper()
	for _, program := range []string{"postfix", "saslpasswd2"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed")
		}
	}
	if os.Getuid() != 0 {
		missing(t, "postfix starts as root only")
	}
	addr, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: postfix's own user must be able to walk into it.
	dir, err := os.MkdirTemp("", "postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := postfix{dir, addr}
	fill := strings.NewReplacer("DIR", dir, "ADDRESS", addr)
	writeFile(t, filepath.Join(dir, "etc", "main.cf"), fill.Replace(postfixMain))
	writeFile(t, filepath.Join(dir, "etc", "master.cf"), fill.Replace(postfixMaster))
	writeFile(t, filepath.Join(dir, "etc", "sasl", "smtpd.conf"), fill.Replace(saslSMTPD))
	certFile, keyFile := mailtest.Certificate(t, false)
	for from, to := range map[string]string{certFile: "cert.pem", keyFile: "key.pem"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, to), string(text))
	}
	for _, name := range []string{"spool", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.run(t, "s3cret\n", "saslpasswd2", "-p", "-c", "-f", filepath.Join(dir, "etc", "sasldb2"), "-u", "hospital.example", "foregate")
	p.give(t, "postfix", "etc/sasldb2", "data")
	p.give(t, "nobody", "mail")
	for _, name := range []string{".", "etc", "etc/main.cf", "etc/master.cf", "etc/sasl", "etc/sasl/smtpd.conf"} {
		mode := os.FileMode(0o755)
		if strings.Contains(name, ".c") {
			mode = 0o644
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = exec.Command("postfix", "-c", filepath.Join(dir, "etc"), "stop").Run() })
	p.run(t, "", "postfix", "-c", filepath.Join(dir, "etc"), "start")
	return p
}

// run runs a program to its end.
func (p postfix) run(t *testing.T, in, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", program, err, out, p.log())
	}
}

func (p postfix) log() []byte {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return text
}

// give makes somebody the owner of files.
func (p postfix) give(t *testing.T, to string, names ...string) {
	t.Helper()
	who, err := user.Lookup(to)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	for _, name := range names {
		if err := os.Chown(filepath.Join(p.dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

// missing skips a test, and fails it where everything should be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what + ": run test/needs")
	}
	t.Skip(what + ": run test/needs")
}

func TestLetterThroughPostfix(t *testing.T) {
	server := startPostfix(t)
	c := Config{
		SMTP: SMTP{Address: server.addr, CA: authn.Path(filepath.Join(server.dir, "cert.pem")), Username: "foregate", Password: authn.NewSecret("s3cret")},
		From: "Careplan <no-reply@signin.careplan.example>", Queue: 10,
	}
	m, log := start(t, c, quick)
	if err := m.Send(t.Context(), letterTo("nobody@elsewhere.example")); err != nil { // no way there
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	var files []string
	until(t, "the letter is in the mailbox", func() bool {
		files, _ = filepath.Glob(filepath.Join(server.dir, "mail", "inbox", "new", "*"))
		return len(files) == 1
	})
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Delivered-To": alice, "Return-Path": "<no-reply@signin.careplan.example>", "Subject": "Your code for Careplan",
		"From": `"Careplan" <no-reply@signin.careplan.example>`, "Auto-Submitted": "auto-generated",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if received := strings.Join(got.Header["Received"], "\n"); !strings.Contains(received, "ESMTPSA") || !strings.Contains(received, "from signin.careplan.example") {
		t.Errorf("Received: %s, want TLS and a sign-in", received)
	}
	if text, html := bodies(t, got); !strings.Contains(text, "012345") || !strings.Contains(html, "012345") {
		t.Errorf("letter:\n%s", raw)
	}
	until(t, "both letters are counted", func() bool { return m.Stats() == Stats{Sent: 1, Dropped: 1} })
	if m.Health() != nil {
		t.Errorf("Health %v, log\n%s", m.Health(), log)
	}

	c.SMTP.Password = authn.NewSecret("wrong")
	if err := m.Use(c); err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	until(t, "a wrong password is noticed", func() bool { return m.Health() != nil })
	if err := m.Health(); !strings.Contains(err.Error(), "535") {
		t.Errorf("Health %v, want 535", err)
	}
}
