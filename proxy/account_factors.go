package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy/pages"
)

// Fields of the forms with which people change what they sign in with.
const (
	fieldPresent = "password"
	fieldNew     = "new"
	fieldAgain   = "again"
	buttonRemove = "remove"
)

const (
	leastPassword = 12 // characters of a password that people choose
	ownTries      = 10 // wrong passwords or codes on the person's page, in ownWindow
	ownWindow     = time.Hour
)

// changePassword asks for the password that the person has and for a new one. When it
// is changed they are signed out everywhere else: somebody may have known the old one.
func (s *Server) changePassword(ctx context.Context, x *exchange, r *http.Request, me *self) error {
	if r.Method != http.MethodPost {
		if !me.recent(recentTime) {
			return s.signInAgain(x, me, accountPassword)
		}
		return s.showOwnForm(x, accountPassword, "", passwordForm(me, ""))
	}
	if !me.recent(finishTime) {
		return s.signInAgain(x, me, accountPassword)
	}
	present, next := r.PostForm.Get(fieldPresent), r.PostForm.Get(fieldNew)
	if problem := unfit(next, r.PostForm.Get(fieldAgain), present, me); problem != "" {
		return s.showOwnForm(x, accountPassword, "", passwordForm(me, problem))
	}
	if err := s.countOwn(ctx, me); err != nil {
		return err
	}
	right, err := s.Accounts.CheckPassword(ctx, me.account.ID, present)
	if err != nil {
		return noAccounts(err)
	}
	if !right {
		s.Log.Info("password not changed", "request_id", x.id, "app", x.app.Name, "user", x.user(), "client", x.peer, "reason", "the present one is wrong")
		return s.showOwnForm(x, accountPassword, "", passwordForm(me, "That is not the password that you have now. Check it and try again."))
	}
	var fault *authn.Fault
	switch err := s.Accounts.ChangePassword(ctx, s.actor(x, me), me.account.ID, next); {
	case errors.As(err, &fault):
		return s.showOwnForm(x, accountPassword, "", passwordForm(me, "That password cannot be used. Choose another one."))
	case err != nil:
		return noAccounts(err)
	}
	s.forgetOwn(ctx, me)
	s.Log.Info("password changed by its person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "client", x.peer)
	if err := s.endMyOthers(ctx, x, me); err != nil {
		return authn.Unavailable("Your password is changed, but your other devices could not be signed out just now. Go to your account and sign them out there.", err)
	}
	redirect(x, http.StatusSeeOther, s.accountURL("")+"?done=password")
	return nil
}

// unfit says why a new password cannot be taken, in plain words. Length is what
// counts; that letters, digits and signs are mixed is not asked for (NIST SP
// 800-63B-4, section 3.1.1.2).
func unfit(next, again, present string, me *self) string {
	names := []string{me.account.Username, me.account.Email, me.account.Name}
	switch {
	case present == "":
		return "Type the password that you have now, too."
	case utf8.RuneCountInString(next) < leastPassword:
		return "The new password is too short. It needs at least 12 characters."
	case len(next) > 1024 || strings.ContainsRune(next, 0):
		return "That password cannot be used. Choose another one."
	case next != again:
		return "The new password and its repetition differ. Type both again."
	case next == present:
		return "That is the password that you have already. Choose another one."
	case strings.Count(next, next[:1]) == len(next):
		return "That password would be guessed at once. Choose another one."
	}
	for _, name := range names {
		if name != "" && strings.EqualFold(strings.TrimSpace(next), name) {
			return "Your name or address is no password. Choose another one."
		}
	}
	return ""
}

func passwordForm(me *self, problem string) authn.Form {
	return authn.Form{Step: "new-password", Problem: problem, Fields: []authn.Field{
		{Name: "username", Kind: "text", Label: "User name", Autocomplete: "username", Value: me.sess.Identity.User, Fixed: true},
		{Name: fieldPresent, Kind: "password", Label: "Password that you have now", Autocomplete: "current-password"},
		{Name: fieldNew, Kind: "password", Label: "New password", Autocomplete: "new-password"},
		{Name: fieldAgain, Kind: "password", Label: "New password once more", Autocomplete: "new-password"},
	}}
}

// changeApp sets up an authenticator app, or changes the one that there is.
func (s *Server) changeApp(ctx context.Context, x *exchange, r *http.Request, me *self) error {
	within := finishTime
	if r.Method != http.MethodPost {
		within = recentTime
	}
	switch {
	case !me.recent(within):
		return s.signInAgain(x, me, accountApp)
	case r.Method != http.MethodPost && me.factors.TOTP:
		return s.showOwnForm(x, accountApp, "", changeAppForm(""))
	case r.Method != http.MethodPost:
		return s.showOwnForm(x, accountApp, "", authn.Form{Step: "totp-begin"})
	case me.factors.TOTP:
		return s.withApp(ctx, x, r, me)
	}
	return s.withoutApp(ctx, x, r, me)
}

// withoutApp begins to set up an app, or ends it.
func (s *Server) withoutApp(ctx context.Context, x *exchange, r *http.Request, me *self) error {
	mark, code := r.PostForm.Get(pages.FieldAttempt), strings.TrimSpace(r.PostForm.Get(fieldCode))
	if mark == "" {
		return s.showEnrolment(ctx, x, me, "", "")
	}
	if err := s.countOwn(ctx, me); err != nil {
		return err
	}
	codes, err := s.Accounts.ConfirmTOTP(ctx, s.actor(x, me), me.account.ID, code)
	switch {
	case errors.Is(err, accounts.ErrNoCode):
		return s.showEnrolment(ctx, x, me, mark, "That is not the code. Check that the time on your phone is right, then type the code that your app shows now.")
	case err != nil:
		return noAccounts(err)
	}
	s.forgetOwn(ctx, me)
	s.Log.Info("authenticator app set up by its person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "client", x.peer)
	s.showCodes(x, codes)
	return nil
}

func (s *Server) showEnrolment(ctx context.Context, x *exchange, me *self, mark, problem string) error {
	e, err := s.Accounts.ContinueTOTP(ctx, s.actor(x, me), me.account.ID, x.app.calledBy(), mark)
	if err != nil {
		return noAccounts(fmt.Errorf("begin to set up an app: %w", err))
	}
	if mark != "" && mark != e.Mark {
		problem = "Setting up was begun a second time, so the picture has changed. Delete the entry in your app and take this picture."
	}
	return s.showOwnForm(x, accountApp, e.Mark, authn.Form{
		Step: "enrol", Problem: problem,
		Fields: []authn.Field{{Name: fieldCode, Kind: "code", Label: "Code that your app shows", Autocomplete: "one-time-code"}},
		Facts:  map[string]string{"url": e.URL.Reveal(), "secret": e.Secret.Reveal()},
	})
}

// withApp makes new recovery codes or removes the app, after a code.
func (s *Server) withApp(ctx context.Context, x *exchange, r *http.Request, me *self) error {
	if err := s.countOwn(ctx, me); err != nil {
		return err
	}
	who := authn.Person{Issuer: accounts.Issuer, Subject: me.account.ID, User: me.sess.Identity.User}
	err := accounts.People{A: s.Accounts}.CheckCode(ctx, who, strings.TrimSpace(r.PostForm.Get(fieldCode)))
	switch {
	case errors.Is(err, authn.ErrWrongCode):
		return s.showOwnForm(x, accountApp, "", changeAppForm("That code is wrong or was used before. Wait for the next one in your app and type that."))
	case err != nil:
		return noAccounts(err)
	}
	s.forgetOwn(ctx, me)
	if r.PostForm.Has(buttonRemove) {
		if err := s.Accounts.RemoveTOTP(ctx, s.actor(x, me), me.account.ID); err != nil {
			return noAccounts(err)
		}
		s.Log.Info("authenticator app removed by its person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "client", x.peer)
		redirect(x, http.StatusSeeOther, s.accountURL("")+"?done=app")
		return nil
	}
	codes, err := s.Accounts.RenewRecoveryCodes(ctx, s.actor(x, me), me.account.ID)
	if err != nil {
		return noAccounts(err)
	}
	s.Log.Info("recovery codes made anew by their person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "client", x.peer)
	s.showCodes(x, codes)
	return nil
}

func changeAppForm(problem string) authn.Form {
	return authn.Form{
		Step: "totp-change", Problem: problem,
		Fields:  []authn.Field{{Name: fieldCode, Kind: "text", Label: "Code from your app, or a recovery code", Autocomplete: "one-time-code"}},
		Buttons: []authn.Button{{Name: buttonRemove, Label: "Remove the app"}},
	}
}

// showCodes shows recovery codes, this once.
func (s *Server) showCodes(x *exchange, codes []string) {
	s.show(x, http.StatusOK, pages.FormPage{
		Action: s.accountURL(""), Form: authn.Form{Step: "recovery-codes", Facts: map[string]string{"codes": strings.Join(codes, "\n")}},
	})
}

func (s *Server) showOwnForm(x *exchange, name, mark string, form authn.Form) error {
	status := http.StatusOK
	if form.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	s.show(x, status, pages.FormPage{
		Action: s.accountURL(name), Attempt: mark, Form: form, Back: s.accountURL(""),
	})
	return nil
}

// countOwn counts a try at what the person has to know, before it is judged.
func (s *Server) countOwn(ctx context.Context, me *self) error {
	n, err := s.Tries.Count(ctx, ownKey(me), ownWindow)
	if err != nil {
		return storeDown(fmt.Errorf("counting a try: %w", err))
	}
	if n > ownTries {
		return &authn.Error{
			Public: "Too many tries. Wait an hour, then try again.", Status: http.StatusTooManyRequests, RetryAfter: ownWindow,
			Err: fmt.Errorf("account %s has used up its tries on the person's page", me.account.ID),
		}
	}
	return nil
}

func (s *Server) forgetOwn(ctx context.Context, me *self) {
	if err := s.Tries.Forget(ctx, ownKey(me)); err != nil {
		s.Log.Warn("counted tries not forgotten after a success", "err", err)
	}
}

// ownKey is opaque, so that the store tells no names.
func ownKey(me *self) string {
	sum := sha256.Sum256([]byte("own page\x00" + me.account.ID))
	return "own:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
