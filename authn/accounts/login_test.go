package accounts

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func login(user, password string) Login {
	return Login{User: user, Password: authn.NewSecret(password)}
}

// own is who signed in by the password of an account.
func own(account string) *authn.Identity { return &authn.Identity{Issuer: Issuer, Subject: account} }

func (w *world) wantLogin(t *testing.T, id *authn.Identity, app, user, password string) {
	t.Helper()
	l, err := w.Login(t.Context(), id, app)
	if err != nil || l.User != user || l.Password.Reveal() != password {
		t.Errorf("%s at %s: got %q %q, %v, want %q %q", id.Subject, app, l.User, l.Password.Reveal(), err, user, password)
	}
}

func (w *world) wantNoLogin(t *testing.T, id *authn.Identity, app string) {
	t.Helper()
	if l, err := w.Login(t.Context(), id, app); !errors.Is(err, ErrNoLogin) || l != (Login{}) {
		t.Errorf("%s at %s: got %q, %v, want none", id.Subject, app, l.User, err)
	}
}

func TestLoginIsKeptForOnePersonAndApp(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice, bob := w.create(t, Account{Username: "alice", Email: "alice@hospital.example"}), w.create(t, Account{Username: "bob"})
		set := func(account, app, user, password string) {
			t.Helper()
			if err := w.SetLogin(t.Context(), desk, account, app, login(user, password)); err != nil {
				t.Fatal(err)
			}
		}
		w.wantNoLogin(t, own(alice.ID), "formulary")
		set(alice.ID, "formulary", "AARCHER", "pass:with:colons ü")
		set(alice.ID, "rota", "archer", "another")
		set(bob.ID, "formulary", "BBAKER", "bob's")
		w.wantLogin(t, own(alice.ID), "formulary", "AARCHER", "pass:with:colons ü")
		w.wantLogin(t, own(alice.ID), "rota", "archer", "another")
		w.wantLogin(t, own(bob.ID), "formulary", "BBAKER", "bob's")
		w.wantNoLogin(t, own(bob.ID), "rota")
		w.wantNoLogin(t, own("nobody"), "formulary")
		w.wantNoLogin(t, &authn.Identity{}, "formulary")

		// Who signs in by a provider has the same, once the account is theirs.
		id := person("s-1", "alice@hospital.example")
		w.wantNoLogin(t, &id, "formulary")
		w.admitted(t, onSight, id)
		w.wantLogin(t, &id, "formulary", "AARCHER", "pass:with:colons ü")
		w.told()

		// A change is told to the sessions of all identities, and ends none.
		set(alice.ID, "formulary", "AARCHER", "changed")
		told := w.told()
		if len(told) != 1 || !told[0].Reread || told[0].Refresh || told[0].Only || len(told[0].Links) != 1 || told[0].Why != "login_set" {
			t.Errorf("told %+v", told)
		}
		w.wantLogin(t, &id, "formulary", "AARCHER", "changed")
		if all, err := w.Logins(t.Context(), alice.ID); err != nil || len(all) != 2 || all[0] != (LoginInfo{"formulary", w.now()}) {
			t.Errorf("got %+v, %v", all, err)
		}
		if err := w.RemoveLogin(t.Context(), desk, alice.ID, "formulary"); err != nil {
			t.Fatal(err)
		}
		w.wantNoLogin(t, &id, "formulary")
		if told := w.told(); len(told) != 1 || !told[0].Reread || told[0].Why != "login_remove" {
			t.Errorf("told %+v", told)
		}
		if err := w.RemoveLogin(t.Context(), desk, alice.ID, "formulary"); !errors.Is(err, ErrNoLogin) {
			t.Errorf("removed twice: %v", err)
		}
		w.wantLogin(t, own(bob.ID), "formulary", "BBAKER", "bob's")

		events, err := w.Audit.List(t.Context(), Filter{Account: alice.ID, Limit: 3})
		if err != nil || events[0].Action != "login_remove" || events[1].Action != "login_set" || events[0].App != "formulary" || events[0].Actor != "desk" {
			t.Errorf("audit: %+v, %v", events, err)
		}
	})
}

func TestLoginIsOfOneOrganisation(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Organisation: "a"})
		c := Context{Actor: "theirs", Organisation: "b"}
		if err := w.SetLogin(t.Context(), c, alice.ID, "formulary", login("a", "b")); !errors.Is(err, ErrNotFound) {
			t.Errorf("set by another organisation: %v", err)
		}
		if err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", login("a", "b")); err != nil {
			t.Fatal(err)
		}
		if err := w.RemoveLogin(t.Context(), c, alice.ID, "formulary"); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed by another organisation: %v", err)
		}
		w.wantLogin(t, own(alice.ID), "formulary", "a", "b")
	})
}

func TestLoginEndsWithTheAccount(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		if err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", login("a", "b")); err != nil {
			t.Fatal(err)
		}
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		w.wantNoLogin(t, own(alice.ID), "formulary")
		if err := w.Enable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		w.wantLogin(t, own(alice.ID), "formulary", "a", "b")
		if err := w.Delete(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		w.wantNoLogin(t, own(alice.ID), "formulary")
		if n := w.count(t, `SELECT count(*) FROM app_logins`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", login("a", "b")); !errors.Is(err, ErrNotFound) {
			t.Errorf("set for an account that is gone: %v", err)
		}
	})
}

func TestLoginOpensInItsOwnRowAlone(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice, bob := w.create(t, Account{Username: "alice"}), w.create(t, Account{Username: "bob"})
		for _, l := range []struct{ account, app string }{{alice.ID, "formulary"}, {alice.ID, "rota"}, {bob.ID, "formulary"}} {
			if err := w.SetLogin(t.Context(), desk, l.account, l.app, login("u-"+l.account, "HT11-secret")); err != nil {
				t.Fatal(err)
			}
		}
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := w.db.Writer.ExecContext(t.Context(), query, args...); err != nil {
				t.Fatal(err)
			}
		}
		const copySQL = `UPDATE app_logins SET sealed = (SELECT sealed FROM app_logins WHERE account = $1 AND app = $2) WHERE account = $3 AND app = $4`
		exec(copySQL, alice.ID, "formulary", bob.ID, "formulary")
		w.wantNoLogin(t, own(bob.ID), "formulary")
		exec(copySQL, alice.ID, "formulary", alice.ID, "rota")
		w.wantNoLogin(t, own(alice.ID), "rota")
		w.wantLogin(t, own(alice.ID), "formulary", "u-"+alice.ID, "HT11-secret")

		// Neither is the secret of an authenticator app a login, nor the other way round.
		if _, err := w.EnrolTOTP(t.Context(), desk, alice.ID, "x"); err != nil {
			t.Fatal(err)
		}
		exec(`UPDATE app_logins SET sealed = (SELECT totp_pending FROM credentials WHERE account = $1) WHERE account = $1 AND app = 'rota'`, alice.ID)
		w.wantNoLogin(t, own(alice.ID), "rota")
		exec(`UPDATE app_logins SET sealed = $2 WHERE account = $1 AND app = 'rota'`, alice.ID, []byte("short"))
		w.wantNoLogin(t, own(alice.ID), "rota")

		var dump bytes.Buffer
		if err := w.Dump(t.Context(), &dump); err != nil || strings.Contains(dump.String(), "HT11") || !strings.Contains(dump.String(), "app_logins") {
			t.Errorf("the dump: %v, %s", err, dump.String())
		}
	})
}

func TestSecretsAreSealedWithTheFirstKey(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice, bob := w.create(t, Account{Username: "alice"}), w.create(t, Account{Username: "bob"})
		e, _ := enrolled(t, w, alice.ID)
		begun, err := w.EnrolTOTP(t.Context(), desk, bob.ID, "Homewatch")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SetLogin(t.Context(), desk, bob.ID, "formulary", login("BBAKER", "secret")); err != nil {
			t.Fatal(err)
		}
		was, next := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
		use := func(keys ...[]byte) *world {
			t.Helper()
			other := &world{db: w.db, time: w.now().Add(time.Minute)}
			if other.Accounts, err = Open(t.Context(), w.db, Env{Keys: keys, Now: other.now}); err != nil {
				t.Fatal(err)
			}
			return other
		}
		sealed := func() (all string) {
			t.Helper()
			var a, b, c []byte
			if err := w.db.Reader.QueryRowContext(t.Context(), `SELECT totp FROM credentials WHERE account = $1`, alice.ID).Scan(&a); err != nil {
				t.Fatal(err)
			}
			if err := w.db.Reader.QueryRowContext(t.Context(), `SELECT totp_pending, sealed FROM credentials c, app_logins l WHERE c.account = $1 AND l.account = $1`, bob.ID).Scan(&b, &c); err != nil {
				t.Fatal(err)
			}
			return string(a) + string(b) + string(c)
		}
		use(next, was)
		once := sealed()
		use(next, was)
		if sealed() != once {
			t.Error("what the first key has sealed is sealed again")
		}
		then := use(next)
		then.wantLogin(t, own(bob.ID), "formulary", "BBAKER", "secret")
		if err := then.CheckTOTP(t.Context(), alice.ID, code(t, e, then.now())); err != nil {
			t.Errorf("alice's app: %v", err)
		}
		if _, err := then.ConfirmTOTP(t.Context(), desk, bob.ID, code(t, begun, then.now())); err != nil {
			t.Errorf("the app that bob began to set up: %v", err)
		}
	})
}

func TestLoginOutlivesANewKeyAndEndsWithTheOld(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		if err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", login("a", "b")); err != nil {
			t.Fatal(err)
		}
		was, next := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
		for _, c := range []struct {
			keys [][]byte
			want bool
		}{{[][]byte{next}, false}, {nil, false}, {[][]byte{next, was}, true}} {
			other, err := Open(t.Context(), w.db, Env{Keys: c.keys})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := other.Login(t.Context(), own(alice.ID), "formulary"); (err == nil) != c.want || err != nil && !errors.Is(err, ErrNoLogin) {
				t.Errorf("with %d keys: %v", len(c.keys), err)
			}
		}
		keyless, _ := Open(t.Context(), w.db, Env{})
		if err := keyless.SetLogin(t.Context(), desk, alice.ID, "formulary", login("a", "c")); !errors.Is(err, errNoKey) {
			t.Errorf("kept without a key: %v", err)
		}
	})
}

func TestHT11DatabaseHasNoLoginInTheClear(t *testing.T) {
	dir := t.TempDir()
	w := open(t, sqlite(t, dir+"/x.db"))
	alice := w.create(t, Account{Username: "alice"})
	for _, password := range []string{"HT11-one", "HT11-two"} {
		if err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", login("HT11-AARCHER", password)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(content, []byte("formulary"))
		for _, form := range []string{"HT11", base64.StdEncoding.EncodeToString([]byte("HT11-AARCHER:HT11-two"))} {
			if bytes.Contains(content, []byte(form)) {
				t.Errorf("%s has it in the clear", f.Name())
			}
		}
	}
	if !seen {
		t.Error("the row is in no file: nothing was looked at")
	}
}

func TestLoginThatCannotBeSentIsNotKept(t *testing.T) {
	w := open(t, sqlite(t, t.TempDir()+"/x.db"))
	alice := w.create(t, Account{Username: "alice"})
	long := strings.Repeat("x", maxLogin+1)
	for path, all := range map[string][]Login{
		"user":     {login("", "p"), login("a:b", "p"), login("a\r\nb", "p"), login(long, "p")},
		"password": {login("u", ""), login("u", "a\nb"), login("u", "a\x7f"), login("u", long)},
	} {
		for _, l := range all {
			var fault *authn.Fault
			err := w.SetLogin(t.Context(), desk, alice.ID, "formulary", l)
			if !errors.As(err, &fault) || fault.Path != path {
				t.Errorf("%.20q: got %v, want a fault of %s", l.User, err, path)
			}
		}
	}
	if n := w.count(t, `SELECT count(*) FROM app_logins`); n != 0 {
		t.Errorf("%d are kept", n)
	}
}
