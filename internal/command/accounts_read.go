package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/proxy/admin"
)

// conditions are flags that go into the query of an address under their own names.
type conditions map[string]*string

func conditionFlags(cmd *cobra.Command, words ...[2]string) conditions {
	c := make(conditions)
	for _, w := range words {
		c[w[0]] = cmd.Flags().String(w[0], "", w[1])
	}
	return c
}

func (c conditions) query(cmd *cobra.Command) (url.Values, error) {
	q := url.Values{}
	for name, value := range c {
		if err := full(cmd, name); err != nil {
			return nil, err
		}
		if *value != "" {
			q.Set(strings.ReplaceAll(name, "-", "_"), *value)
		}
	}
	return q, nil
}

func (sh *shell) accountsList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "list [WORD…]", Short: "Accounts by name, or those that have these words in user name, e-mail address or name"}
	a := sh.asker(cmd)
	c := conditionFlags(cmd, [2]string{"organisation", "accounts of this `organisation`; - for those without one"},
		[2]string{"status", "`active` or disabled"}, [2]string{"kind", "accounts of this `kind`"}, [2]string{"source", "where they come from: `create`, import, scim, admit or directory"},
		[2]string{"email", "accounts with this e-mail `address`"}, [2]string{"group", "members of the group with this `ID`"})
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if limit < 1 {
			return usageError{fmt.Errorf("--limit is a number from 1 on")}
		}
		q, err := c.query(cmd)
		if err != nil {
			return err
		}
		if len(words) > 0 {
			q.Set("text", strings.Join(words, " "))
		}
		list, err := a.pages(cmd, q, limit)
		if err != nil {
			return err
		}
		if a.asJSON {
			return json.NewEncoder(a.out).Encode(list)
		}
		return a.printAccounts(list)
	}
	return cmd
}

// pages reads as many pages as limit takes.
func (a *asker) pages(cmd *cobra.Command, q url.Values, limit int) (admin.AccountList, error) {
	list := admin.AccountList{Accounts: []accounts.Account{}}
	for {
		q.Set("limit", strconv.Itoa(min(limit-len(list.Accounts), 1000)))
		answer, err := a.operate(cmd.Context(), a.path, http.MethodGet, "/api/v1/accounts?"+q.Encode(), nil)
		if err != nil {
			return list, err
		}
		var page admin.AccountList
		if err := json.Unmarshal(answer, &page); err != nil {
			return list, fmt.Errorf("read the answer: %w", err)
		}
		list.Accounts = append(list.Accounts, page.Accounts...)
		if list.Next = page.Next; list.Next == "" || len(list.Accounts) >= limit {
			return list, nil
		}
		q.Set("after", list.Next)
	}
}

func (a *asker) printAccounts(list admin.AccountList) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tNAME\tE-MAIL\tORGANISATION\tSTATUS\tROLES\tLAST SIGN-IN\tID")
	for i := range list.Accounts {
		x := &list.Accounts[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Username, x.Name, x.Email, x.Organisation, status(x), strings.Join(x.Roles, " "), moment(x.LastSignIn), x.ID)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if list.Next != "" {
		fmt.Fprintln(a.err, "There are more: raise --limit, or say more of whom you look for.")
	}
	return nil
}

func status(x *accounts.Account) string {
	if x.Exempt {
		return x.Status + ", exempt"
	}
	return x.Status
}

// moment is a time for people.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func (sh *shell) accountsShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show ACCOUNT", Short: "An account with its links, sessions and history", Args: oneAccount}
	a := sh.asker(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var d admin.AccountDetail
		return a.ask(cmd.Context(), http.MethodGet, admin.AccountPath(args[0], ""), nil, &d, func() error { return a.printDetail(&d) })
	}
	return cmd
}

func (a *asker) printDetail(d *admin.AccountDetail) error {
	x := &d.Account
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"ID", x.ID}, {"User", x.Username}, {"Name", x.Name}, {"E-mail", x.Email}, {"Status", status(x)}, {"Organisation", x.Organisation}, {"Kind", x.Kind},
		{"Roles", strings.Join(x.Roles, " ")}, {"Attributes", oneLine(x.Attributes)}, {"From", x.Source}, {"External ID", x.ExternalID},
		{"Made", moment(x.Created)}, {"Changed", moment(x.Changed)}, {"Last sign-in", strings.TrimSpace(moment(x.LastSignIn) + " " + x.LastMethod)},
		{"Proofs", factors(&d.Factors)},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
	}
	for _, l := range d.Links {
		fmt.Fprintf(w, "Linked\t%s: %s at %s, by %s on %s\n", l.Method, l.Subject, l.Issuer, l.MadeBy, moment(l.Made))
	}
	for _, l := range d.Logins {
		fmt.Fprintf(w, "Own name and password\tfor %s, of %s\n", l.App, moment(l.Changed))
	}
	for _, s := range d.Sessions {
		fmt.Fprintf(w, "Session\t%s: %s by %s from %s, since %s, until %s at most\n", s.Handle, s.App, s.Method, s.Client, moment(s.Began), moment(s.Ends))
	}
	if err := w.Flush(); err != nil || len(d.History) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	return a.printEvents(d.History)
}

func factors(f *admin.FactorInfo) string {
	var has []string
	if f.Password {
		has = append(has, "password")
	}
	if f.TOTP {
		has = append(has, fmt.Sprintf("authenticator app (%d recovery codes left)", f.RecoveryCodes))
	}
	return strings.Join(has, ", ")
}

// oneLine is JSON in one line; nothing for nothing.
func oneLine(v map[string]any) string {
	if len(v) == 0 {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
