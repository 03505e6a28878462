package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
)

// signInPage asks for a token or for an account.
type signInPage struct {
	Return   string
	User     string
	Problem  string
	Account  bool // accounts may sign in
	Nobody   bool // neither a token nor an account is configured
	TheToken bool // the problem is with the token
}

// whoAsks tells by the cookie who makes a request, and puts off the end of their visit.
func (c *Console) whoAsks(v *visit) (Who, error) {
	cookie, err := v.r.Cookie(passCookie(v.r))
	if err != nil {
		return Who{}, errNobody
	}
	// A script's token is for the API. A page that answered to it could be scripted
	// round what the API checks.
	v.r.Header.Del("Authorization")
	who, err := c.Guard.who(v.r)
	if err != nil {
		return Who{}, err
	}
	if next, err := c.Guard.Renew(cookie.Value); err == nil {
		setPass(v, next)
	}
	return who, nil
}

func setPass(v *visit, pass string) {
	http.SetCookie(v.w, &http.Cookie{
		Name: passCookie(v.r), Value: pass, Path: "/", HttpOnly: true, Secure: v.r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: int(passIdle / time.Second),
	})
}

func dropPass(v *visit) {
	http.SetCookie(v.w, &http.Cookie{Name: passCookie(v.r), Path: "/", HttpOnly: true, Secure: v.r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: -1})
}

func (c *Console) askWho(v *visit) (shown, error) {
	if _, err := c.whoAsks(v); err == nil {
		return shown{to: localPath(v.asked("rd"))}, nil
	}
	return c.signInForm(v, "", false), nil
}

func (c *Console) signInForm(v *visit, problem string, token bool) shown {
	return shown{page: "signin", title: "Sign in to the console", data: signInPage{
		Return: localPath(v.asked("rd")), User: v.r.PostFormValue("user"), Problem: problem, TheToken: token, Account: c.Guard.letsAccountsIn(), Nobody: c.Guard.letsNobodyIn(),
	}}
}

func (c *Console) signIn(v *visit) (shown, error) {
	in := SignIn{Token: strings.TrimSpace(v.r.PostFormValue("token")), User: v.r.PostFormValue("user"), Password: v.r.PostFormValue("password"), Code: v.r.PostFormValue("code")}
	pass, _, err := c.Guard.SignIn(v.r.Context(), in, clientOf(v.r))
	var known *authn.Error
	if errors.As(err, &known) {
		a := c.signInForm(v, known.Public, in.User == "")
		a.status = known.Status
		return a, nil
	}
	if err != nil {
		return shown{}, err
	}
	setPass(v, pass)
	return shown{to: localPath(v.r.PostFormValue("rd"))}, nil
}

// signOut ends the visit whether there is one or not.
func (c *Console) signOut(v *visit) (shown, error) {
	if cookie, err := v.r.Cookie(passCookie(v.r)); err == nil {
		c.Guard.SignOut(cookie.Value)
	}
	dropPass(v)
	return shown{to: "/sign-in?done=signed-out"}, nil
}

// letsAccountsIn reports whether anybody can sign in with an account.
func (g *Guard) letsAccountsIn() bool { return g.accounts != nil && len(g.rules.Load().Allowed) > 0 }

// letsNobodyIn reports whether there is neither a token nor an account for anybody.
func (g *Guard) letsNobodyIn() bool { return len(g.rules.Load().Tokens) == 0 && !g.letsAccountsIn() }

// returnFor is the address to come back to after the sign-in: what was posted is not
// posted again.
func returnFor(r *http.Request) string {
	if r.Method != http.MethodGet {
		return "/"
	}
	return localPath(r.URL.RequestURI())
}

// localPath is s if it is a path of this listener, and else the first page. Browsers
// take a backslash for a slash, and two slashes for another host.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	if u.Path == "/sign-in" || u.Path == "/sign-out" {
		return "/"
	}
	return s
}
