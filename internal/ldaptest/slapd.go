package ldaptest

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/test/free"
)

// What is in a slapd.
const (
	Base            = "dc=hospital,dc=example"
	People          = "ou=people," + Base
	Service         = "cn=foregate," + Base
	ServicePassword = "only-reads-1"
	Password        = "Secret-1!" // of all people
)

// Slapd is a running slapd.
type Slapd struct {
	process
	Plain string // ldap://127.0.0.1:…, which also speaks StartTLS
	TLS   string // ldaps://127.0.0.1:…
	PKI   *PKI
}

// Options are for StartSlapd.
type Options struct {
	People   int    // u00000 and so on, beside alice and bob
	Names    string // of the people, in place of u%05d
	Global   string // lines of slapd.conf before the database
	Database string // lines of slapd.conf within it
	LDIF     string // further entries
	Expired  bool   // the server's certificate is no longer valid
	Host     string // the server's certificate is for this host
}

// StartSlapd starts one with alice and bob, whose groups are to be added by AddGroup.
// Without slapd the test is skipped, and on CI it fails.
func StartSlapd(t testing.TB, o Options) *Slapd {
	t.Helper()
	need(t, "slapd", "slapadd")
	dir := t.TempDir()
	s := &Slapd{PKI: NewPKI(t, dir)}
	until, host := time.Now().Add(24*time.Hour), "127.0.0.1"
	if o.Expired {
		until = time.Now().Add(-time.Hour)
	}
	if o.Host != "" {
		host = o.Host
	}
	cert, key := s.PKI.Issue(t, "server", until, host)
	conf := filepath.Join(dir, "slapd.conf")
	write(t, conf, configuration(dir, cert, key, s.PKI.CA, o))
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, seed(o), "slapadd", "-q", "-f", conf)
	s.Plain, s.TLS = "ldap://"+address(t), "ldaps://"+address(t)
	s.name, s.args = "slapd", []string{"-f", conf, "-h", s.Plain + " " + s.TLS, "-d", "0"}
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

// Start starts the server again, on its old addresses and with its data.
func (s *Slapd) Start(t testing.TB) {
	t.Helper()
	s.start(t)
	Eventually(t, "slapd answers", func() bool { return answers(s.Plain, nil) })
}

// Admin is a connection that may do everything.
func (s *Slapd) Admin(t testing.TB) *ldap.Conn {
	t.Helper()
	return dial(t, s.Plain, &tls.Config{MinVersion: tls.VersionTLS12}, "cn=admin,"+Base, "admin")
}

// AddGroup adds a groupOfNames below ou=groups.
func AddGroup(t testing.TB, l *ldap.Conn, name string, members ...string) string {
	t.Helper()
	dn := "cn=" + ldap.EscapeDN(name) + ",ou=groups," + Base
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"groupOfNames"})
	r.Attribute("member", members)
	if err := l.Add(r); err != nil {
		t.Fatal(err)
	}
	return dn
}

// PersonDN is the DN of a person in a slapd.
func PersonDN(user string) string { return "uid=" + user + "," + People }

func configuration(dir, cert, key, ca string, o Options) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "nis", "inetorgperson"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	fmt.Fprintf(&b, "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\nmoduleload ppolicy\n")
	fmt.Fprintf(&b, "pidfile %s/slapd.pid\nTLSCACertificateFile %s\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\nsizelimit 1000\n%s\n", dir, ca, cert, key, o.Global)
	fmt.Fprintf(&b, "database mdb\nsuffix %s\nrootdn cn=admin,%s\nrootpw admin\ndirectory %s/db\nmaxsize 1073741824\n", Base, Base, dir)
	b.WriteString("index objectClass,mail,cn,member,uniqueMember,memberOf,memberUid,entryUUID eq\nindex uid eq,sub\n")
	if !strings.Contains(o.Database, "limits") {
		fmt.Fprintf(&b, "limits dn.exact=%q size.soft=1000 size.hard=1000 size.pr=500 size.prtotal=unlimited\n", Service)
	}
	b.WriteString(o.Database + "\n")
	b.WriteString("access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth by * none\n")
	b.WriteString("overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member\nmemberof-memberof-ad memberOf\nmemberof-refint true\n")
	fmt.Fprintf(&b, "overlay ppolicy\nppolicy_default cn=default,ou=policies,%s\nppolicy_use_lockout\n", Base)
	return b.String()
}

func seed(o Options) string {
	var b strings.Builder
	entry := func(dn string, lines ...string) {
		fmt.Fprintf(&b, "dn: %s\n%s\n\n", dn, strings.Join(lines, "\n"))
	}
	entry(Base, "objectClass: dcObject", "objectClass: organization", "o: Hospital", "dc: hospital")
	for _, ou := range []string{"people", "groups", "policies"} {
		entry("ou="+ou+","+Base, "objectClass: organizationalUnit", "ou: "+ou)
	}
	entry("cn=default,ou=policies,"+Base, "objectClass: pwdPolicy", "objectClass: organizationalRole", "cn: default",
		"pwdAttribute: userPassword", "pwdLockout: TRUE", "pwdMaxFailure: 10", "pwdLockoutDuration: 60", "pwdFailureCountInterval: 60", "pwdMustChange: TRUE")
	entry("cn=old,ou=policies,"+Base, "objectClass: pwdPolicy", "objectClass: organizationalRole", "cn: old",
		"pwdAttribute: userPassword", "pwdMaxAge: 1", "pwdGraceAuthnLimit: 0")
	entry(Service, "objectClass: organizationalRole", "objectClass: simpleSecurityObject", "cn: foregate", "userPassword: "+ServicePassword)
	names := []string{"alice", "bob"}
	pattern := o.Names
	if pattern == "" {
		pattern = "u%05d"
	}
	for i := range o.People {
		names = append(names, fmt.Sprintf(pattern, i))
	}
	for _, u := range names {
		entry(PersonDN(u), "objectClass: inetOrgPerson", "uid: "+u, "cn: "+u+" Test", "sn: Test", "givenName: "+u,
			"mail: "+u+"@hospital.example", "userPassword: "+Password)
	}
	b.WriteString(o.LDIF)
	return b.String()
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func address(t testing.TB) string {
	t.Helper()
	a, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}
