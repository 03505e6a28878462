package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	directoryPeople   = 2500
	directoryUser     = "u%05d"
	directoryPassword = "Secret-1!"
	directoryBase     = "dc=hospital,dc=example"
)

// startSlapd starts a directory with directoryPeople people, on the load's core.
func (s *stand) startSlapd() (*process, error) {
	for _, program := range []string{"slapd", "slapadd"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "slapd-files")
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "slapd.conf")
	if err := os.WriteFile(conf, []byte(slapdConfig(dir)), 0o600); err != nil {
		return nil, err
	}
	add := exec.CommandContext(s.ctx, "slapadd", "-q", "-f", conf)
	add.Stdin = strings.NewReader(directoryEntries())
	if out, err := add.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("slapadd: %w: %.500s", err, bytes.TrimSpace(out))
	}
	p, err := s.launch(s.loadCore, "slapd", nil, "slapd", "-f", conf, "-h", "ldap://"+addr, "-d", "0")
	if err != nil {
		return nil, err
	}
	p.addrs = []string{addr}
	return p, s.answering(p, addr)
}

func slapdConfig(dir string) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	fmt.Fprintf(&b, "modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile %s/pid\n", dir)
	fmt.Fprintf(&b, "database mdb\nsuffix %s\ndirectory %s/db\nmaxsize 268435456\n", directoryBase, dir)
	b.WriteString("index objectClass,member,uniqueMember,memberUid,mail,uid eq\n")
	b.WriteString("access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth by * none\n")
	return b.String()
}

func directoryEntries() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: Hospital\ndc: hospital\n\n", directoryBase)
	fmt.Fprintf(&b, "dn: cn=foregate,%s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: foregate\nuserPassword: %s\n\n", directoryBase, directoryPassword)
	for i := range directoryPeople {
		u := fmt.Sprintf(directoryUser, i)
		fmt.Fprintf(&b, "dn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: Test\nuserPassword: %s\n\n", u, directoryBase, u, u, directoryPassword)
	}
	return b.String()
}
