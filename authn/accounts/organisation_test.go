package accounts

import (
	"errors"
	"strings"
	"testing"

	"foregate/authn"
)

func TestSM17LinkIsNoWayRoundTheMethodsOrganisation(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
		own := onSight
		own.Organisation = "elsewhere"
		c := careplan
		c.Organisation = "elsewhere"
		id := person("s-1", "alice@elsewhere.example")
		if _, err := w.Admit(t.Context(), own, id, c); err != nil {
			t.Fatal(err)
		}
		for _, moved := range []string{"northfield", ""} {
			if _, err := w.Update(t.Context(), desk, alice.ID, func(a *Account) error { a.Organisation = moved; return nil }); err != nil {
				t.Fatal(err)
			}
			w.refused(t, own, id, c, WrongOrg)
			if _, err := w.Recheck(t.Context(), own, id, c); ReasonOf(err) != WrongOrg {
				t.Errorf("moved to %q: recheck %v", moved, err)
			}
			guessed := c
			guessed.Guessed = true // the method's own organisation is none
			w.refused(t, own, id, guessed, WrongOrg)
		}
	})
}

func TestPlaceIsAGuess(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "alice@hospital.example"})
		w.create(t, Account{Email: "nora@northfield.example", Organisation: "northfield"})
		there := careplan
		there.Organisation = "elsewhere"
		w.refused(t, onSight, person("s-1", "alice@hospital.example"), there, WrongOrg)
		there.Guessed = true
		w.refused(t, onSight, person("s-2", "nora@northfield.example"), there, WrongOrg)
		if got, err := w.Admit(t.Context(), onSight, person("s-1", "alice@hospital.example"), there); err != nil || got.(Admitted).Account.Organisation != "" {
			t.Errorf("got %+v, %v", got, err)
		}
		made, err := w.Admit(t.Context(), Policy{Account: AccountCreate}, person("s-3", "new@agency.example"), there)
		if err != nil || made.(Admitted).Account.Organisation != "elsewhere" {
			t.Errorf("got %+v, %v", made, err)
		}
	})
}

func TestPeopleOfAnOrganisationThatIsAway(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		account := w.create(t, Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
		c := careplan
		c.Organisation = "elsewhere"
		id := person("s-1", "alice@elsewhere.example")
		c.Away = []string{"northfield", "elsewhere"}
		for name, p := range map[string]Policy{"on sight": onSight, "by mail": byMail, "create": {Account: AccountCreate}} {
			w.refused(t, p, id, c, OwnSignIn) // and no code is sent
			if n := w.count(t, `SELECT count(*) FROM links`); n != 0 {
				t.Errorf("%s: %d links", name, n)
			}
		}
		// A new account would be of the organisation, so none is made.
		w.refused(t, Policy{Account: AccountCreate}, person("s-2", "new@elsewhere.example"), c, OwnSignIn)
		if n := w.count(t, `SELECT count(*) FROM accounts`); n != 1 {
			t.Errorf("%d accounts", n)
		}
		_, err := w.Admit(t.Context(), onSight, id, c)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Organisation() != "elsewhere" {
			t.Errorf("got %v", err)
		}
		if err := w.Exempt(t.Context(), desk, account.ID, true); err != nil {
			t.Fatal(err)
		}
		got, err := w.Admit(t.Context(), onSight, id, c)
		if err != nil || got.(Admitted).Identity.Organisation != "elsewhere" {
			t.Fatalf("exempt: %+v, %v", got, err)
		}
		if err := w.Exempt(t.Context(), desk, account.ID, false); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recheck(t.Context(), onSight, id, c); ReasonOf(err) != OwnSignIn {
			t.Errorf("recheck: %v", err)
		}
		// Foregate's own proofs are no way round it either.
		mine := authn.Identity{Method: "code", Issuer: Issuer, Subject: account.ID, User: account.ID}
		w.refused(t, Policy{}, mine, c, OwnSignIn)
	})
}

func TestKindsThatAnAppIsFor(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "nurse@hospital.example", Kind: "staff"})
		w.create(t, Account{Email: "patient@hospital.example", Kind: "patient"})
		c := careplan
		c.Kinds = []string{"staff"}
		w.refused(t, onSight, person("s-1", "patient@hospital.example"), c, WrongKind)
		w.refused(t, Policy{Account: AccountCreate}, person("s-2", "new@hospital.example"), c, WrongKind)
		both := Policy{Account: AccountExisting, Verify: VerifyNone, Kinds: []string{"patient"}}
		w.refused(t, both, person("s-3", "nurse@hospital.example"), c, WrongKind)
		got, err := w.Admit(t.Context(), onSight, person("s-3", "nurse@hospital.example"), c)
		if err != nil || got.(Admitted).Identity.Kind != "staff" {
			t.Fatalf("got %+v, %v", got, err)
		}
		c.Kinds = []string{"physician"}
		if _, err := w.Recheck(t.Context(), onSight, person("s-3", "nurse@hospital.example"), c); ReasonOf(err) != WrongKind {
			t.Errorf("recheck: %v", err)
		}
	})
}

func TestRefusalWithoutAnAccountIsInTheTrail(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		c := careplan
		c.Organisation = "elsewhere"
		err := w.Refuse(t.Context(), person("s-1", "root@northfield.example"), c, WrongOrg, "an address of northfield")
		var refusal *Refusal
		if ReasonOf(err) != WrongOrg || !errors.As(err, &refusal) || refusal.Organisation() != "" {
			t.Fatalf("got %v", err)
		}
		events, err := w.Audit.List(t.Context(), Filter{Result: string(WrongOrg)})
		if err != nil || len(events) != 1 || events[0].Action != "sign_in" || events[0].Organisation != "elsewhere" || events[0].Detail["why"] != "an address of northfield" {
			t.Errorf("got %+v, %v", events, err)
		}
		bad := person(strings.Repeat("s", 2000), "")
		if err := w.Refuse(t.Context(), bad, c, WrongOrg, ""); err == nil || ReasonOf(err) != "" {
			t.Errorf("an identity that cannot be kept: %v", err)
		}
	})
}
