package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/jimlambrt/gldap"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// groupEntries is LDIF of groups: each name with its members.
func groupEntries(groups map[string][]string) string {
	var b strings.Builder
	for name, members := range groups {
		fmt.Fprintf(&b, "dn: cn=%s,ou=groups,%s\nobjectClass: groupOfNames\ncn: %s\n", name, ldaptest.Base, name)
		for _, m := range members {
			fmt.Fprintf(&b, "member: %s\n", m)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func groupDN(name string) string { return "cn=" + name + ",ou=groups," + ldaptest.Base }

const unixGroup = "dn: cn=unix,ou=groups," + ldaptest.Base + "\nobjectClass: posixGroup\ncn: unix\ngidNumber: 7\nmemberUid: alice\n\n"

func TestGroupsOfGroupsInACircle(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: unixGroup + groupEntries(map[string][]string{
		"a": {ldaptest.PersonDN("alice")}, "b": {groupDN("a")}, "c": {groupDN("b")}, "d": {groupDN("c"), groupDN("d")}, "e": {groupDN("unix")},
		"other": {ldaptest.PersonDN("bob")},
	}) + "dn: " + groupDN("f") + "\nobjectClass: groupOfUniqueNames\ncn: f\nuniqueMember: " + ldaptest.PersonDN("alice") + "\n\n"})
	admin := s.Admin(t)
	loop := ldap.NewModifyRequest(groupDN("a"), nil)
	loop.Add("member", []string{groupDN("d")})
	if err := admin.Modify(loop); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		groups Groups
		want   []string
	}{
		"all":        {Groups{}, []string{"a", "b", "c", "d", "e", "f", "unix"}},
		"direct":     {Groups{Nesting: nestingNone}, []string{"a", "f", "unix"}},
		"kept":       {Groups{Keep: []string{"[a-c]", "un*"}}, []string{"a", "b", "c", "unix"}},
		"one class":  {Groups{Filter: "(objectClass=groupOfNames)"}, []string{"a", "b", "c", "d"}},
		"by DN":      {Groups{Nesting: nestingNone, Name: nameDN, Keep: []string{"cn=a,*"}}, []string{groupDN("a")}},
		"none":       {Groups{From: fromNone}, nil},
		"other base": {Groups{BaseDN: ldaptest.People}, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := onSlapd(s)
			c.Groups = test.groups
			if diff := cmp.Diff(test.want, newBench(t, c).enters(t, "alice", ldaptest.Password).Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupsFromMemberOf(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	admin := s.Admin(t)
	staff := ldaptest.AddGroup(t, admin, "Ward 3, night", ldaptest.PersonDN("alice"))
	above := ldaptest.AddGroup(t, admin, "above", staff)
	loop := ldap.NewModifyRequest(staff, nil)
	loop.Add("member", []string{above})
	if err := admin.Modify(loop); err != nil {
		t.Fatal(err)
	}
	for nesting, want := range map[string][]string{nestingNone: {"Ward 3, night"}, nestingWalk: {"Ward 3, night", "above"}} {
		c := onSlapd(s)
		c.Groups = Groups{From: fromMemberOf, Nesting: nesting}
		b := newBench(t, c)
		if diff := cmp.Diff(want, b.enters(t, "alice", ldaptest.Password).Groups); diff != "" {
			t.Errorf("groups, %s (-want +got):\n%s", nesting, diff)
		}
	}
	c := onSlapd(s)
	c.Groups = Groups{From: fromMemberOf, BaseDN: ldaptest.People}
	if got := newBench(t, c).enters(t, "alice", ldaptest.Password).Groups; len(got) != 0 {
		t.Errorf("groups elsewhere count: %q", got)
	}
}

func TestLD11FiveThousandGroups(t *testing.T) {
	const many = 5000
	groups := map[string][]string{"above": nil}
	for i := range many {
		groups[fmt.Sprintf("g%04d", i)] = []string{ldaptest.PersonDN("alice")}
	}
	for i := range 300 {
		groups["above"] = append(groups["above"], groupDN(fmt.Sprintf("g%04d", i*10)))
	}
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: groupEntries(groups)})
	b := newBench(t, onSlapd(s))
	start := time.Now()
	got := b.enters(t, "alice", ldaptest.Password).Groups
	t.Logf("%d groups in %v", len(got), time.Since(start))
	if len(got) != many+1 || !slices.Contains(got, "above") || !slices.Contains(got, "g4999") {
		t.Errorf("%d groups, want %d", len(got), many+1)
	}
}

func TestLD11GroupsThatAServerHoldsBackAreNotLeftOut(t *testing.T) {
	groups := map[string][]string{}
	for i := range 1500 {
		groups[fmt.Sprintf("g%04d", i)] = []string{ldaptest.PersonDN("alice")}
	}
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: groupEntries(groups), Database: `limits dn.exact="` + ldaptest.Service + `" size=1000 size.prtotal=disabled`})
	b := newBench(t, onSlapd(s))
	reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward)
	if reply != nil || status(t, err) != 503 {
		t.Errorf("sign in = %T, %v, want an error of 503", reply, err)
	}
	b.enters(t, "bob", ldaptest.Password)
}

func TestLD11RangesOfAnAttribute(t *testing.T) {
	d := ldaptest.AD(t)
	admin := d.Admin(t)
	var members []string
	for i := range 7 {
		members = append(members, d.AddUser(t, admin, fmt.Sprintf("ranged%d", i)))
	}
	dn := d.AddGroup(t, admin, "ranged", members...)
	b := newBench(t, onAD(d))
	// Samba cuts only when asked to; real Active Directory does by itself.
	for _, first := range []string{"member;range=0-0", "member;range=0-2", "member;range=0-*", "member"} {
		err := b.searches.with(t.Context(), true, func(ctx context.Context, c *conn) error {
			e := read(t, admin, dn, first)
			got, err := c.ranged(ctx, time.Minute, e, "member")
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(members)), got); diff != "" {
				t.Errorf("members after %s (-want +got):\n%s", first, diff)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLD11MemberOfInRanges(t *testing.T) {
	const many, each = 4000, 1500
	of := func(from, to int) []string {
		var all []string
		for i := from; i < to; i++ {
			all = append(all, fmt.Sprintf("CN=g%d,%s", i, fakeBase))
		}
		return all
	}
	f := fake{bind: says(gldap.ResultSuccess, ""), search: func(w *gldap.ResponseWriter, r *gldap.Request) {
		m, err := r.GetSearchMessage()
		if err == nil {
			attributes := map[string][]string{"sAMAccountName": {"alice"}, "objectGUID": {"0123456789abcdef"}}
			switch {
			case slices.Contains(m.Attributes, "memberOf"):
				attributes["memberOf"] = nil
				attributes["memberOf;range=0-1499"] = of(0, each)
			case slices.Contains(m.Attributes, "memberOf;range=1500-*"):
				attributes["memberOf;range=1500-2999"] = of(each, 2*each)
			case slices.Contains(m.Attributes, "memberOf;range=3000-*"):
				attributes["memberOf;range=3000-*"] = of(2*each, many)
			}
			_ = w.Write(r.NewSearchResponseEntry("CN=alice,"+fakeBase, gldap.WithAttributes(attributes)))
		}
		_ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}}
	c := onFake(f.start(t))
	c.Preset = presetAD
	c.Groups = Groups{From: fromMemberOf, Nesting: nestingNone}
	if got := newBench(t, c).enters(t, "alice", "something").Groups; len(got) != many {
		t.Errorf("%d groups, want %d", len(got), many)
	}
}

func TestLD10GroupsThatCannotBeLookedUpAreNotNone(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, answer := range map[string]func(w *gldap.ResponseWriter, r *gldap.Request){
		"too slow": func(*gldap.ResponseWriter, *gldap.Request) { <-hang },
		"refused": func(w *gldap.ResponseWriter, r *gldap.Request) {
			_ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultInsufficientAccessRights)))
		},
		"cut short": func(w *gldap.ResponseWriter, r *gldap.Request) {
			_ = w.Write(r.NewSearchResponseEntry("cn=staff,"+fakeBase, gldap.WithAttributes(map[string][]string{"cn": {"staff"}})))
			_ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSizeLimitExceeded)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			people := knows(fakeAlice)
			f := fake{bind: says(gldap.ResultSuccess, ""), search: func(w *gldap.ResponseWriter, r *gldap.Request) {
				if m, err := r.GetSearchMessage(); err == nil && strings.Contains(strings.ToLower(m.Filter), "groupofnames") {
					answer(w, r)
					return
				}
				people(w, r)
			}}
			c := onFake(f.start(t))
			c.Timeouts.Bind = 300 * time.Millisecond
			b := newBench(t, c)
			reply, err := b.signIn(t.Context(), "alice", "something", ward)
			if reply != nil || status(t, err) != 503 || !strings.Contains(err.Error(), "groups of") {
				t.Errorf("sign in = %v, %v, want an error of 503", reply, err)
			}
			// While a session lasts it is the same: no change, and no end.
			id := authn.Identity{Issuer: "ldap:ward-ad", Subject: fakeAlice["entryUUID"][0], User: "alice", Groups: []string{"staff"}}
			if renewed, err := b.Refresh(t.Context(), id); err == nil {
				t.Errorf("Refresh = %+v", renewed)
			}
		})
	}
}
