package ldap

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jimlambrt/gldap"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// staysOut checks that nobody can sign in, for a reason that the log has, and that
// no password was sent in clear text.
func staysOut(t *testing.T, c Config, tp *tap, reason string) {
	t.Helper()
	b := newBench(t, c)
	reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward)
	if reply != nil || status(t, err) != 503 {
		t.Errorf("sign in = %v, %v, want an error of 503", reply, err)
	}
	if err != nil && !strings.Contains(err.Error(), reason) {
		t.Errorf("the error %q does not say %q", err, reason)
	}
	waitFor(t, "the method is not healthy", func() bool { return b.Health() != nil })
	if sent := tp.bytes(); strings.Contains(sent, ldaptest.Password) || strings.Contains(sent, ldaptest.ServicePassword) {
		t.Error("a password was sent in clear text")
	}
	if n := len(b.tries.Counts()); n != 0 {
		t.Errorf("%d counters", n)
	}
}

func TestLD4CertificatesAreChecked(t *testing.T) {
	tests := map[string]struct {
		options ldaptest.Options
		change  func(c *Config)
		reason  string
	}{
		"wrong host":  {options: ldaptest.Options{Host: "other.hospital.example"}, reason: "doesn't contain any IP SANs"},
		"expired":     {options: ldaptest.Options{Expired: true}, reason: "expired"},
		"unknown CA":  {change: func(c *Config) { c.CA = "" }, reason: "unknown authority"},
		"server_name": {change: func(c *Config) { c.ServerName = "dc1.hospital.example" }, reason: "dc1.hospital.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, test.options)
			for _, startTLS := range []bool{false, true} {
				server, scheme := s.TLS, "ldaps://"
				if startTLS {
					server, scheme = s.Plain, "ldap://"
				}
				tp := newTap(t, server)
				c := onSlapd(s)
				c.StartTLS = startTLS
				c.Servers = []string{scheme + strings.TrimPrefix(tp.URL, "ldap://")}
				if test.change != nil {
					test.change(&c)
				}
				staysOut(t, c, tp, test.reason)
			}
		})
	}
}

func TestStartTLSEncrypts(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{Global: "security simple_bind=128"})
	tp := newTap(t, s.Plain)
	c := onSlapd(s)
	c.StartTLS, c.Servers = true, []string{tp.URL}
	b := newBench(t, c)
	b.enters(t, "alice", ldaptest.Password)
	b.refuses(t, "alice", "wrong", noMatch)
	if sent := tp.bytes(); strings.Contains(sent, ldaptest.Password) || strings.Contains(sent, "alice") || sent == "" {
		t.Error("something was sent in clear text, or nothing at all")
	}
}

func TestServerNameOfTheCertificate(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{Host: "dc1.hospital.example"})
	c := onSlapd(s)
	c.ServerName = "dc1.hospital.example"
	newBench(t, c).enters(t, "alice", ldaptest.Password)
}

func TestLD4StartTLSRefusedIsNoWayIn(t *testing.T) {
	// gldap answers an extended operation that it does not know with an error.
	f := fake{bind: says(gldap.ResultSuccess, ""), search: knows(fakeAlice)}
	tp := newTap(t, f.start(t))
	c := onFake(tp.URL)
	c.InsecurePlain, c.StartTLS = false, true
	c.BindPassword = authn.NewSecret(ldaptest.ServicePassword)
	staysOut(t, c, tp, "StartTLS")
}

func TestPlainServerThatDemandsEncryption(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{Global: "security simple_bind=128"})
	c := onSlapd(s)
	c.InsecurePlain, c.Servers = true, []string{s.Plain}
	b := newBench(t, c)
	reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward)
	if reply != nil || status(t, err) != 503 || !strings.Contains(b.out.String(), "insecure_plain is on") {
		t.Errorf("sign in = %v, %v; log:\n%s", reply, err, b.out)
	}
}

func TestLD4ReferralsAreNotFollowed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	called := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			called <- struct{}{}
		}
	}()
	url := fmt.Sprintf("ldap://%s/%s", l.Addr(), ldaptest.People)
	referral := "dn: cn=elsewhere," + ldaptest.People + "\nobjectClass: referral\nobjectClass: extensibleObject\ncn: elsewhere\nref: " + url + "\n\n"
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: referral})
	b := newBench(t, onSlapd(s))
	b.enters(t, "alice", ldaptest.Password) // among the results is the reference
	b.refuses(t, "nobody", ldaptest.Password, noMatch)

	// The whole answer is a referral.
	c := onSlapd(s)
	c.BaseDN = "cn=elsewhere," + ldaptest.People
	reply, err := newBench(t, c).signIn(t.Context(), "alice", ldaptest.Password, ward)
	if reply != nil || status(t, err) != 503 {
		t.Errorf("sign in = %v, %v, want an error of 503", reply, err)
	}
	select {
	case <-called:
		t.Error("a referral was followed")
	case <-time.After(200 * time.Millisecond):
	}
}

func TestServiceAccountIsNotLockedByUs(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	c := onTap(tp)
	c.BindPassword = authn.NewSecret("no longer right")
	b := newBench(t, c)
	for range 20 {
		if _, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward); status(t, err) != 503 || !strings.Contains(err.Error(), "cannot sign in") {
			t.Fatalf("sign in = %v, want an error of 503", err)
		}
	}
	if n := len(tp.binds(t)); n != 1 {
		t.Errorf("%d binds with a wrong password, want one in half a minute", n)
	}
	if b.Health() == nil {
		t.Error("the method is healthy")
	}
}
