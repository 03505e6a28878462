package world

import (
	"github.com/go-ldap/ldap/v3"

	"foregate/internal/ldaptest"
)

// WardGroups are the six groups, the most powerful first.
var WardGroups = []string{"Administrator", "Manager", "Physician", "Nurse", "Assistant", "Viewer"}

func wardwatch(w *World) {
	at := w.host("wardwatch.hospital.example", "wardwatch")
	w.Domain = ldaptest.AD(w.T)
	l := w.Domain.Admin(w.T)
	defer l.Close()
	for _, name := range WardGroups {
		if !known(w, l, "Wardwatch_"+name) { // the domain is that of all tests
			w.Domain.AddGroup(w.T, l, "Wardwatch_"+name)
		}
	}
	w.swap(`servers: ["ldaps://dc1.hospital.example", "ldaps://dc2.hospital.example"]`, `servers: ["`+w.Domain.Address+`"]`+"\n      ca: "+w.Domain.PKI.CA)
	w.swap("bind_dn: CN=Foregate,OU=Services,DC=hospital,DC=example", "bind_dn: "+ldaptest.ADService)
	w.secret("secrets/ldap", ldaptest.ServicePassword)
	w.swap("base_dn: DC=hospital,DC=example", "base_dn: "+ldaptest.ADBase)
	w.swap("names: {domains: [hospital.example], netbios: [HOSPITAL]}", "names: {domains: [ad.example], netbios: ["+ldaptest.ADDomain+"]}")
	w.swap("refresh: {every: 2h}", "refresh: {every: 2h}\n      page_size: 10") // there are no thousand people here
	w.Notes = []string{
		"Open " + at + " and sign in as nina (a nurse) or adam (an administrator), password " + ldaptest.Password + ".",
		"bob is disabled, erin's password has expired, alice is in no group: each is told so.",
	}
}

func known(w *World, l *ldap.Conn, name string) bool {
	w.T.Helper()
	found, err := l.Search(ldap.NewSearchRequest(ldaptest.ADPeople, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 1, 10, false,
		"(sAMAccountName="+ldap.EscapeFilter(name)+")", []string{"dn"}, nil))
	if err != nil {
		w.T.Fatal(err)
	}
	return len(found.Entries) > 0
}

// Join puts somebody into one of the groups, and Leave takes them out: what an
// administrator of the domain does.
func (w *World) Join(group, dn string) {
	w.T.Helper()
	w.member(group, func(r *ldap.ModifyRequest) { r.Add("member", []string{dn}) })
}

// Leave is the opposite of Join.
func (w *World) Leave(group, dn string) {
	w.T.Helper()
	w.member(group, func(r *ldap.ModifyRequest) { r.Delete("member", []string{dn}) })
}

func (w *World) member(group string, change func(*ldap.ModifyRequest)) {
	w.T.Helper()
	l := w.Domain.Admin(w.T)
	defer l.Close()
	r := ldap.NewModifyRequest("CN=Wardwatch_"+group+","+ldaptest.ADPeople, nil)
	change(r)
	if err := l.Modify(r); err != nil {
		w.T.Fatal(err)
	}
}

// Hire adds somebody to the domain and returns their DN.
func (w *World) Hire(name string) string {
	w.T.Helper()
	l := w.Domain.Admin(w.T)
	defer l.Close()
	return w.Domain.AddUser(w.T, l, name)
}
