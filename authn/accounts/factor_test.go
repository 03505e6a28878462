package accounts

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"foregate/authn"
)

func TestPasswordIsCheckedAgainstTheAccount(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Email: "alice@hospital.example"})
		bob := w.create(t, Account{Username: "bob", Email: "shared@hospital.example"})
		w.create(t, Account{Username: "carol", Email: "shared@hospital.example"})
		if err := w.SetPassword(t.Context(), desk, alice.ID, "correct horse"); err != nil {
			t.Fatal(err)
		}
		check := func(id, password string, want bool) {
			t.Helper()
			if got, err := w.CheckPassword(t.Context(), id, password); got != want || err != nil {
				t.Errorf("%q: got %v, %v, want %v", password, got, err, want)
			}
		}
		check(alice.ID, "correct horse", true)
		check(alice.ID, "Correct horse", false)
		check(alice.ID, "", false)
		check(bob.ID, "", false)
		check("nobody", nobodys, false)
		check(bob.ID, nobodys, false)

		// Both names of an account are counted under one key, and what nobody has looks alike.
		byName, err1 := w.Credential(t.Context(), "ALICE")
		byMail, err2 := w.Credential(t.Context(), "Alice@Hospital.example")
		if err1 != nil || err2 != nil || byName.Key != alice.ID || byMail.Key != alice.ID || !byName.Open || byName.Hash != byMail.Hash {
			t.Errorf("got %+v, %+v, %v %v", byName, byMail, err1, err2)
		}
		for _, name := range []string{"nobody", "shared@hospital.example", "bob", "a\x00b", ""} {
			c, err := w.Credential(t.Context(), name)
			if err != nil || c.Open || !strings.HasPrefix(c.Hash, "$argon2id$") || c.Hash == byName.Hash {
				t.Errorf("%q: got %+v, %v", name, c, err)
			}
		}
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		check(alice.ID, "correct horse", false)
		if c, err := w.Credential(t.Context(), "alice"); err != nil || c.Open {
			t.Errorf("disabled: %+v, %v", c, err)
		}
		if err := w.Enable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.SetPassword(t.Context(), desk, alice.ID, ""); err != nil {
			t.Fatal(err)
		}
		check(alice.ID, "correct horse", false)
		var fault *authn.Fault
		if err := w.SetPassword(t.Context(), desk, alice.ID, strings.Repeat("x", 2000)); !errors.As(err, &fault) || fault.Path != "password" {
			t.Errorf("got %v", err)
		}
	})
}

// code is what an authenticator app shows at a time.
func code(t *testing.T, e Enrolment, at time.Time) string {
	t.Helper()
	c, err := totp.GenerateCode(e.Secret.Reveal(), at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enrolled(t *testing.T, w *world, account string) (Enrolment, []string) {
	t.Helper()
	e, err := w.EnrolTOTP(t.Context(), desk, account, "Homewatch")
	if err != nil {
		t.Fatal(err)
	}
	codes, err := w.ConfirmTOTP(t.Context(), desk, account, code(t, e, w.now()))
	if err != nil {
		t.Fatal(err)
	}
	return e, codes
}

func TestCodeOfAnAppIsTakenOnceAndNeverBackwards(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		if err := w.CheckTOTP(t.Context(), alice.ID, "000000"); !errors.Is(err, ErrNoCode) {
			t.Errorf("before it is set up: %v", err)
		}
		e, err := w.EnrolTOTP(t.Context(), desk, alice.ID, "Homewatch")
		if err != nil || !strings.HasPrefix(e.URL.Reveal(), "otpauth://totp/Homewatch:alice?") || strings.Contains(e.URL.String()+e.Secret.String(), e.Secret.Reveal()) {
			t.Fatalf("got %v, %v", e.URL.Reveal(), err)
		}
		if _, err := w.ConfirmTOTP(t.Context(), desk, alice.ID, "12345"); !errors.Is(err, ErrNoCode) {
			t.Errorf("a wrong code confirms: %v", err)
		}
		if f, err := w.Factors(t.Context(), alice.ID); err != nil || f.TOTP {
			t.Errorf("asked for before it is confirmed: %+v, %v", f, err)
		}
		first := code(t, e, w.now())
		if _, err := w.ConfirmTOTP(t.Context(), desk, alice.ID, first[:3]+" "+first[3:]); err != nil {
			t.Fatal(err)
		}
		check := func(what, c string, ok bool) {
			t.Helper()
			if err := w.CheckTOTP(t.Context(), alice.ID, c); (err == nil) != ok || err != nil && !errors.Is(err, ErrNoCode) {
				t.Errorf("%s: got %v", what, err)
			}
		}
		check("the code that confirmed", first, false)
		w.pass(30 * time.Second)
		check("the next", code(t, e, w.now()), true)
		check("the next again", code(t, e, w.now()), false)
		w.pass(60 * time.Second)
		check("two steps back", code(t, e, w.now().Add(-60*time.Second)), false)
		check("a step ahead", code(t, e, w.now().Add(30*time.Second)), true)
		check("of now, after a later one", code(t, e, w.now()), false)
		w.pass(90 * time.Second)
		check("two steps ahead", code(t, e, w.now().Add(60*time.Second)), false)
		check("a step back", code(t, e, w.now().Add(-30*time.Second)), true)
		w.pass(time.Minute)
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		check("of a disabled account", code(t, e, w.now()), false)
	})
}

func TestOneOfManySameCodesIsTaken(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		e, codes := enrolled(t, w, alice.ID)
		w.pass(time.Minute)
		now := code(t, e, w.now())
		var apps, recovered atomic.Int32
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if w.CheckTOTP(t.Context(), alice.ID, now) == nil {
					apps.Add(1)
				}
				if _, err := w.UseRecoveryCode(t.Context(), desk, alice.ID, codes[3]); err == nil {
					recovered.Add(1)
				}
			})
		}
		all.Wait()
		if apps.Load() != 1 || recovered.Load() != 1 {
			t.Errorf("taken %d and %d times", apps.Load(), recovered.Load())
		}
	})
}

func TestRecoveryCodesAreUsedOnceEach(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		bob := w.create(t, Account{Username: "bob"})
		_, codes := enrolled(t, w, alice.ID)
		if len(codes) != recoveryCodes {
			t.Fatalf("%d codes", len(codes))
		}
		if _, err := w.UseRecoveryCode(t.Context(), desk, bob.ID, codes[0]); !errors.Is(err, ErrNoCode) {
			t.Errorf("bob with alice's code: %v", err)
		}
		left, err := w.UseRecoveryCode(t.Context(), desk, alice.ID, strings.ToUpper(strings.ReplaceAll(codes[0], "-", " ")))
		if err != nil || left != recoveryCodes-1 {
			t.Errorf("left %d, %v", left, err)
		}
		for _, c := range []string{codes[0], "", "-"} {
			if _, err := w.UseRecoveryCode(t.Context(), desk, alice.ID, c); !errors.Is(err, ErrNoCode) {
				t.Errorf("%q: %v", c, err)
			}
		}
		_, fresh := enrolled(t, w, alice.ID)
		if _, err := w.UseRecoveryCode(t.Context(), desk, alice.ID, codes[1]); !errors.Is(err, ErrNoCode) {
			t.Errorf("one of the void ones: %v", err)
		}
		if err := w.RemoveTOTP(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.UseRecoveryCode(t.Context(), desk, alice.ID, fresh[0]); !errors.Is(err, ErrNoCode) {
			t.Errorf("after the app was removed: %v", err)
		}
		if f, err := w.Factors(t.Context(), alice.ID); err != nil || f != (Factors{}) {
			t.Errorf("left: %+v, %v", f, err)
		}
	})
}

func TestSecretsAreSealedForTheirAccount(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		bob := w.create(t, Account{Username: "bob"})
		e, _ := enrolled(t, w, alice.ID)
		enrolled(t, w, bob.ID)
		var sealed []byte
		if err := w.db.Reader.QueryRowContext(t.Context(), `SELECT totp FROM credentials WHERE account = $1`, alice.ID).Scan(&sealed); err != nil || strings.Contains(string(sealed), e.Secret.Reveal()) {
			t.Errorf("got %q, %v", sealed, err)
		}
		// Who can write the database still cannot give bob a secret they know.
		if _, err := w.db.Writer.ExecContext(t.Context(), `UPDATE credentials SET totp = $2 WHERE account = $1`, bob.ID, sealed); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if err := w.CheckTOTP(t.Context(), bob.ID, code(t, e, w.now())); !errors.Is(err, errUnsealed) {
			t.Errorf("got %v", err)
		}
		// A new first key seals, the old one still opens.
		rotated, err := Open(t.Context(), w.db, Env{Keys: [][]byte{[]byte("fedcba9876543210fedcba9876543210"), []byte("0123456789abcdef0123456789abcdef")}, Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
		if err := rotated.CheckTOTP(t.Context(), alice.ID, code(t, e, w.now())); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
		bare, err := Open(t.Context(), w.db, Env{Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bare.EnrolTOTP(t.Context(), desk, alice.ID, "x"); !errors.Is(err, errNoKey) {
			t.Errorf("without a key: %v", err)
		}
		if _, err := Open(t.Context(), w.db, Env{Keys: [][]byte{[]byte("short")}}); err == nil {
			t.Error("a short key is taken")
		}
	})
}
