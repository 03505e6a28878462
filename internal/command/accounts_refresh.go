package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/proxy/admin"
)

func (sh *shell) accountsRefresh() *cobra.Command {
	var method string
	var order admin.RefreshOrder
	cmd := &cobra.Command{Use: "refresh", Short: "Compare accounts with the directory that they follow, now", Args: noArgs}
	a := sh.asker(cmd)
	cmd.Flags().StringVar(&method, "method", "", "the `method` with the directory")
	cmd.Flags().BoolVar(&order.DryRun, "dry-run", false, "change nothing, and say what would change")
	cmd.Flags().BoolVar(&order.Force, "force", false, "even if most of the people would lose access")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if method == "" {
			return usageError{errors.New("--method is missing: name the method whose directory is meant")}
		}
		var found accounts.Refreshed
		target := "/api/v1/methods/" + url.PathEscape(method) + "/refresh"
		if width := widthOf(a.err); width > 0 && !a.asJSON {
			return a.refreshWithBar(cmd.Context(), target, order, width)
		}
		return a.ask(cmd.Context(), http.MethodPost, target, order, &found, func() error { return a.printRefreshed(&found) })
	}
	return cmd
}

func (a *asker) printRefreshed(found *accounts.Refreshed) error {
	for _, line := range found.Notes {
		if _, err := fmt.Fprintln(a.out, line); err != nil {
			return err
		}
	}
	verb := "were"
	if found.Dry {
		verb = "would be"
	}
	_, err := fmt.Fprintf(a.err, "%d people in the directory, %d of them with an account: %d %s changed, %d lose access, %d have it again.\n",
		found.Seen, found.Linked, found.Changed, verb, found.Left, found.Back)
	return err
}
