package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// SignIn is what somebody shows to get a pass: an admin token, or the user name and
// password of an account, with the code of its authenticator app (or a recovery code)
// if it has one.
type SignIn struct {
	Token    string `json:"token,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Code     string `json:"code,omitempty"`
}

const (
	signInTries  = 10  // at one account
	signInFrom   = 100 // from one address
	signInWindow = 15 * time.Minute
)

var (
	errSignIn = &authn.Error{
		Public: "That is not right, or not for here. Check the user name, the password and the code, or the token.",
		Err:    errors.New("admin: sign-in refused"), Status: http.StatusUnauthorized,
	}
	errTooMany = &authn.Error{
		Public: "There were too many tries. Wait a quarter of an hour, then try again.",
		Err:    errors.New("admin: too many tries to sign in"), Status: http.StatusTooManyRequests, RetryAfter: signInWindow,
	}
)

// SignIn returns a pass, to be sent as bearer token or kept in PassCookie. Its errors
// are *authn.Error; what was wrong is not told.
func (g *Guard) SignIn(ctx context.Context, s SignIn, client netip.Addr) (text string, w Who, err error) {
	if s.Token != "" {
		return g.tokenPass(ctx, s.Token, client)
	}
	if g.accounts == nil || s.User == "" || s.Password == "" {
		return "", Who{}, errSignIn
	}
	c, err := g.accounts.Credential(ctx, s.User)
	if err != nil {
		return "", Who{}, err
	}
	if err := g.counted(ctx, &c, s.User, client); err != nil {
		return "", Who{}, err
	}
	if w, err = g.proved(ctx, &c, s); err != nil {
		if errors.Is(err, errSignIn) {
			g.note(ctx, c.Account, s.User, client, "refused")
		}
		return "", Who{}, err
	}
	if err := g.tries.Forget(ctx, "admin:"+c.Key); err != nil {
		g.log.Warn("tries of an administrator not forgotten", "err", err)
	}
	g.note(ctx, c.Account, w.Actor, client, "ok")
	text, err = g.box().seal(g.newPass("", c.Account.ID, c.Hash))
	return text, w, err
}

// proved checks everything at any rate, so that time does not tell what was wrong.
func (g *Guard) proved(ctx context.Context, c *accounts.Credential, s SignIn) (Who, error) {
	right, err := g.accounts.CheckPassword(ctx, c.Account.ID, s.Password)
	if err != nil {
		return Who{}, err
	}
	if !right || !c.Open {
		return Who{}, errSignIn
	}
	w, err := g.allowed(ctx, &c.Account)
	if errors.Is(err, errNobody) {
		return Who{}, errSignIn
	}
	if err != nil || !c.TOTP {
		return w, err
	}
	err = g.accounts.CheckTOTP(ctx, c.Account.ID, s.Code)
	if errors.Is(err, accounts.ErrNoCode) {
		_, err = g.accounts.UseRecoveryCode(ctx, accounts.Context{Actor: w.Actor}, c.Account.ID, s.Code)
	}
	if errors.Is(err, accounts.ErrNoCode) {
		return Who{}, errSignIn
	}
	return w, err
}

// tokenPass counts nothing: nobody guesses a token of 32 bytes.
func (g *Guard) tokenPass(ctx context.Context, text string, client netip.Addr) (string, Who, error) {
	t := g.token(text)
	if t == nil {
		g.log.Warn("wrong admin token", "request_id", requestID(ctx), "client", client.String())
		return "", Who{}, errSignIn
	}
	w := t.who()
	g.note(ctx, accounts.Account{}, w.Actor, client, "ok")
	sealed, err := g.box().seal(g.newPass(t.Name, "", text))
	return sealed, w, err
}

// counted counts a try before it is judged, so that many at once count too: at the
// account, and from the address, so that nobody tries many names.
func (g *Guard) counted(ctx context.Context, c *accounts.Credential, name string, client netip.Addr) error {
	for key, most := range map[string]int{"admin:" + c.Key: signInTries, "admin from " + client.String(): signInFrom} {
		n, err := g.tries.Count(ctx, key, signInWindow)
		if err != nil {
			return authn.Unavailable("Signing in does not work right now. Try again in a minute.", fmt.Errorf("admin: count tries: %w", err))
		}
		if n == most+1 {
			g.note(ctx, c.Account, name, client, "locked")
		}
		if n > most {
			return errTooMany
		}
	}
	return nil
}

// note writes down who came in, or did not.
func (g *Guard) note(ctx context.Context, account accounts.Account, actor string, client netip.Addr, result string) {
	actor = authn.CutControl(actor, 256)
	g.log.Info("sign-in to the operator's side", "request_id", requestID(ctx), "by", actor, "client", client.String(), "result", result)
	if g.accounts == nil {
		return
	}
	err := g.accounts.Audit.Append(ctx, accounts.Event{
		Actor: actor, Action: "admin_sign_in", Account: account.ID, Organisation: account.Organisation, Client: client, Result: result, RequestID: requestID(ctx),
	})
	if err != nil {
		g.log.Warn("sign-in of an administrator not in the audit trail", "err", err)
	}
}
