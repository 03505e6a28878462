package accounts

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPeopleMoveFromOneEngineToTheOther(t *testing.T) {
	type made struct {
		sqlite, postgres *world
	}
	for name, pick := range map[string]func(made) (from, to *world){
		"to postgres": func(m made) (*world, *world) { return m.sqlite, m.postgres },
		"to sqlite":   func(m made) (*world, *world) { return m.postgres, m.sqlite },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := pick(made{open(t, sqlite(t, t.TempDir()+"/x.db")), open(t, shared(t, postgres.Database(t)))})
			alice := from.create(t, Account{Username: "alice", Email: "alice@hospital.example", Exempt: true, Organisation: "a", ExternalID: "1", Attributes: map[string]any{"n": 12345678901234567.0, "s": "<&>"}})
			from.create(t, Account{Email: "bob@hospital.example"})
			id := person("s-1", "alice@hospital.example")
			p := Policy{Account: AccountExisting, Verify: VerifyNone, Organisation: "a"}
			from.admitted(t, p, id)
			if err := from.SetPassword(t.Context(), desk, alice.ID, "correct horse"); err != nil {
				t.Fatal(err)
			}
			e, codes := enrolled(t, from, alice.ID)
			g, err := from.CreateGroup(t.Context(), desk, Group{Organisation: "a", Name: "Nurses", Members: []string{alice.ID}})
			if err != nil {
				t.Fatal(err)
			}
			if err := from.SetLogin(t.Context(), desk, alice.ID, "formulary", login("AARCHER", "secret")); err != nil {
				t.Fatal(err)
			}
			if err := from.Usage.Count(t.Context(), Visit{Organisation: "a", Method: "m", User: "u"}); err != nil {
				t.Fatal(err)
			}
			var file, again bytes.Buffer
			if err := from.Dump(t.Context(), &file); err != nil {
				t.Fatal(err)
			}
			if err := to.Restore(t.Context(), bytes.NewReader(file.Bytes())); err != nil {
				t.Fatal(err)
			}
			if err := to.Dump(t.Context(), &again); err != nil || again.String() != file.String() {
				t.Errorf("%v; what was moved is another:\n%s\n%s", err, file.String(), again.String())
			}
			if got := to.admitted(t, p, id); got.Linked || got.Account.ID != alice.ID {
				t.Errorf("got %+v", got)
			}
			to.wantLogin(t, &id, "formulary", "AARCHER", "secret")
			to.pass(time.Minute)
			if ok, err := to.CheckPassword(t.Context(), alice.ID, "correct horse"); !ok || err != nil {
				t.Errorf("password: %v, %v", ok, err)
			}
			if err := to.CheckTOTP(t.Context(), alice.ID, code(t, e, to.now())); err != nil {
				t.Errorf("code: %v", err)
			}
			if _, err := to.UseRecoveryCode(t.Context(), desk, alice.ID, codes[0]); err != nil {
				t.Errorf("recovery code: %v", err)
			}
			if got, err := to.Group(t.Context(), desk, g.ID); err != nil || len(got.Members) != 1 {
				t.Errorf("group: %+v, %v", got, err)
			}
			// New lines of the audit trail come after those that were moved.
			if events, err := to.Audit.List(t.Context(), Filter{Limit: 1}); err != nil || events[0].Action != "recovery_code" {
				t.Errorf("audit: %+v, %v", events, err)
			}
			if err := to.Restore(t.Context(), bytes.NewReader(file.Bytes())); err == nil || !strings.Contains(err.Error(), "already") {
				t.Errorf("over what is there: %v", err)
			}
		})
	}
}

func TestDamagedDumpRestoresNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		w.create(t, Account{Username: "bob"})
		var file bytes.Buffer
		if err := w.Dump(t.Context(), &file); err != nil {
			t.Fatal(err)
		}
		for _, a := range []string{"alice", "bob"} {
			found, err := w.ByUsername(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Delete(t.Context(), desk, found.ID); err != nil {
				t.Fatal(err)
			}
		}
		lines := strings.SplitAfter(file.String(), "\n")
		for name, bad := range map[string]string{
			"empty":          "",
			"something else": "{}\n",
			"cut":            strings.Join(lines[:len(lines)-2], ""),
			"a line less":    lines[0] + strings.Join(lines[2:], ""),
			"a line twice":   lines[0] + lines[1] + file.String()[len(lines[0]):],
			"after the end":  file.String() + lines[1],
			"another table":  lines[0] + `{"t":"sqlite_master","r":[]}` + "\n",
			"another column": strings.Replace(file.String(), `"`+alice.ID+`",`, `"`+alice.ID+`",1,`, 1),
			"another kind":   strings.Replace(file.String(), `"`+alice.ID+`",`, `7,`, 1),
		} {
			if err := w.Restore(t.Context(), strings.NewReader(bad)); err == nil {
				t.Errorf("%s: restored", name)
			}
			if n := w.count(t, `SELECT count(*) FROM accounts`); n != 0 {
				t.Fatalf("%s: %d accounts", name, n)
			}
		}
		if err := w.Restore(t.Context(), strings.NewReader(file.String())); err != nil {
			t.Errorf("the whole one: %v", err)
		}
		if _, err := w.Get(t.Context(), alice.ID); errors.Is(err, ErrNotFound) {
			t.Error("alice is missing")
		}
	})
}
