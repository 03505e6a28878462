package authntest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"foregate/authn"
)

// patience bounds one call. It is generous, since tests run on busy machines.
const patience = 20 * time.Second

// check is one clause of the contract.
type check struct {
	name        string
	run         func(Subject) error
	needsSignIn bool
}

func contract() []check {
	return []check{
		{name: "begin answers a browser that brings nothing", run: beginAnswers},
		{name: "two attempts share no kept value", run: attemptsDiffer},
		{name: "strangers never get in", run: strangersStayOut},
		{name: "an attempt that never began signs nobody in", run: neverBegan},
		{name: "empty attempts do no harm", run: emptyAttempts},
		{name: "a cancelled call ends", run: cancelledEnds},
		{name: "calls may be concurrent", run: concurrent},
		{name: "a person signs in", run: personSignsIn, needsSignIn: true},
		{name: "a cancelled call signs nobody in", run: cancelledWalk, needsSignIn: true},
	}
}

func beginAnswers(s Subject) error {
	for _, fresh := range []bool{false, true} {
		a := s.attempt()
		a.Fresh = fresh
		got, err := s.begin(context.Background(), a)
		if err != nil {
			return err
		}
		if got.refusal != nil {
			return fmt.Errorf("begin: %w", got.refusal)
		}
	}
	return nil
}

func attemptsDiffer(s Subject) error {
	one, other := s.attempt(), s.attempt()
	if one.ID == other.ID {
		return errors.New("the subject's attempts have the same ID")
	}
	for _, a := range []*authn.Attempt{one, other} {
		if _, err := s.begin(context.Background(), a); err != nil {
			return err
		}
	}
	for key, value := range one.Values {
		if value == other.Values[key] && !slices.Contains(s.Constant, key) {
			return fmt.Errorf("two attempts keep the same %q", key)
		}
	}
	return nil
}

func strangersStayOut(s Subject) error {
	var faults []error
	for _, h := range hostiles {
		faults = append(faults, s.begun(context.Background(), h))
	}
	return errors.Join(faults...)
}

func neverBegan(s Subject) error {
	var faults []error
	for _, h := range hostiles {
		faults = append(faults, s.resume(context.Background(), s.attempt(), nil, h))
	}
	return errors.Join(faults...)
}

func emptyAttempts(s Subject) error {
	for _, a := range []*authn.Attempt{
		{},
		{Values: map[string]string{}},
		{ID: "x", Hint: "\x00" + canary, Values: map[string]string{"": ""}},
	} {
		got, err := s.begin(context.Background(), a)
		if err != nil {
			return fmt.Errorf("attempt %+v: %w", *a, err)
		}
		if err := s.resume(context.Background(), a, got.reply, hostile{"garbage", postGarbage}); err != nil {
			return fmt.Errorf("attempt %+v: %w", *a, err)
		}
	}
	return nil
}

func cancelledEnds(s Subject) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	if err := s.begun(ctx, hostile{"garbage", postGarbage}); err != nil {
		return err
	}
	if took := time.Since(start); took > 3*time.Second {
		return fmt.Errorf("calls whose context was over took %v", took)
	}
	return nil
}

func concurrent(s Subject) error {
	const browsers = 2 * len(hostiles)
	faults := make(chan error, browsers)
	var all sync.WaitGroup
	for i := range browsers {
		all.Go(func() { faults <- s.begun(context.Background(), hostiles[i%len(hostiles)]) })
	}
	all.Wait()
	close(faults)
	var found []error
	for err := range faults {
		found = append(found, err)
	}
	return errors.Join(found...)
}

func personSignsIn(s Subject) error {
	var ids []authn.Identity
	for range 2 {
		id, err := s.signIn(context.Background())
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if ids[0].Issuer != ids[1].Issuer || ids[0].Subject != ids[1].Subject {
		return errors.New("the same person has another issuer or subject the second time")
	}
	return nil
}

func cancelledWalk(s Subject) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.signIn(ctx); err == nil && !s.Recognizes {
		return errors.New("signed in although the call was cancelled")
	}
	return nil
}

func (s Subject) signIn(ctx context.Context) (authn.Identity, error) {
	reply, err := within(func() (authn.Reply, error) { return s.SignIn(ctx, s.attempt()) })
	if err != nil {
		return authn.Identity{}, fmt.Errorf("the subject's walk: %w", err)
	}
	in, ok := reply.(authn.SignedIn)
	if !ok {
		return authn.Identity{}, fmt.Errorf("the subject's walk ends with %T", reply)
	}
	return in.Identity, checkReply(in)
}

// outcome is what a call came to, in good form: a reply, or a refusal with words.
type outcome struct {
	reply   authn.Reply
	refusal error
}

// begun begins a fresh attempt and resumes it with a hostile request.
func (s Subject) begun(ctx context.Context, h hostile) error {
	a := s.attempt()
	got, err := s.begin(ctx, a)
	if err != nil {
		return err
	}
	return s.resume(ctx, a, got.reply, h)
}

func (s Subject) begin(ctx context.Context, a *authn.Attempt) (outcome, error) {
	got, err := s.judge(within(func() (authn.Reply, error) { return s.Authenticator.Begin(ctx, a) }))
	if err != nil {
		return outcome{}, fmt.Errorf("begin: %w", err)
	}
	return got, nil
}

// resume sends h to an attempt whose browser was shown a reply before.
func (s Subject) resume(ctx context.Context, a *authn.Attempt, shown authn.Reply, h hostile) error {
	r := h.build(parametersOf(a, shown))
	_, err := s.judge(within(func() (authn.Reply, error) { return s.Authenticator.Resume(ctx, a, r) }))
	if err != nil {
		return fmt.Errorf("resume, %s: %w", h.name, err)
	}
	return nil
}

// judge returns what a call came to, or what is wrong with that.
func (s Subject) judge(reply authn.Reply, err error) (outcome, error) {
	var broken *brokenError
	switch {
	case errors.As(err, &broken):
		return outcome{}, err
	case err != nil && reply != nil:
		return outcome{}, fmt.Errorf("both a reply (%T) and an error: %w", reply, err)
	case err != nil:
		return outcome{refusal: err}, checkError(err)
	}
	if _, in := reply.(authn.SignedIn); in && !s.Recognizes {
		return outcome{}, errors.New("signed somebody in who showed nothing")
	}
	return outcome{reply: reply}, checkReply(reply)
}

// brokenError is a call that did not come back as it should.
type brokenError struct{ how string }

func (e *brokenError) Error() string { return e.how }

type answer struct {
	reply authn.Reply
	err   error
}

// within makes a call and turns a panic, and a call that does not end, into an
// error, so that the other checks still run.
func within(call func() (authn.Reply, error)) (authn.Reply, error) {
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{nil, &brokenError{fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}}
			}
		}()
		reply, err := call()
		done <- answer{reply, err}
	}()
	select {
	case a := <-done:
		return a.reply, a.err
	case <-time.After(patience):
		return nil, &brokenError{fmt.Sprintf("the call did not end within %v", patience)}
	}
}
