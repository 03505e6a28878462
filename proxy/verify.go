package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/internal/onetime"
)

// At a person's first sign-in their identity matches an account, and a code that goes
// to the address on that account proves that it is theirs. Meanwhile the attempt goes
// on: what the method said of them waits sealed at the store, and the code is good in
// this browser alone. It is typed, never followed as a link, which a scanner of mails
// would use up.

// keepProof is the key in Attempt.Values of the ticket for a pending.
const keepProof = "proof"

// pending is a person who has signed in and is to prove that an account is theirs.
type pending struct {
	Verify   accounts.Verify
	Identity authn.Identity
}

const (
	stepProof   = "proof"
	fieldCode   = "code"
	buttonAgain = "again"

	proofMinutes = int(onetime.MaxLifetime / 60e9)
)

// askForProof sends a code and asks for it.
func (s *Server) askForProof(x *exchange, r *http.Request, m *Method, a *authn.Attempt, p pending) error {
	if s.Codes == nil || s.Mail == nil {
		return fmt.Errorf("method %q asks for a proof by e-mail, and there is no mail server", m.Name)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keeping who is to prove an account: %w", err)
	}
	ticket, err := s.Sessions.Hold(r.Context(), data, 2*onetime.MaxLifetime)
	if err != nil {
		return storeDown(err)
	}
	a.Values = map[string]string{keepProof: ticket}
	problem, err := s.sendProof(r.Context(), x, r, m, a, p.Verify)
	if err != nil {
		return err
	}
	return s.reply(x, r, m, a, unsentForm(p.Verify, problem))
}

// sendProof has a code made and sent. It returns what to tell the person if none is.
func (s *Server) sendProof(ctx context.Context, x *exchange, r *http.Request, m *Method, a *authn.Attempt, v accounts.Verify) (string, error) {
	code, err := s.Codes.New(ctx, a, v.Address)
	switch {
	case errors.Is(err, onetime.ErrNetworkLimit), errors.Is(err, onetime.ErrAddressLimit):
		s.Log.Warn("too many codes", "request_id", x.id, "method", m.Name, "account", v.Account, "client", x.peer, "reason", err.Error())
		return "No more codes can be sent at the moment. Use the last one that you asked for here, or try again in an hour.", nil
	case err != nil:
		return "", authn.Unavailable("We cannot send codes right now. Try again in a minute.", err)
	}
	title := x.app.Look.Title
	if title == "" {
		title = x.app.Name
	}
	err = s.Mail.Send(ctx, authn.Letter{
		To: v.Address, Kind: "verify", App: x.app.Name, Language: authn.LanguageOf(r),
		Values: map[string]string{"code": code, "minutes": strconv.Itoa(proofMinutes), "app": title, "name": v.Name},
	})
	if err != nil {
		s.Log.Warn("code not sent", "request_id", x.id, "method", m.Name, "account", v.Account, "client", x.peer, "reason", err.Error())
		return "The code could not be sent. Wait a minute and ask for a new one; if it goes on, ask the people who look after this application.", nil
	}
	s.Log.Info("code on its way", "request_id", x.id, "method", m.Name, "account", v.Account, "client", x.peer)
	return "", nil
}

// unsentForm is proofForm, which does not speak of a code that was not sent.
func unsentForm(v accounts.Verify, problem string) authn.Form {
	form := proofForm(v, problem)
	if problem != "" {
		form.Facts["unsent"] = "yes"
	}
	return form
}

func proofForm(v accounts.Verify, problem string) authn.Form {
	return authn.Form{
		Step:    stepProof,
		Fields:  []authn.Field{{Name: fieldCode, Kind: "code", Label: "Code from the e-mail", Autocomplete: "one-time-code"}},
		Buttons: []authn.Button{{Name: buttonAgain, Label: "Send a new code"}},
		Problem: problem,
		Facts:   map[string]string{"address": v.Masked, "minutes": strconv.Itoa(proofMinutes)},
	}
}

// proof is the answer to proofForm.
func (s *Server) proof(ctx context.Context, x *exchange, r *http.Request, m *Method, a *authn.Attempt) error {
	p, err := s.pendingOf(ctx, a)
	if errors.Is(err, cookies.ErrNotHeld) {
		s.Attempts.Drop(x, r, x.secure, a.ID)
		return authn.Invalid("It took too long. Please sign in again; you will get a new code.", err)
	}
	if err != nil {
		return storeDown(err)
	}
	if r.PostForm.Has(buttonAgain) {
		problem, err := s.sendProof(ctx, x, r, m, a, p.Verify)
		if err != nil {
			return err
		}
		return s.reply(x, r, m, a, unsentForm(p.Verify, problem))
	}
	address, err := s.Codes.Check(ctx, a, r.PostForm.Get(fieldCode))
	switch {
	case errors.Is(err, onetime.ErrWrong):
		return s.reply(x, r, m, a, proofForm(p.Verify, "That is not the code. Look for the newest e-mail and type the digits from it."))
	case errors.Is(err, onetime.ErrDead):
		return s.reply(x, r, m, a, proofForm(p.Verify, "That code does not work any more. Ask for a new one below."))
	case err != nil:
		return authn.Unavailable("We cannot check codes right now. Try again in a minute.", err)
	case address != p.Verify.Address:
		return authn.Invalid("Please sign in again.", errors.New("a code that was sent to another address"))
	}
	in, err := s.Accounts.Confirm(ctx, m.Admit, p.Verify, p.Identity, s.context(x, m, &p.Identity))
	if err != nil {
		return s.turnedAway(x, m, a, &p.Identity, err)
	}
	s.Sessions.LetGo(ctx, a.Values[keepProof])
	return s.letIn(x, r, m, a, in.Identity)
}

func (s *Server) pendingOf(ctx context.Context, a *authn.Attempt) (pending, error) {
	data, err := s.Sessions.Held(ctx, a.Values[keepProof])
	if err != nil {
		return pending{}, err
	}
	var p pending
	if err := json.Unmarshal(data, &p); err != nil {
		return pending{}, fmt.Errorf("reading who is to prove an account: %w", err)
	}
	return p, nil
}
