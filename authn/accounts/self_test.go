package accounts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func TestChangedPasswordEndsNoSessionHere(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		if err := w.SetPassword(t.Context(), desk, alice.ID, "correct horse"); err != nil {
			t.Fatal(err)
		}
		if told := w.told(); len(told) != 1 || told[0].Why != "set_password" {
			t.Errorf("set by the desk: %+v", told)
		}
		self := Context{Actor: "alice"}
		if err := w.ChangePassword(t.Context(), self, alice.ID, "battery staple"); err != nil {
			t.Fatal(err)
		}
		if told := w.told(); len(told) != 0 {
			t.Errorf("sessions were ended: %+v", told)
		}
		for password, want := range map[string]bool{"correct horse": false, "battery staple": true} {
			if ok, err := w.CheckPassword(t.Context(), alice.ID, password); ok != want || err != nil {
				t.Errorf("%q: %v, %v", password, ok, err)
			}
		}
		lines, err := w.Audit.List(t.Context(), Filter{Action: "change_password"})
		if err != nil || len(lines) != 1 || lines[0].Actor != "alice" || lines[0].Account != alice.ID {
			t.Errorf("audit: %+v, %v", lines, err)
		}
		var fault *authn.Fault
		if err := w.ChangePassword(t.Context(), self, alice.ID, ""); !errors.As(err, &fault) {
			t.Errorf("an empty one: %v", err)
		}
		if err := w.ChangePassword(t.Context(), self, "nobody", "battery staple"); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
	})
}

func TestSettingUpGoesOnWhereItWasBegun(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		first, err := w.ContinueTOTP(t.Context(), desk, alice.ID, "Careplan", "")
		if err != nil || first.Mark == "" || strings.Contains(first.URL.Reveal(), first.Mark) {
			t.Fatalf("got %+v, %v", first, err)
		}
		same, err := w.ContinueTOTP(t.Context(), desk, alice.ID, "Careplan", first.Mark)
		if err != nil || same != first {
			t.Errorf("the same mark: %v\n%s\n%s", err, same.URL.Reveal(), first.URL.Reveal())
		}
		for _, mark := range []string{"", "x"} {
			other, err := w.ContinueTOTP(t.Context(), desk, alice.ID, "Careplan", mark)
			if err != nil || other.Secret.Reveal() == first.Secret.Reveal() {
				t.Errorf("mark %q: %v, and the secret of somebody else", mark, err)
			}
		}
		if _, err := w.ConfirmTOTP(t.Context(), desk, alice.ID, code(t, first, w.now())); !errors.Is(err, ErrNoCode) {
			t.Errorf("what is void confirms: %v", err)
		}
	})
}

func TestRecoveryCodesCanBeMadeAnew(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		if _, err := w.RenewRecoveryCodes(t.Context(), desk, alice.ID); !errors.Is(err, ErrNoCode) {
			t.Errorf("without an app: %v", err)
		}
		_, old := enrolled(t, w, alice.ID)
		fresh, err := w.RenewRecoveryCodes(t.Context(), desk, alice.ID)
		if err != nil || len(fresh) != recoveryCodes {
			t.Fatalf("got %d, %v", len(fresh), err)
		}
		people := People{w.Accounts}
		who := authn.Person{Issuer: Issuer, Subject: alice.ID, User: "alice"}
		if err := people.CheckCode(t.Context(), who, old[0]); !errors.Is(err, authn.ErrWrongCode) {
			t.Errorf("an old one: %v", err)
		}
		if err := people.CheckCode(t.Context(), who, fresh[0]); err != nil {
			t.Errorf("a new one: %v", err)
		}
	})
}

func TestPeopleOfAMethodAreTheAccounts(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "Alice", Email: "alice@hospital.example", Name: "Alice Archer", Roles: []string{"nurse"}})
		bob := w.create(t, Account{Username: "bob"})
		if err := w.SetPassword(t.Context(), desk, alice.ID, "correct horse"); err != nil {
			t.Fatal(err)
		}
		people := People{w.Accounts}
		byName, err1 := people.Credential(t.Context(), "alice")
		byMail, err2 := people.Credential(t.Context(), "alice@hospital.example")
		if err1 != nil || err2 != nil || byName.Key != byMail.Key || !byName.Open || byName.Code || byName.Person.Subject != alice.ID || byName.Person.Roles[0] != "nurse" {
			t.Errorf("got %+v, %+v, %v %v", byName, byMail, err1, err2)
		}
		for name, subject := range map[string]string{"bob": bob.ID, "nobody": ""} {
			c, err := people.Credential(t.Context(), name)
			if err != nil || c.Open || c.Hash.Empty() || c.Person.Subject != subject {
				t.Errorf("%s: %+v, %v", name, c, err)
			}
		}
		who := byName.Person
		e, err := people.Enrol(t.Context(), who, "Careplan", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := people.Enrolled(t.Context(), who, "000"); !errors.Is(err, authn.ErrWrongCode) {
			t.Errorf("a wrong code: %v", err)
		}
		codes, err := people.Enrolled(t.Context(), who, code(t, Enrolment(e), w.now()))
		if err != nil || len(codes) != recoveryCodes {
			t.Fatalf("got %d, %v", len(codes), err)
		}
		w.pass(30 * time.Second)
		now := code(t, Enrolment(e), w.now())
		if err := people.CheckCode(t.Context(), who, now[:3]+" "+now[3:]); err != nil {
			t.Errorf("a code: %v", err)
		}
		if err := people.CheckCode(t.Context(), who, now); !errors.Is(err, authn.ErrWrongCode) {
			t.Errorf("again: %v", err)
		}
		stranger := authn.Person{Issuer: "https://idp.hospital.example", Subject: alice.ID}
		if err := people.CheckCode(t.Context(), stranger, codes[0]); !errors.Is(err, authn.ErrWrongCode) {
			t.Errorf("a person of another issuer: %v", err)
		}
		if c, err := people.Credential(t.Context(), "alice"); err != nil || !c.Code {
			t.Errorf("the app is not asked for: %v", err)
		}
		id := &authn.Identity{Issuer: Issuer, Subject: alice.ID}
		if mine, err := w.Of(t.Context(), id); err != nil || mine.ID != alice.ID {
			t.Errorf("account of a person: %+v, %v", mine, err)
		}
		if _, err := w.Of(t.Context(), &authn.Identity{Issuer: "x", Subject: "y"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("of a person without one: %v", err)
		}
	})
}
