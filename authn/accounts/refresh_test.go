package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"foregate/authn"
)

// ward is a directory.
type ward struct {
	people []authn.Identity
	off    map[string]bool // disabled, by subject
	fails  error           // after the last one
}

func (d *ward) Issuer() string { return person("", "").Issuer }

func (d *ward) Everybody(_ context.Context, yield func(authn.Identity, bool) error) error {
	for _, id := range d.people {
		if err := yield(id, !d.off[id.Subject]); err != nil {
			return err
		}
	}
	return d.fails
}

func member(subject, name string) authn.Identity {
	id := person(subject, subject+"@hospital.example")
	id.User, id.Name, id.Groups = subject, name, []string{"Wards"}
	return id
}

var (
	onDemand  = Policy{Groups: []string{"Wards"}, Account: AccountCreate}
	directory = Refreshing{Method: "ward-ad", Policy: onDemand}
	nightly   = Context{Actor: "directory:ward-ad"}
)

func TestRefreshFollowsTheDirectory(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice, bob, carol, dave := member("alice", "Alice"), member("bob", "Bob"), member("carol", "Carol"), member("dave", "Dave")
		for _, id := range []authn.Identity{alice, bob, carol, dave} {
			w.admitted(t, onDemand, id)
		}
		d := &ward{people: []authn.Identity{member("alice", "Alice Archer"), bob, carol, member("never", "Never Here")}, off: map[string]bool{"bob": true}}
		d.people[2].Groups = []string{"Others"}
		w.told()

		dry := directory
		dry.Dry = true
		found, err := w.Refresh(t.Context(), nightly, d, dry)
		if err != nil || found.Changed != 1 || found.Left != 3 || len(w.told()) != 0 {
			t.Fatalf("dry: %+v, %v", found, err)
		}
		w.admitted(t, onDemand, bob) // nothing has changed

		found, err = w.Refresh(t.Context(), nightly, d, directory)
		if err != nil || found.Seen != 4 || found.Linked != 3 || found.Changed != 1 || found.Left != 3 || found.Back != 0 {
			t.Fatalf("got %+v, %v", found, err)
		}
		ended, renewed := 0, 0
		for _, e := range w.told() {
			if e.Refresh {
				renewed++
			} else {
				ended++
			}
		}
		if ended != 3 || renewed != 1 {
			t.Errorf("sessions of %d people ended, of %d were renewed, want 3, 1", ended, renewed)
		}
		for name, want := range map[string]string{"alice": Active, "bob": Left, "carol": Left, "dave": Left} {
			got, err := w.ByUsername(t.Context(), name)
			if err != nil || got.Status != want {
				t.Errorf("%s is %q, %v, want %q", name, got.Status, err, want)
			}
		}
		if got, _ := w.ByUsername(t.Context(), "alice"); got.Name != "Alice Archer" {
			t.Errorf("alice is called %q", got.Name)
		}
		if n := w.count(t, `SELECT count(*) FROM accounts`); n != 4 {
			t.Errorf("%d accounts: who never signed in got one", n)
		}
		if n := w.count(t, `SELECT count(*) FROM audit WHERE action = 'refresh' AND account = ''`); n != 1 {
			t.Errorf("%d summaries in the trail", n)
		}

		// Back: Bob by the next refresh, Carol by signing in before it.
		d.off, d.people[2].Groups = nil, []string{"Wards"}
		w.admitted(t, onDemand, carol)
		found, err = w.Refresh(t.Context(), nightly, d, directory)
		if err != nil || found.Back != 1 || found.Left != 0 {
			t.Fatalf("got %+v, %v", found, err)
		}
		w.admitted(t, onDemand, bob)
	})
}

func TestRefreshLeavesWhatAdministratorsDecided(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.admitted(t, onDemand, member("alice", "Alice"))
		alice, err := w.ByUsername(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		kept := w.create(t, Account{Username: "bbaker", Name: "Bob Baker"})
		if err := w.Link(t.Context(), desk, Link{Account: kept.ID, Method: "ward-ad", Issuer: person("", "").Issuer, Subject: "bob"}); err != nil {
			t.Fatal(err)
		}
		d := &ward{people: []authn.Identity{member("alice", "Alice")}}
		w.told()
		if _, err := w.Refresh(t.Context(), nightly, d, directory); err != nil {
			t.Fatal(err)
		}
		if got, _ := w.Get(t.Context(), alice.ID); got.Status != Disabled {
			t.Errorf("a disabled account is %q", got.Status)
		}
		if got, _ := w.Get(t.Context(), kept.ID); got.Status != Active || got.Name != "Bob Baker" {
			t.Errorf("an account that an administrator keeps became %+v", got)
		}
		if ended := w.told(); len(ended) != 1 || len(ended[0].Links) != 1 || ended[0].Links[0].Subject != "bob" {
			t.Errorf("sessions that ended: %+v", ended)
		}
	})
}

func TestRefreshThatBreaksOffChangesNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.admitted(t, onDemand, member("alice", "Alice"))
		w.admitted(t, onDemand, member("bob", "Bob"))
		d := &ward{people: []authn.Identity{member("alice", "Alice Archer")}, fails: errors.New("the line broke")}
		found, err := w.Refresh(t.Context(), nightly, d, directory)
		if !errors.Is(err, d.fails) || found.Left != 0 {
			t.Errorf("got %+v, %v", found, err)
		}
		if alice, err := w.ByUsername(t.Context(), "alice"); err != nil || alice.Name != "Alice" {
			t.Errorf("alice became %+v, %v", alice, err)
		}
		w.admitted(t, onDemand, member("bob", "Bob"))
		events, err := w.Audit.List(t.Context(), Filter{Action: "refresh", Result: "failed"})
		if err != nil || len(events) != 1 || !strings.Contains(fmt.Sprint(events[0].Detail), "the line broke") {
			t.Errorf("got %+v, %v", events, err)
		}
	})
}

func TestRefreshAsksBeforeMostPeopleLoseAccess(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		var all []authn.Identity
		for i := range 2 * leaveFreely {
			id := member(fmt.Sprintf("p%02d", i), "Somebody")
			w.admitted(t, onDemand, id)
			all = append(all, id)
		}
		d := &ward{people: all[:leaveFreely-1]}
		found, err := w.Refresh(t.Context(), nightly, d, directory)
		if !errors.Is(err, ErrTooMany) || found.Left != 0 {
			t.Fatalf("got %+v, %v", found, err)
		}
		w.admitted(t, onDemand, all[len(all)-1])
		forced := directory
		forced.Force = true
		if found, err = w.Refresh(t.Context(), nightly, d, forced); err != nil || found.Left != leaveFreely+1 {
			t.Errorf("forced: got %+v, %v", found, err)
		}
	})
}

// TestRefreshRenewsWhoMovedToAnotherGroup: other groups may mean another role, so the
// sessions are renewed, once, and go on.
func TestRefreshRenewsWhoMovedToAnotherGroup(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice, bob := member("alice", "Alice"), member("bob", "Bob")
		alice.Groups = []string{"Wards", "Nurses"}
		w.admitted(t, onDemand, alice)
		w.admitted(t, onDemand, bob)
		w.told()
		d := &ward{people: []authn.Identity{alice, bob}}
		d.people[0].Groups = []string{"Nurses", "Wards"} // another order is no change
		if found, err := w.Refresh(t.Context(), nightly, d, directory); err != nil || found.Changed != 0 || len(w.told()) != 0 {
			t.Fatalf("nothing has changed: %+v, %v", found, err)
		}
		d.people[0].Groups = []string{"Wards", "Doctors"}
		dry := directory
		dry.Dry = true
		if found, err := w.Refresh(t.Context(), nightly, d, dry); err != nil || len(found.Notes) != 1 || found.Notes[0] != "alice: changed [groups]" || len(w.told()) != 0 {
			t.Fatalf("dry: %+v, %v", found, err)
		}
		w.fail = errors.New("the store of sessions is down")
		if _, err := w.Refresh(t.Context(), nightly, d, directory); !errors.Is(err, w.fail) {
			t.Fatalf("sessions that could not be renewed: %v", err)
		}
		w.fail = nil
		w.told()
		found, err := w.Refresh(t.Context(), nightly, d, directory)
		told := w.told()
		if err != nil || found.Changed != 1 || len(told) != 1 {
			t.Fatalf("%+v, %v, told %+v", found, err, told)
		}
		if e := told[0]; !e.Refresh || !e.Only || e.Account.Username != "alice" || len(e.Links) != 1 || e.Links[0].Subject != "alice" {
			t.Errorf("told %+v", e)
		}
		if found, err = w.Refresh(t.Context(), nightly, d, directory); err != nil || found.Changed != 0 || len(w.told()) != 0 {
			t.Errorf("renewed again: %+v, %v", found, err)
		}
	})
}
