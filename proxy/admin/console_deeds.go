package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
)

// deed is something that an administrator does to an account: its page asks first, and
// only the form on it does it.
type deed struct {
	name   string // in the address
	least  Role
	label  string // of the button
	title  string // of the page, with the person's name in place of %s
	says   string // what will happen
	done   string // what has happened
	danger bool
	fields []field                      // that the page asks for
	keeps  []string                     // fields that come with the address and go along
	fits   func(*accounts.Account) bool // whether it makes sense
	do     func(*Console, *visit, *accounts.Account) error
	after  string // where to go; empty: the person's page
}

// field is an input of a form.
type field struct {
	Name, Label, Hint, Value string
	Lines                    bool          // more than one
	Secret                   bool          // not shown, and never filled in
	Choices                  []MethodState // to choose from instead of typing
}

func always(*accounts.Account) bool { return true }

// deeds is the table of them. Linking, roles and factors are an owner's: by a link to
// their own identity the desk would reach the application, and that it must not.
func deeds() []deed {
	return []deed{
		{
			name: "disable", least: Desk, label: "Disable", title: "Disable %s?", danger: true, done: "The account is disabled, and its sessions are over.",
			says: "Nobody can sign in to this account any more, and its sessions end at once. You can enable it again.",
			fits: (*accounts.Account).Open, do: (*Console).doDisable,
		},
		{
			name: "enable", least: Desk, label: "Enable", title: "Enable %s?", done: "The account is enabled.",
			says: "The person can sign in again.",
			fits: func(a *accounts.Account) bool { return !a.Open() }, do: (*Console).doEnable,
		},
		{
			name: "exempt", least: Desk, label: "Exempt from single sign-on", title: "Exempt %s from single sign-on?", danger: true, done: "The account is exempt from single sign-on.",
			says: "The person can use a local way in where everybody else must use single sign-on. Keep this to those who must get in when single sign-on is broken.",
			fits: func(a *accounts.Account) bool { return !a.Exempt }, do: func(c *Console, v *visit, a *accounts.Account) error { return c.doExempt(v, a, true) },
		},
		{
			name: "not-exempt", least: Desk, label: "End the exemption", title: "End the exemption of %s?", done: "The exemption is over.",
			says: "The person must use single sign-on like everybody else.",
			fits: func(a *accounts.Account) bool { return a.Exempt }, do: func(c *Console, v *visit, a *accounts.Account) error { return c.doExempt(v, a, false) },
		},
		{
			name: "unlink", least: Desk, label: "Unlink", title: "Unlink an identity from %s?", danger: true, done: "The identity is unlinked, and its sessions are over.",
			says:  "Who signs in with this identity is no longer this person, and the sessions that it began end at once. At its next sign-in it may be linked anew, if the way to sign in allows that.",
			keeps: []string{"issuer", "subject"}, fits: always, do: (*Console).doUnlink,
		},
		{
			name: "end-session", least: Desk, label: "End this session", title: "End a session of %s?", danger: true, done: "The session is over.",
			says:  "It is over with the next click, and what was not saved may be lost. The person can sign in again.",
			keeps: []string{"session"}, fits: always, do: (*Console).doEndOne,
		},
		{
			name: "end-sessions", least: Desk, label: "End all sessions", title: "End all sessions of %s?", danger: true, done: "All sessions are over.",
			says: "The person is signed out in every browser, and what was not saved may be lost. They can sign in again: disable the account first if they must not.",
			fits: always, do: (*Console).doEndAll,
		},
		{
			name: "link", least: Owner, label: "Link", title: "Link an identity to %s by hand", danger: true, done: "The identity is linked.",
			says: "Whoever signs in with this identity is this person from then on, without a code by e-mail. Be sure that it is theirs.",
			fields: []field{
				{Name: "method", Label: "Way to sign in", Hint: "by which the person will come"},
				{Name: "issuer", Label: "Issuer", Hint: "exactly as the audit trail shows it at a refused sign-in"},
				{Name: "subject", Label: "Subject", Hint: "what the issuer calls the person for good"},
			},
			fits: always, do: (*Console).doLink,
		},
		{
			name: "roles", least: Owner, label: "Save the roles", title: "Roles of %s", done: "The roles are saved.",
			says:   "They replace those that the account has. Sessions go on with the new ones, or end.",
			fields: []field{{Name: "roles", Label: "Roles", Hint: "one on a line", Lines: true}},
			fits:   always, do: (*Console).doSetRoles,
		},
		{
			name: "reset-totp", least: Owner, label: "Remove the authenticator app", title: "Remove the authenticator app of %s?", danger: true, done: "The authenticator app and the recovery codes are removed.",
			says: "The app and the recovery codes stop working. Do it for a person who has lost them, and be sure who is asking.",
			fits: always, do: func(c *Console, v *visit, a *accounts.Account) error {
				return c.Accounts.RemoveTOTP(v.r.Context(), v.context(), a.ID)
			},
		},
		{
			name: "login", least: Owner, label: "Keep them", title: "Name and password of %s for an application", danger: true, done: "The name and the password are kept.",
			says: "The application gets them with each request of this person, in place of those that were kept. They are sealed and shown to nobody again. Be sure that they are this person's.",
			fields: []field{
				{Name: "app", Label: "Application", Hint: "one that asks people for a name and password of its own"},
				{Name: "user", Label: "Name there", Hint: "as the application knows the person"},
				{Name: "password", Label: "Password there", Hint: "it is not shown", Secret: true},
			},
			fits: always, do: (*Console).doSetLogin,
		},
		{
			name: "remove-login", least: Owner, label: "Remove them", title: "Remove the name and password of %s for an application?", danger: true, done: "The name and the password are removed.",
			says:  "The person cannot use the application until a name and a password are entered anew.",
			keeps: []string{"app"}, fits: always, do: func(c *Console, v *visit, a *accounts.Account) error {
				err := c.Accounts.RemoveLogin(v.r.Context(), v.context(), a.ID, v.r.PostForm.Get("app"))
				if errors.Is(err, accounts.ErrNoLogin) {
					return accounts.ErrNotFound
				}
				return err
			},
		},
		{
			name: "delete", least: Owner, label: "Delete", title: "Delete %s?", danger: true, done: "The account is deleted.", after: "/people?done=deleted",
			says: "The account goes with its links, password and codes, and its sessions end at once. This cannot be undone; to shut somebody out for a while, disable the account instead. The audit trail stays.",
			fits: always, do: func(c *Console, v *visit, a *accounts.Account) error {
				return c.Accounts.Delete(v.r.Context(), v.context(), a.ID)
			},
		},
	}
}

// deedPage asks whether to do it.
type deedPage struct {
	Says, Label, Action, Back string
	Danger                    bool
	Facts                     []attribute // what it is about
	Keeps                     []attribute // hidden fields
	Fields                    []field
	Faults                    []string
}

func (d deed) ask(c *Console, v *visit) (shown, error) {
	account, err := c.mine(v)
	if err != nil {
		return shown{}, err
	}
	return d.page(c, v, &account, nil), nil
}

func (d deed) page(c *Console, v *visit, account *accounts.Account, faults []string) shown {
	p := deedPage{Says: d.says, Label: d.label, Action: "/people/" + account.ID + "/" + d.name, Back: "/people/" + account.ID, Danger: d.danger, Faults: faults}
	for _, name := range d.keeps {
		p.Keeps = append(p.Keeps, attribute{name, v.asked(name)})
		p.Facts = append(p.Facts, attribute{strings.ToUpper(name[:1]) + name[1:], v.asked(name)})
	}
	for _, f := range d.fields {
		f.Value = v.asked(f.Name)
		switch {
		case f.Lines && v.r.Method == http.MethodPost:
			f.Value = v.r.PostForm.Get(f.Name)
		case f.Secret:
			f.Value = ""
		case f.Name == "method":
			f.Choices = c.Methods()
		case f.Name == "app":
			f.Choices = c.loginChoices()
		case f.Name == "roles":
			f.Value = strings.Join(account.Roles, "\n")
		}
		p.Fields = append(p.Fields, f)
	}
	a := shown{page: "deed", title: fmt.Sprintf(strings.ReplaceAll(d.title, "%s", "%[1]s"), shownName(account)), data: p}
	if len(faults) > 0 {
		a.status = http.StatusUnprocessableEntity
	}
	return a
}

func (d deed) carryOut(c *Console, v *visit) (shown, error) {
	account, err := c.mine(v)
	if err != nil {
		return shown{}, err
	}
	err = d.do(c, v, &account)
	if faults := faultsOf(err); faults != nil {
		return d.page(c, v, &account, faults), nil
	}
	if err != nil {
		return shown{}, fmt.Errorf("%s %s: %w", d.name, account.ID, err)
	}
	if d.after != "" {
		return shown{to: d.after}, nil
	}
	return shown{to: "/people/" + account.ID + "?done=" + d.name}, nil
}

func (c *Console) doDisable(v *visit, a *accounts.Account) error {
	return c.Accounts.Disable(v.r.Context(), v.context(), a.ID)
}

func (c *Console) doEnable(v *visit, a *accounts.Account) error {
	return c.Accounts.Enable(v.r.Context(), v.context(), a.ID)
}

func (c *Console) doExempt(v *visit, a *accounts.Account, yes bool) error {
	return c.Accounts.Exempt(v.r.Context(), v.context(), a.ID, yes)
}

// doUnlink takes an identity from this account and no other, whatever the form says.
func (c *Console) doUnlink(v *visit, a *accounts.Account) error {
	issuer, subject := v.r.PostForm.Get("issuer"), v.r.PostForm.Get("subject")
	linked, err := c.Accounts.Links(v.r.Context(), a.ID)
	if err != nil {
		return err
	}
	for _, l := range linked {
		if l.Issuer == issuer && l.Subject == subject {
			return c.Accounts.Unlink(v.r.Context(), v.context(), issuer, subject)
		}
	}
	return accounts.ErrNotFound
}

func (c *Console) doLink(v *visit, a *accounts.Account) error {
	f := v.r.PostForm
	method := strings.TrimSpace(f.Get("method"))
	if !c.knows(method) {
		return &authn.Fault{Path: "method", Problem: fmt.Sprintf("there is no way to sign in named %q", authn.CutControl(method, 100)), Remedy: "choose one of the list"}
	}
	return c.Accounts.Link(v.r.Context(), v.context(), accounts.Link{
		Account: a.ID, Method: method, Issuer: strings.TrimSpace(f.Get("issuer")), Subject: strings.TrimSpace(f.Get("subject")),
	})
}

func (c *Console) knows(method string) bool {
	for _, m := range c.Methods() {
		if m.Name == method {
			return true
		}
	}
	return false
}

// loginChoices are the applications that are sent people's own names and passwords.
func (c *Console) loginChoices() []MethodState {
	if c.Logins == nil {
		return nil
	}
	var all []MethodState
	for _, name := range c.Logins() {
		all = append(all, MethodState{Name: name, Title: name})
	}
	return all
}

func (c *Console) doSetLogin(v *visit, a *accounts.Account) error {
	f := v.r.PostForm
	app := f.Get("app")
	if err := c.forLogins(app); err != nil {
		return &authn.Fault{Path: "app", Problem: err.Error(), Remedy: "choose one of the list"}
	}
	l := accounts.Login{User: strings.TrimSpace(f.Get("user")), Password: authn.NewSecret(f.Get("password"))}
	return c.Accounts.SetLogin(v.r.Context(), v.context(), a.ID, app, l)
}

func (c *Console) doSetRoles(v *visit, a *accounts.Account) error {
	var roles []string
	for role := range strings.SplitSeq(v.r.PostForm.Get("roles"), "\n") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return c.Accounts.SetRoles(v.r.Context(), v.context(), a.ID, roles)
}
