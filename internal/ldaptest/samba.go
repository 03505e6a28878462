package ldaptest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// What is in the domain.
const (
	ADBase     = "DC=ad,DC=example"
	ADPeople   = "OU=People," + ADBase
	ADService  = "foregate@ad.example"
	ADDomain   = "HOSPITAL" // short name
	ADLockout  = 3          // wrong passwords lock an account
	adminLogin = "administrator@ad.example"
	adminWord  = "Adm1n-Passw0rd!"
)

// DC is a running domain controller of a domain ad.example. In it are alice and dave,
// who are well, bob, who is disabled, carol, who must change her password, erin,
// whose password has expired, and frank, whose account has ended. alice is in
// g-inner, which is in g-middle, which is in g-outer, which is in g-inner.
type DC struct {
	process
	Address string // ldaps://127.…
	PKI     *PKI

	dir string
	ip  string
}

// shared is the one domain of a package's tests, and what to remove after them.
var shared struct {
	sync.Mutex // guards dc
	dc         *DC

	all  sync.Mutex // guards what follows
	dirs []string
	dcs  []*DC
}

// Main runs tests and then ends the domain. A package that calls AD does in its
// TestMain: os.Exit(ldaptest.Main(m)).
func Main(m *testing.M) int {
	status := m.Run()
	End()
	return status
}

// End ends the domain and its copies, for a program that is no test.
func End() {
	shared.all.Lock()
	defer shared.all.Unlock()
	for _, dc := range shared.dcs {
		dc.Kill()
	}
	for _, dir := range shared.dirs {
		_ = os.RemoveAll(dir)
	}
}

// AD is the domain controller that the tests of a package share. Without Samba, or
// without the rights that it needs, the test is skipped, and on CI it fails.
func AD(t testing.TB) *DC {
	t.Helper()
	need(t, "samba", "samba-tool", "ldbadd", "ldbmodify")
	if os.Geteuid() != 0 {
		missing(t, "a domain controller needs root: its ports and its access lists")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.dc == nil {
		shared.dc = provision(t)
	}
	if shared.dc.cmd == nil {
		shared.dc.Start(t)
	}
	return shared.dc
}

// Twin starts a copy of the domain as it is now, as a second controller that nothing
// is replicated to.
func (d *DC) Twin(t testing.TB) *DC {
	t.Helper()
	twin := &DC{dir: tempDir(t), PKI: d.PKI}
	if out, err := exec.Command("cp", "-a", d.dir+"/private", d.dir+"/state", twin.dir+"/").CombinedOutput(); err != nil {
		t.Fatalf("copy the domain: %v: %s", err, out)
	}
	twin.configure(t, "dc2")
	twin.Start(t)
	t.Cleanup(twin.Kill)
	return twin
}

// Start starts the controller again, on its old address and with its data.
func (d *DC) Start(t testing.TB) {
	t.Helper()
	d.start(t)
	started(d)
	trust := Trust(t, d.PKI.CA, d.ip)
	Eventually(t, "the domain controller answers", func() bool { return answers(d.Address, trust) })
}

// Admin is a connection that may do everything.
func (d *DC) Admin(t testing.TB) *ldap.Conn {
	t.Helper()
	return dial(t, d.Address, Trust(t, d.PKI.CA, d.ip), adminLogin, adminWord)
}

// AddUser adds a person with the usual password, and returns the DN.
func (d *DC) AddUser(t testing.TB, l *ldap.Conn, name string) string {
	t.Helper()
	dn := ADPersonDN(name)
	r := ldap.NewAddRequest(dn, nil)
	for a, v := range map[string]string{
		"objectClass": "user", "sAMAccountName": name, "userPrincipalName": name + "@ad.example", "sn": "Test", "givenName": name,
		"mail": name + "@hospital.example", "userAccountControl": "512", "unicodePwd": quoted(Password),
	} {
		r.Attribute(a, []string{v})
	}
	if err := l.Add(r); err != nil {
		t.Fatal(err)
	}
	return dn
}

// AddGroup adds a security group and returns its DN.
func (d *DC) AddGroup(t testing.TB, l *ldap.Conn, name string, members ...string) string {
	t.Helper()
	dn := "CN=" + ldap.EscapeDN(name) + "," + ADPeople
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"group"})
	r.Attribute("sAMAccountName", []string{name})
	if len(members) > 0 {
		r.Attribute("member", members)
	}
	if err := l.Add(r); err != nil {
		t.Fatal(err)
	}
	return dn
}

// SetPassword sets a person's password as an administrator does.
func (d *DC) SetPassword(t testing.TB, l *ldap.Conn, name, password string) {
	t.Helper()
	r := ldap.NewModifyRequest(ADPersonDN(name), nil)
	r.Replace("unicodePwd", []string{quoted(password)})
	if err := l.Modify(r); err != nil {
		t.Fatal(err)
	}
}

// Disable disables a person's account.
func (d *DC) Disable(t testing.TB, l *ldap.Conn, name string) {
	t.Helper()
	r := ldap.NewModifyRequest(ADPersonDN(name), nil)
	r.Replace("userAccountControl", []string{"514"})
	if err := l.Modify(r); err != nil {
		t.Fatal(err)
	}
}

// ADPersonDN is the DN of a person in the domain.
func ADPersonDN(name string) string { return "CN=" + name + " Test," + ADPeople }

// provision makes the domain and starts it.
func provision(t testing.TB) *DC {
	t.Helper()
	d := &DC{dir: tempDir(t)}
	d.PKI = NewPKI(t, d.dir)
	run(t, "", "samba-tool", "domain", "provision", "--server-role=dc", "--dns-backend=NONE", "--realm=AD.EXAMPLE", "--domain="+ADDomain,
		"--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass="+adminWord, "--targetdir="+d.dir, "--quiet")
	d.configure(t, "dc1")
	sam := filepath.Join(d.dir, "private", "sam.ldb")
	run(t, people(), "ldbadd", "-H", sam)
	run(t, states(), "ldbmodify", "-H", sam)
	// pwdLastSet is read-only but for this control.
	run(t, ldif("CN=erin Test,"+ADPeople, "changetype: modify", "replace: pwdLastSet", fmt.Sprintf("pwdLastSet: %d", fileTime(time.Now().AddDate(0, 0, -100)))),
		"ldbmodify", "-H", sam, "--controls=local_oid:1.3.6.1.4.1.7165.4.3.12:0")
	d.Start(t)
	return d
}

// configure writes the controller's own configuration, below its own address.
func (d *DC) configure(t testing.TB, name string) {
	t.Helper()
	d.ip = someAddress(t)
	d.Address = "ldaps://" + d.ip
	for _, folder := range []string{"run", "cache", "state"} {
		if err := os.MkdirAll(filepath.Join(d.dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := d.PKI.Issue(t, name+"-"+d.ip, time.Now().Add(24*time.Hour), d.ip, name+".ad.example")
	conf := filepath.Join(d.dir, "smb.conf")
	write(t, conf, strings.NewReplacer("DIR", d.dir, "IP", d.ip, "NAME", name, "CERT", cert, "KEY", key, "CA", d.PKI.CA).Replace(`[global]
netbios name = NAME
realm = AD.EXAMPLE
workgroup = `+ADDomain+`
server role = active directory domain controller
server services = ldap, kdc
interfaces = IP/8
bind interfaces only = yes
disable netbios = yes
private dir = DIR/private
state directory = DIR/state
cache directory = DIR/cache
lock directory = DIR
pid directory = DIR/run
ncalrpc dir = DIR/run/ncalrpc
ntp signd socket directory = DIR/run/ntp
winbindd socket directory = DIR/run/winbindd
binddns dir = DIR/bind-dns
log file = DIR/log.samba
logging = file
tls enabled = yes
tls certfile = CERT
tls keyfile = KEY
tls cafile = CA
`))
	d.name, d.args = "samba", []string{"-s", conf, "-F", "-M", "single", "--no-process-group", "--debug-stdout"}
}

// people are the entries of the domain beside its own.
func people() string {
	var b strings.Builder
	b.WriteString(ldif(ADPeople, "objectClass: organizationalUnit"))
	for _, u := range []string{"alice", "bob", "carol", "dave", "erin", "frank", "foregate"} {
		password := Password
		if u == "foregate" {
			password = ServicePassword
		}
		b.WriteString(ldif(ADPersonDN(u), "objectClass: user", "sAMAccountName: "+u, "userPrincipalName: "+u+"@ad.example", "sn: Test", "givenName: "+u,
			"displayName: "+u+" Test", "mail: "+u+"@hospital.example", "userAccountControl: 512",
			"unicodePwd:: "+base64.StdEncoding.EncodeToString([]byte(quoted(password)))))
	}
	for _, g := range []string{"g-inner", "g-middle", "g-outer"} {
		b.WriteString(ldif("CN="+g+","+ADPeople, "objectClass: group", "sAMAccountName: "+g))
	}
	return b.String()
}

// states are what makes the people different, and the lockout of the domain.
func states() string {
	modify := func(dn string, lines ...string) string {
		return ldif(dn, append([]string{"changetype: modify"}, lines...)...)
	}
	member := func(group, dn string) string {
		return modify("CN="+group+","+ADPeople, "add: member", "member: "+dn)
	}
	return modify(ADBase, "replace: lockoutThreshold", fmt.Sprintf("lockoutThreshold: %d", ADLockout), "-",
		"replace: lockoutDuration", "lockoutDuration: -18000000000", "-",
		"replace: lockOutObservationWindow", "lockOutObservationWindow: -18000000000", "-",
		"replace: minPwdAge", "minPwdAge: 0", "-", "replace: pwdHistoryLength", "pwdHistoryLength: 0") +
		modify(ADPersonDN("bob"), "replace: userAccountControl", "userAccountControl: 514") +
		modify(ADPersonDN("carol"), "replace: pwdLastSet", "pwdLastSet: 0") +
		modify(ADPersonDN("frank"), "replace: accountExpires", fmt.Sprintf("accountExpires: %d", fileTime(time.Now().Add(-time.Hour)))) +
		member("g-inner", ADPersonDN("alice")) +
		member("g-middle", "CN=g-inner,"+ADPeople) +
		member("g-outer", "CN=g-middle,"+ADPeople) +
		member("g-inner", "CN=g-outer,"+ADPeople)
}

func ldif(dn string, lines ...string) string {
	return "dn: " + dn + "\n" + strings.Join(lines, "\n") + "\n\n"
}

// fileTime counts in 100 ns since 1601.
func fileTime(t time.Time) int64 { return (t.Unix() + 11_644_473_600) * 10_000_000 }

// quoted is a password as Active Directory is given it.
func quoted(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}

// someAddress is a loopback address of its own: the ports are fixed.
func someAddress(t testing.TB) string {
	t.Helper()
	var b [3]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.%d.%d.%d", 100+b[0]%100, b[1], 1+b[2]%250)
}

// started has Main end a controller.
func started(d *DC) {
	shared.all.Lock()
	defer shared.all.Unlock()
	shared.dcs = append(shared.dcs, d)
}

// tempDir is a folder that is removed after all tests of the package.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "foregate-ad-")
	if err != nil {
		t.Fatal(err)
	}
	shared.all.Lock()
	defer shared.all.Unlock()
	shared.dirs = append(shared.dirs, dir)
	return dir
}
