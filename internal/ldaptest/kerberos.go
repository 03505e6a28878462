package ldaptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Realm is the domain's name in Kerberos.
const Realm = "AD.EXAMPLE"

// Service makes an account for a web service on host and returns the file of its keys.
func (d *DC) Service(t testing.TB, host string) (keytab string) {
	t.Helper()
	need(t, "samba-tool", "kinit", "kvno")
	l := d.Admin(t)
	name := "svc-" + host
	r := ldap.NewAddRequest("CN="+name+","+ADPeople, nil)
	for a, v := range map[string]string{
		"objectClass": "user", "sAMAccountName": name[:min(len(name), 20)], "servicePrincipalName": "HTTP/" + host,
		"userAccountControl": "512", "unicodePwd": quoted(ServicePassword),
		"msDS-SupportedEncryptionTypes": "24", // AES; without it tickets are encrypted with RC4
	} {
		r.Attribute(a, []string{v})
	}
	if err := l.Add(r); err != nil {
		t.Fatal(err)
	}
	keytab = filepath.Join(t.TempDir(), "http.keytab")
	run(t, "", "samba-tool", "domain", "exportkeytab", keytab, "--principal=HTTP/"+host, "-s", filepath.Join(d.dir, "smb.conf"))
	return keytab
}

// Ticket is what programs need in their environment to be somebody of the domain, who
// has just signed in with the usual password. options are those of kinit.
func (d *DC) Ticket(t testing.TB, user string, options ...string) []string {
	t.Helper()
	need(t, "kinit")
	dir := t.TempDir()
	conf := filepath.Join(dir, "krb5.conf")
	write(t, conf, strings.NewReplacer("IP", d.ip, "REALM", Realm).Replace(`[libdefaults]
default_realm = REALM
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
REALM = {
  kdc = IP:88
}
[domain_realm]
.ad.example = REALM
`))
	env := append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5CCNAME=FILE:"+filepath.Join(dir, "cc"))
	cmd := exec.CommandContext(t.Context(), "kinit", append(options, user+"@"+Realm)...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(Password+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v: %s", err, out)
	}
	return env
}
