package authntest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"foregate/authn"
)

// canary is in everything that the hostile requests send, so that it can be
// found where it must not be. The secret one goes into fields for secrets.
const (
	canary       = "zqcanaryqz"
	secretCanary = "zqsecretqz"
)

// checkReply says what is wrong with the shape of a reply.
func checkReply(reply authn.Reply) error {
	switch r := reply.(type) {
	case authn.SignedIn:
		return checkIdentity(r.Identity)
	case authn.Redirect:
		return checkURL(r.URL)
	case authn.PostForm:
		if len(r.Fields) == 0 {
			return errors.New("PostForm has no fields")
		}
		return checkURL(r.URL)
	case authn.Form:
		return checkForm(r)
	case authn.Challenge:
		if r.Scheme == "" {
			return errors.New("Challenge names no scheme")
		}
		return nil
	case authn.Elsewhere:
		return nil
	default:
		return fmt.Errorf("a reply is SignedIn, Redirect, PostForm, Form, Challenge or Elsewhere, by value; got %T", reply)
	}
}

func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("address of the reply: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("%q is not an absolute http or https address", address)
	}
	return nil
}

func checkForm(f authn.Form) error {
	if f.Step == "" || len(f.Fields) == 0 && len(f.Facts) == 0 {
		return fmt.Errorf("a form has a step and fields, or something to be read: %+v", f)
	}
	seen := make(map[string]bool)
	for _, field := range f.Fields {
		if field.Name == "" || field.Label == "" || seen[field.Name] {
			return fmt.Errorf("field %q of step %q: it needs a label and a name of its own", field.Name, f.Step)
		}
		seen[field.Name] = true
		if err := checkField(field); err != nil {
			return fmt.Errorf("field %q of step %q: %w", field.Name, f.Step, err)
		}
	}
	for _, button := range f.Buttons {
		if button.Name == "" || button.Label == "" || seen[button.Name] {
			return fmt.Errorf("button %q of step %q: it needs a label and a name of its own", button.Name, f.Step)
		}
		seen[button.Name] = true
	}
	if f.Problem == "" {
		return nil
	}
	return checkWords(f.Problem)
}

func checkField(f authn.Field) error {
	switch f.Kind {
	case "text", "email":
	case "password", "code":
		if f.Value != "" {
			return errors.New("a password or code is filled in")
		}
	default:
		return fmt.Errorf("kind %q is none of text, email, password, code", f.Kind)
	}
	if f.Fixed && f.Value == "" {
		return errors.New("it cannot be changed and is empty")
	}
	if strings.ContainsFunc(f.Value, unicode.IsControl) || len(f.Value) > 1024 {
		return errors.New("the value filled in has control characters or is longer than 1024 bytes")
	}
	return nil
}

// checkIdentity says what is missing from the identity of a person.
func checkIdentity(id authn.Identity) error {
	switch {
	case id.Anonymous():
		return errors.New("signed in without an issuer or a subject")
	case id.User == "":
		return errors.New("signed in without a user name for the application")
	case id.Method == "":
		return errors.New("signed in without the method's name")
	case id.Authenticated.IsZero():
		return errors.New("signed in without saying when")
	}
	return nil
}

// maxErrorText bounds one line of the log that a stranger can cause.
const maxErrorText = 4096

// checkError says what is wrong with an error that a person will be shown.
func checkError(err error) error {
	var e *authn.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%T is no *authn.Error: %w", err, err)
	}
	if e.Public == "" {
		return fmt.Errorf("no words for the person: %w", err)
	}
	if n := len(err.Error()); n > maxErrorText {
		return fmt.Errorf("the error is %d bytes long: a stranger floods the log", n)
	}
	if strings.Contains(err.Error(), secretCanary) {
		return errors.New("the error repeats a password or code")
	}
	if err := checkWords(e.Public); err != nil {
		return err
	}
	for cause := e.Err; cause != nil; cause = errors.Unwrap(cause) {
		if strings.Contains(e.Public, cause.Error()) {
			return fmt.Errorf("public words %q contain the text of an error", e.Public)
		}
	}
	return nil
}

// checkWords says why words are not fit for a person who knows nothing of
// computers. They are one or more sentences without input of a stranger.
func checkWords(words string) error {
	for _, bad := range []string{
		canary, secretCanary, "%!", "<nil>", "goroutine ", "runtime error", "panic", ".go:", "0x",
		"context canceled", "deadline exceeded", "EOF", "dial tcp", "sql:", "x509:", "{", "}", "<", ">",
	} {
		if strings.Contains(words, bad) {
			return fmt.Errorf("words for a person contain %q: %q", bad, words)
		}
	}
	if !utf8.ValidString(words) || strings.ContainsFunc(words, unicode.IsControl) {
		return fmt.Errorf("words for a person have unprintable characters: %q", words)
	}
	if len(words) > 500 {
		return fmt.Errorf("words for a person are %d bytes long", len(words))
	}
	first, _ := utf8.DecodeRuneInString(words)
	if unicode.IsLower(first) || !strings.ContainsAny(words[len(words)-1:], ".?!") {
		return fmt.Errorf("words for a person are not a sentence: %q", words)
	}
	return nil
}
