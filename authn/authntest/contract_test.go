package authntest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

// askFor is a method that asks for one word. Its parts can be replaced by bad ones.
type askFor struct {
	begin  func(ctx context.Context, a *authn.Attempt) (authn.Reply, error)
	resume func(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error)
}

func (m askFor) Begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	if m.begin != nil {
		return m.begin(ctx, a)
	}
	a.Keep("nonce", a.ID)
	return wordForm(""), nil
}

func (m askFor) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if m.resume != nil {
		return m.resume(ctx, a, r)
	}
	if err := ctx.Err(); err != nil {
		return nil, authn.Unavailable("Try again in a moment.", err)
	}
	if word := r.PostForm["word"]; len(word) != 1 || word[0] != "swordfish" {
		return wordForm("That is not the word. Try again."), nil
	}
	return authn.SignedIn{Identity: alice()}, nil
}

func wordForm(problem string) authn.Form {
	field := authn.Field{Name: "word", Kind: "password", Label: "The word", Autocomplete: "current-password"}
	return authn.Form{Step: "word", Fields: []authn.Field{field}, Problem: problem}
}

func alice() authn.Identity {
	return authn.Identity{Method: "method", Issuer: "test", Subject: "alice", User: "alice", Authenticated: time.Now()}
}

func (m askFor) subject() Subject {
	return Subject{Authenticator: m, SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
		if _, err := m.Begin(ctx, a); err != nil {
			return nil, err
		}
		return m.Resume(ctx, a, Post(map[string][]string{"word": {"swordfish"}}))
	}}
}

func TestGoodMethodPasses(t *testing.T) {
	Run(t, func(*testing.T) Subject { return askFor{}.subject() })
}

func begins(reply authn.Reply, err error) askFor {
	return askFor{begin: func(context.Context, *authn.Attempt) (authn.Reply, error) { return reply, err }}
}

func resumes(f func(a *authn.Attempt, r *http.Request) (authn.Reply, error)) askFor {
	return askFor{resume: func(_ context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) { return f(a, r) }}
}

func TestBadMethodsAreFound(t *testing.T) {
	filled := wordForm("")
	filled.Fields[0].Value = "swordfish"
	unnamed, fixed := wordForm(""), wordForm("")
	unnamed.Buttons = []authn.Button{{Name: "word", Label: "Another word"}}
	fixed.Fields[0].Fixed = true
	tests := map[string]struct {
		method askFor
		found  string
	}{
		"button like a field": {begins(unnamed, nil), "a name of its own"},
		"empty and fixed":     {begins(fixed, nil), "cannot be changed"},
		"begin signs in":      {begins(authn.SignedIn{Identity: alice()}, nil), "showed nothing"},
		"begin says nothing":  {begins(nil, nil), "got <nil>"},
		"pointer reply":       {begins(&authn.Form{}, nil), "by value"},
		"relative redirect":   {begins(authn.Redirect{URL: "/login"}, nil), "not an absolute"},
		"script redirect":     {begins(authn.Redirect{URL: "javascript:alert(1)"}, nil), "not an absolute"},
		"empty form":          {begins(authn.Form{Step: "x"}, nil), "a step and fields"},
		"password filled in":  {begins(filled, nil), "filled in"},
		"both":                {begins(wordForm(""), errors.New("x")), "both a reply"},
		"plain error":         {begins(nil, errors.New("x")), "no *authn.Error"},
		"no words":            {begins(nil, &authn.Error{Err: errors.New("x")}), "no words"},
		"always refuses":      {begins(nil, authn.Invalid("No.", nil)), "begin: No."},
		"same nonce": {askFor{begin: func(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
			a.Keep("nonce", "0")
			return wordForm(""), nil
		}}, "the same"},
		"writes to nil map": {askFor{begin: func(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
			a.Values["nonce"] = a.ID
			return wordForm(""), nil
		}}, "panic"},
		"panics without values": {resumes(func(_ *authn.Attempt, r *http.Request) (authn.Reply, error) {
			return wordForm(r.PostForm["word"][0][:0]), nil
		}), "panic"},
		"lets anybody in": {resumes(func(*authn.Attempt, *http.Request) (authn.Reply, error) {
			return authn.SignedIn{Identity: alice()}, nil
		}), "showed nothing"},
		"lets the empty word in": {resumes(func(_ *authn.Attempt, r *http.Request) (authn.Reply, error) {
			if r.FormValue("word") == "" {
				return authn.SignedIn{Identity: alice()}, nil
			}
			return wordForm(""), nil
		}), "showed nothing"},
		"repeats input": {resumes(func(_ *authn.Attempt, r *http.Request) (authn.Reply, error) {
			return nil, authn.Invalid("No state "+r.FormValue("error")+".", nil)
		}), canary},
		"logs the password": {resumes(func(_ *authn.Attempt, r *http.Request) (authn.Reply, error) {
			return nil, authn.Invalid("No.", errors.New("wrong: "+authn.CutControl(r.FormValue("word"), 99)))
		}), "repeats a password"},
		"floods the log": {resumes(func(_ *authn.Attempt, r *http.Request) (authn.Reply, error) {
			return nil, authn.Invalid("No.", errors.New("state "+r.FormValue("error")))
		}), "floods the log"},
		"shows an error's text": {resumes(func(*authn.Attempt, *http.Request) (authn.Reply, error) {
			err := errors.New("no such thing")
			return nil, authn.Invalid("Oh: no such thing.", fmt.Errorf("resume: %w", err))
		}), "text of an error"},
		"signs nobody in": {resumes(func(*authn.Attempt, *http.Request) (authn.Reply, error) {
			return wordForm("No."), nil
		}), "walk ends with"},
		"no issuer": {resumes(func(*authn.Attempt, *http.Request) (authn.Reply, error) {
			return authn.SignedIn{}, nil
		}), "without an issuer"},
		"someone else each time": {resumes(func(a *authn.Attempt, _ *http.Request) (authn.Reply, error) {
			id := alice()
			id.Subject = a.ID
			return authn.SignedIn{Identity: id}, nil
		}), "another issuer or subject"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var found []string
			for _, c := range contract() {
				if err := c.run(test.method.subject()); err != nil {
					found = append(found, err.Error())
				}
			}
			if !strings.Contains(strings.Join(found, "\n"), test.found) {
				t.Errorf("no check says %q; found: %.2000q", test.found, found)
			}
		})
	}
}

func TestWordsForPeople(t *testing.T) {
	for _, good := range []string{"Try again.", "That code is not right. Ask for a new one.", "Who are you?"} {
		if err := checkWords(good); err != nil {
			t.Errorf("checkWords(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{
		"oidc: no key.", "No full stop", "Bad %!s(MISSING).", "It said: context canceled.", "Line\nbreak.",
		"Bad \xff.", "<b>No</b>.", strings.Repeat("Long. ", 100) + "Long.",
	} {
		if checkWords(bad) == nil {
			t.Errorf("checkWords(%q) = nil", bad)
		}
	}
}
