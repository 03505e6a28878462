package accounts

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestGroupsOfAnOrganisationAreGroupsOfItsMembers(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		scim := Context{Actor: "scim:a", Organisation: "a"}
		alice := w.create(t, Account{Username: "alice", Email: "alice@a.example", Organisation: "a", Source: FromSCIM})
		bob := w.create(t, Account{Username: "bob", Organisation: "a"})
		eve := w.create(t, Account{Username: "eve", Organisation: "b"})
		id := person("s-1", "alice@a.example")
		p := onSight
		p.Organisation = "a"
		w.admitted(t, p, id)

		if _, err := w.CreateGroup(t.Context(), scim, Group{Organisation: "a", Name: "Nurses", Members: []string{eve.ID}}); !errors.Is(err, ErrNotFound) {
			t.Errorf("somebody of another organisation is a member: %v", err)
		}
		g, err := w.CreateGroup(t.Context(), scim, Group{Organisation: "a", Name: "Nurses", ExternalID: "g-1", Members: []string{bob.ID, alice.ID, alice.ID}})
		if err != nil || len(g.Members) != 2 {
			t.Fatalf("got %+v, %v", g, err)
		}
		if told := w.told(); len(told) != 1 || told[0].Account.ID != alice.ID || !told[0].Refresh {
			t.Errorf("told %+v", told)
		}
		if got := w.admitted(t, p, id).Identity.Groups; !cmp.Equal(got, []string{"Careplan-Users", "Nurses"}) {
			t.Errorf("groups %q", got)
		}
		if _, err := w.CreateGroup(t.Context(), scim, Group{Organisation: "a", Name: "NURSES"}); !errors.Is(err, ErrTaken) {
			t.Errorf("the same name: %v", err)
		}
		if _, err := w.CreateGroup(t.Context(), desk, Group{Organisation: "b", Name: "Nurses", ExternalID: "g-1"}); err != nil {
			t.Errorf("the same name elsewhere: %v", err)
		}
		read, err := w.Group(t.Context(), scim, g.ID)
		if diff := cmp.Diff(g, read); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for want, q := range map[int]GroupQuery{0: {Organisation: "c"}, 1: {Organisation: "a", Name: "nurses"}, 2: {}} {
			if got, total, err := w.Groups(t.Context(), q); err != nil || len(got) != want || total != want {
				t.Errorf("%+v: %+v, %d, %v", q, got, total, err)
			}
		}
		if got, total, err := w.Groups(t.Context(), GroupQuery{Member: bob.ID, ExternalID: "g-1", Limit: 1}); err != nil || len(got) != 1 || total != 1 {
			t.Errorf("of bob: %+v, %d, %v", got, total, err)
		}
		if page, err := w.Search(t.Context(), Query{Group: g.ID}); err != nil || len(page.Accounts) != 2 {
			t.Errorf("members: %+v, %v", page, err)
		}

		other := Context{Actor: "scim:b", Organisation: "b"}
		rename := func(x *Group) error { x.Name = "Stolen"; return nil }
		for name, err := range map[string]error{
			"read": errOf(w.Group(t.Context(), other, g.ID)), "change": errOf(w.UpdateGroup(t.Context(), other, g.ID, rename)),
			"delete": w.DeleteGroup(t.Context(), other, g.ID), "make": errOf(w.CreateGroup(t.Context(), other, Group{Organisation: "a", Name: "x"})),
			"missing": w.DeleteGroup(t.Context(), desk, "none"),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s by another organisation: %v", name, err)
			}
		}

		w.told()
		changed, err := w.UpdateGroup(t.Context(), scim, g.ID, func(x *Group) error { x.Name, x.Members = "Ward", []string{bob.ID}; return nil })
		if err != nil || changed.Name != "Ward" || len(changed.Members) != 1 {
			t.Errorf("got %+v, %v", changed, err)
		}
		if told := w.told(); len(told) != 1 || told[0].Account.ID != alice.ID {
			t.Errorf("told %+v", told)
		}
		if got, err := w.Recheck(t.Context(), p, id, careplan); err != nil || !cmp.Equal(got.Identity.Groups, []string{"Careplan-Users"}) {
			t.Errorf("after she left: %+v, %v", got.Identity.Groups, err)
		}
		var fault *authn.Fault
		if _, err := w.UpdateGroup(t.Context(), scim, g.ID, func(x *Group) error { x.Name = ""; return nil }); !errors.As(err, &fault) {
			t.Errorf("without a name: %v", err)
		}
		if err := w.Delete(t.Context(), desk, bob.ID); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Group(t.Context(), scim, g.ID); err != nil || len(got.Members) != 0 {
			t.Errorf("a deleted account is a member: %+v, %v", got, err)
		}
		if err := w.DeleteGroup(t.Context(), scim, g.ID); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhoCameByACodeIsToldOfGroupsToo(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		scim := Context{Actor: "scim:a", Organisation: "a"}
		alice := w.create(t, Account{Username: "alice", Email: "alice@a.example", Organisation: "a"})
		bob := w.create(t, Account{Username: "bob", Email: "bob@a.example", Organisation: "a"})
		p := onSight
		p.Organisation = "a"
		own := person(alice.ID, "alice@a.example")
		own.Issuer = Issuer
		w.admitted(t, p, own)
		if _, err := w.CreateGroup(t.Context(), scim, Group{Organisation: "a", Name: "Nurses", Members: []string{alice.ID, bob.ID}}); err != nil {
			t.Fatal(err)
		}
		told := w.told()
		if len(told) != 1 || told[0].Account.ID != alice.ID || !told[0].Refresh || len(told[0].Links) != 0 {
			t.Errorf("told %+v", told)
		}
	})
}
