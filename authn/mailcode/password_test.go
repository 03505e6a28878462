package mailcode

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

// passed is an attempt of which the code was right and the password is due.
func passed(t *testing.T, b *bench, email string) *authn.Attempt {
	t.Helper()
	a, code := b.ask(t, email)
	if got := problemOf(t, b.answer(t, a, "code", code), stepPassword); got != "" {
		t.Fatalf("problem %q", got)
	}
	return a
}

func TestPasswordAfterTheCode(t *testing.T) {
	for _, second := range []string{optionalPassword, requiredPassword} {
		b := newBench(t, Config{SecondFactor: second})
		a := passed(t, b, "alice@hospital.example")
		for _, wrong := range []string{"", "wrong", right + "\x00", strings.Repeat("a", 2000)} {
			if got := problemOf(t, b.answer(t, a, "password", wrong), stepPassword); got != notPassword {
				t.Errorf("%.20q: %q", wrong, got)
			}
		}
		if b.people.checked != 1 {
			t.Errorf("%d passwords were checked, want 1", b.people.checked)
		}
		in, ok := b.answer(t, a, "password", right).(authn.SignedIn)
		if !ok || !slices.Equal(in.Identity.AMR, []string{"otp", "pwd"}) || !in.Identity.Checked {
			t.Errorf("%s: %+v", second, in)
		}
	}
}

func TestSomebodyWithoutAPassword(t *testing.T) {
	b := newBench(t, Config{SecondFactor: optionalPassword})
	a, code := b.ask(t, "bob@hospital.example")
	if in, ok := b.answer(t, a, "code", code).(authn.SignedIn); !ok || !slices.Equal(in.Identity.AMR, []string{"otp"}) {
		t.Errorf("optional: %+v", in)
	}
	b = newBench(t, Config{SecondFactor: requiredPassword})
	a, code = b.ask(t, "bob@hospital.example")
	reply, err := b.Resume(t.Context(), a, posted("code", code))
	var e *authn.Error
	if reply != nil || !errors.As(err, &e) || e.Status != http.StatusForbidden {
		t.Errorf("required: %v, %v, want 403", reply, err)
	}
}

func TestPasswordWithoutTheCodeIsNotLookedAt(t *testing.T) {
	b := newBench(t, Config{SecondFactor: requiredPassword})
	a, code := b.ask(t, "alice@hospital.example")
	problemOf(t, b.answer(t, a, "password", right), stepCode)
	problemOf(t, b.answer(t, a, "password", right, "code", other(code)), stepCode)
	problemOf(t, b.answer(t, newAttempt(), "password", right), stepEmail)
	if b.people.checked != 0 {
		t.Errorf("%d passwords were checked", b.people.checked)
	}
}

func TestGuessingPasswordsEnds(t *testing.T) {
	b := newBench(t, Config{SecondFactor: requiredPassword})
	a := passed(t, b, "alice@hospital.example")
	for range passwordTries {
		problemOf(t, b.answer(t, a, "password", "wrong"), stepPassword)
	}
	for _, password := range []string{"wrong", right} {
		reply, err := b.Resume(t.Context(), a, posted("password", password))
		var e *authn.Error
		if reply != nil || !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.RetryAfter == 0 {
			t.Errorf("after %d tries: %v, %v", passwordTries, reply, err)
		}
	}
	if b.people.checked != passwordTries {
		t.Errorf("%d passwords were checked, want %d", b.people.checked, passwordTries)
	}
	b.pass(passwordWindow)
	a = passed(t, b, "alice@hospital.example")
	if _, in := b.answer(t, a, "password", right).(authn.SignedIn); !in {
		t.Error("the account stays locked")
	}
}

func TestOT2CookieOfThePasswordStepIsGoodOnce(t *testing.T) {
	b := newBench(t, Config{SecondFactor: requiredPassword})
	a := passed(t, b, "alice@hospital.example")
	kept := copied(a)
	if _, in := b.answer(t, a, "password", right).(authn.SignedIn); !in {
		t.Fatal("not signed in")
	}
	if reply, err := b.Resume(t.Context(), kept, posted("password", right)); reply != nil || !errors.Is(err, authn.ErrSpent) {
		t.Errorf("again: %v, %v, want ErrSpent", reply, err)
	}
}

func TestPasswordHasTimeOfItsOwn(t *testing.T) {
	b := newBench(t, Config{SecondFactor: requiredPassword})
	a, code := b.ask(t, "alice@hospital.example")
	b.pass(9 * time.Minute)
	problemOf(t, b.answer(t, a, "code", code), stepPassword)
	if !a.Began.Equal(b.time()) {
		t.Errorf("the attempt began at %v, want %v", a.Began, b.time())
	}
}

func TestSomebodyWhoIsGoneBeforeThePassword(t *testing.T) {
	b := newBench(t, Config{SecondFactor: requiredPassword})
	a := passed(t, b, "alice@hospital.example")
	delete(b.people.persons, "alice@hospital.example")
	var e *authn.Error
	if reply, err := b.Resume(t.Context(), a, posted("password", right)); reply != nil || !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Errorf("%v, %v, want 400", reply, err)
	}
}
