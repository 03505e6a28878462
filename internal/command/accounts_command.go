package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/proxy/admin"
)

// accountsCommand asks the Foregate that runs on this machine, by its socket.
func (sh *shell) accountsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "accounts", Short: "See and change the accounts of people, and what happened to them", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		sh.accountsList(), sh.accountsShow(), sh.accountsCreate(), sh.accountsChange(),
		sh.deed("disable", "Shut an account and end its sessions", http.MethodPost, "/disable", "is disabled"),
		sh.deed("enable", "Undo disable", http.MethodPost, "/enable", "is enabled"),
		sh.accountsExempt(), sh.accountsLink(), sh.accountsUnlink(), sh.accountsRoles(), sh.accountsPassword(), sh.accountsLogin(),
		sh.deed("reset-totp", "Take the authenticator app and the recovery codes away, for who has lost both", http.MethodDelete, "/totp", "has no authenticator app"),
		sh.accountsDelete(), sh.accountsImport(), sh.accountsExport(), sh.accountsRefresh(), sh.accountsUsage(), sh.accountsAudit(),
	)
	return cmd
}

// asker is what the commands about accounts have in common.
type asker struct {
	*shell
	path   string
	asJSON bool
}

func (sh *shell) asker(cmd *cobra.Command) *asker {
	a := &asker{shell: sh}
	configFlag(cmd, &a.path)
	cmd.Flags().BoolVar(&a.asJSON, "json", false, "write JSON for scripts")
	return a
}

// ask sends an order, which may be nil. With --json the answer is written as it is;
// otherwise it is read into v and print writes it for people.
func (a *asker) ask(ctx context.Context, method, target string, order, v any, print func() error) error {
	var body []byte
	if order != nil {
		var err error
		if body, err = json.Marshal(order); err != nil {
			return err
		}
	}
	answer, err := a.operate(ctx, a.path, method, target, body)
	if err != nil {
		return err
	}
	if a.asJSON {
		_, err = a.out.Write(answer)
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return print()
}

// oneAccount is for commands about one account: an ID, a user name, or an e-mail address
// that it alone has.
func oneAccount(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] != "" {
		return nil
	}
	if len(args) > 1 {
		return usageError{fmt.Errorf("%s takes one account, and %q is too much", cmd.CommandPath(), args[1])}
	}
	return usageError{fmt.Errorf("which account? Name its ID, its user name, or its e-mail address: %s ACCOUNT", cmd.CommandPath())}
}

// deed is a command that needs nothing but the account.
func (sh *shell) deed(name, words, method, below, done string) *cobra.Command {
	cmd := &cobra.Command{Use: name + " ACCOUNT", Short: words, Args: oneAccount}
	a := sh.asker(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.change(cmd.Context(), method, admin.AccountPath(args[0], below), nil, done)
	}
	return cmd
}

// change asks for a change and says that it is done.
func (a *asker) change(ctx context.Context, method, target string, order any, done string) error {
	var account accounts.Account
	return a.ask(ctx, method, target, order, &account, func() error {
		_, err := fmt.Fprintf(a.out, "%s %s\n", called(&account), done)
		return err
	})
}

// called is an account as people know it, and its ID.
func called(x *accounts.Account) string {
	for _, name := range []string{x.Username, x.Email, x.Name} {
		if name != "" {
			return name + " (" + x.ID + ")"
		}
	}
	return x.ID
}

// full refuses a flag that is given and empty: an unset variable of a script must not
// mean everybody.
func full(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usageError{fmt.Errorf("--%s is empty: say something, or leave it out", name)}
		}
	}
	return nil
}

var errSecretArgument = errors.New("a password on the command line can be seen by everybody on this machine; this command asks for it, or reads it from standard input")
