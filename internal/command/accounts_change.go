package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/proxy/admin"
)

// fieldFlags are the fields of an account.
func fieldFlags(cmd *cobra.Command) func() (admin.AccountOrder, error) {
	f := cmd.Flags()
	texts := map[string]*string{}
	for _, w := range [][2]string{
		{"username", "`name` that the application is given"}, {"email", "e-mail `address`"}, {"name", "`name` for people"},
		{"organisation", "`organisation` that it belongs to"}, {"kind", "staff, patient, or your own `word`"}, {"external-id", "what the source calls it: an `ID`"},
	} {
		texts[w[0]] = f.String(w[0], "", w[1])
	}
	roles := f.StringArray("role", nil, "a `role`; once for each")
	attributes := f.StringArray("attribute", nil, "an attribute as `NAME=TEXT`; NAME= takes it away")
	return func() (admin.AccountOrder, error) {
		var o admin.AccountOrder
		for name, field := range map[string]**string{
			"username": &o.Username, "email": &o.Email, "name": &o.Name, "organisation": &o.Organisation, "kind": &o.Kind, "external-id": &o.ExternalID,
		} {
			if f.Changed(name) {
				*field = texts[name]
			}
		}
		if f.Changed("role") {
			o.Roles = roles
		}
		for _, text := range *attributes {
			name, value, found := strings.Cut(text, "=")
			if !found || name == "" {
				return o, usageError{fmt.Errorf("--attribute is NAME=TEXT, and not %q", text)}
			}
			if o.Attributes == nil {
				o.Attributes = make(map[string]any)
			}
			if o.Attributes[name] = value; value == "" {
				o.Attributes[name] = nil
			}
		}
		return o, nil
	}
}

func (sh *shell) accountsCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Make an account", Args: noArgs}
	a := sh.asker(cmd)
	fields := fieldFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := full(cmd, "username", "email"); err != nil {
			return err
		}
		order, err := fields()
		if err != nil {
			return err
		}
		return a.change(cmd.Context(), http.MethodPost, "/api/v1/accounts", order, "is made")
	}
	return cmd
}

func (sh *shell) accountsChange() *cobra.Command {
	cmd := &cobra.Command{Use: "change ACCOUNT", Short: "Change the fields that are given", Args: oneAccount}
	a := sh.asker(cmd)
	fields := fieldFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		order, err := fields()
		if err != nil {
			return err
		}
		return a.change(cmd.Context(), http.MethodPatch, admin.AccountPath(args[0], ""), order, "is changed")
	}
	return cmd
}

func (sh *shell) accountsExempt() *cobra.Command {
	var off bool
	cmd := &cobra.Command{Use: "exempt ACCOUNT", Short: "Let a person use a local way in where others must use single sign-on", Args: oneAccount}
	a := sh.asker(cmd)
	cmd.Flags().BoolVar(&off, "off", false, "not any more")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		on, done := !off, "is exempt from single sign-on"
		if off {
			done = "must use single sign-on"
		}
		return a.change(cmd.Context(), http.MethodPost, admin.AccountPath(args[0], "/exempt"), admin.ExemptOrder{Exempt: &on}, done)
	}
	return cmd
}

func (sh *shell) accountsRoles() *cobra.Command {
	var none bool
	cmd := &cobra.Command{Use: "roles ACCOUNT ROLE…", Short: "Give an account these roles in place of those it has", Args: func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return oneAccount(cmd, args)
		}
		return oneAccount(cmd, args[:1])
	}}
	a := sh.asker(cmd)
	cmd.Flags().BoolVar(&none, "none", false, "take all roles away")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		roles := args[1:]
		if none == (len(roles) > 0) {
			return usageError{errors.New("name the roles, or say --none to take all away")}
		}
		return a.change(cmd.Context(), http.MethodPut, admin.AccountPath(args[0], "/roles"), admin.RolesOrder{Roles: append([]string{}, roles...)},
			"has the roles: "+strings.Join(append([]string{}, roles...), " "))
	}
	return cmd
}

func (sh *shell) accountsPassword() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "password ACCOUNT", Short: "Read a password from the terminal or standard input and give it to an account",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errSecretArgument}
			}
			return oneAccount(cmd, args)
		},
	}
	a := sh.asker(cmd)
	cmd.Flags().BoolVar(&remove, "remove", false, "take the password away")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		target := admin.AccountPath(args[0], "/password")
		if remove {
			return a.change(cmd.Context(), http.MethodDelete, target, nil, "has no password")
		}
		password, err := sh.readPassword()
		if err != nil {
			return err
		}
		if password == "" {
			return usageError{errors.New("the password is empty; --remove takes it away")}
		}
		return a.change(cmd.Context(), http.MethodPut, target, admin.PasswordOrder{Password: password}, "has a new password")
	}
	return cmd
}

func (sh *shell) accountsLogin() *cobra.Command {
	var user string
	var remove bool
	cmd := &cobra.Command{
		Use: "login ACCOUNT APP", Short: "Keep a person's own name and password for an application; the password is read from the terminal or standard input",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 2:
				return usageError{errSecretArgument}
			case len(args) < 2 || args[1] == "":
				return usageError{fmt.Errorf("whose, and for which application? %s ACCOUNT APP --user NAME", cmd.CommandPath())}
			}
			return oneAccount(cmd, args[:1])
		},
	}
	a := sh.asker(cmd)
	cmd.Flags().StringVar(&user, "user", "", "the person's `name` there")
	cmd.Flags().BoolVar(&remove, "remove", false, "forget both")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		target := admin.AccountPath(args[0], "/logins/"+url.PathEscape(args[1]))
		if remove == (user != "") {
			return usageError{errors.New("say --user with the person's name there, or --remove")}
		}
		if remove {
			return a.change(cmd.Context(), http.MethodDelete, target, nil, "has no name and password for "+args[1])
		}
		password, err := sh.readPassword()
		if err != nil {
			return err
		}
		return a.change(cmd.Context(), http.MethodPut, target, admin.LoginOrder{User: user, Password: password}, "has a name and password for "+args[1])
	}
	return cmd
}

func (sh *shell) accountsDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "delete ACCOUNT", Short: "Remove an account for good, with its links; better disable it", Args: oneAccount}
	a := sh.asker(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "really")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes {
			return usageError{fmt.Errorf("this cannot be undone, and the person could not be recognised again: say --yes, or use: foregate accounts disable %s", args[0])}
		}
		return a.change(cmd.Context(), http.MethodDelete, admin.AccountPath(args[0], ""), nil, "is removed")
	}
	return cmd
}

func (sh *shell) accountsLink() *cobra.Command {
	var o admin.LinkOrder
	cmd := &cobra.Command{Use: "link ACCOUNT", Short: "Link an identity by hand: whoever has it gets the account", Args: oneAccount}
	a := sh.asker(cmd)
	cmd.Flags().StringVar(&o.Method, "method", "", "name of the `method` that it signs in by")
	cmd.Flags().StringVar(&o.Issuer, "issuer", "", "who vouches for it, as the audit trail has the `issuer`")
	cmd.Flags().StringVar(&o.Subject, "subject", "", "what the issuer calls the person: the `subject`")
	cmd.Flags().StringVar(&o.Email, "email", "", "e-mail `address`, for people to see")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Method == "" || o.Issuer == "" || o.Subject == "" {
			return usageError{errors.New("an identity has --method, --issuer and --subject")}
		}
		return a.links(cmd, args[0], "/link", o, "is linked")
	}
	return cmd
}

func (sh *shell) accountsUnlink() *cobra.Command {
	var o admin.Identity
	var method string
	cmd := &cobra.Command{Use: "unlink ACCOUNT", Short: "Take an identity from its account and end its sessions", Args: oneAccount}
	a := sh.asker(cmd)
	cmd.Flags().StringVar(&method, "method", "", "the identity of this `method`; or name it by")
	cmd.Flags().StringVar(&o.Issuer, "issuer", "", "its `issuer` and")
	cmd.Flags().StringVar(&o.Subject, "subject", "", "its `subject`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case method != "" && o == admin.Identity{}:
			var err error
			if o, err = a.linkOf(cmd, args[0], method); err != nil {
				return err
			}
		case method != "" || o.Issuer == "" || o.Subject == "":
			return usageError{errors.New("which identity? Name --method, or --issuer and --subject")}
		}
		return a.links(cmd, args[0], "/unlink", o, "is linked no more")
	}
	return cmd
}

// linkOf is the identity of a method; an account has one at most.
func (a *asker) linkOf(cmd *cobra.Command, account, method string) (admin.Identity, error) {
	quiet := &asker{shell: a.shell, path: a.path}
	var d admin.AccountDetail
	if err := quiet.ask(cmd.Context(), http.MethodGet, admin.AccountPath(account, ""), nil, &d, func() error { return nil }); err != nil {
		return admin.Identity{}, err
	}
	for _, l := range d.Links {
		if l.Method == method {
			return admin.Identity{Issuer: l.Issuer, Subject: l.Subject}, nil
		}
	}
	return admin.Identity{}, fmt.Errorf("%s has no identity of method %q", called(&d.Account), method)
}

func (a *asker) links(cmd *cobra.Command, account, below string, order any, done string) error {
	var d admin.AccountDetail
	return a.ask(cmd.Context(), http.MethodPost, admin.AccountPath(account, below), order, &d, func() error {
		_, err := fmt.Fprintf(a.out, "%s %s\n", called((*accounts.Account)(&d.Account)), done)
		return err
	})
}
