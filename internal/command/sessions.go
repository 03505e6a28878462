package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"foregate/proxy/admin"
)

// sessionsCommand asks the Foregate that runs on this machine, by its socket.
func (sh *shell) sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sessions", Short: "See who is signed in, end sessions, move them to another store", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(sh.sessionsList(), sh.sessionsRevoke(), sh.sessionsExport(), sh.sessionsImport())
	return cmd
}

// selectorFlags are the same for list and revoke. One that is given must say
// something: an unset variable of a script must not mean everybody.
func selectorFlags(cmd *cobra.Command, s *admin.Selector) {
	cmd.Flags().StringVar(&s.User, "user", "", "sessions of this `user`, by the name that the application is given")
	cmd.Flags().StringVar(&s.Method, "method", "", "sessions that this `method` began")
	cmd.Flags().StringVar(&s.App, "app", "", "sessions that began at this `app`")
	cmd.Flags().StringVar(&s.Handle, "handle", "", "the session with this `handle`, as lists and logs show it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range []string{"user", "method", "app", "handle"} {
			if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usageError{fmt.Errorf("--%s is empty: name one, or leave it out", name)}
			}
		}
		return nil
	}
}

func (sh *shell) sessionsList() *cobra.Command {
	var path string
	var s admin.Selector
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Who is signed in",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := s.Query()
			q.Set("limit", fmt.Sprint(limit))
			answer, err := sh.operate(cmd.Context(), path, http.MethodGet, "/api/v1/sessions?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = sh.out.Write(answer)
				return err
			}
			return sh.printSessions(answer)
		},
	}
	configFlag(cmd, &path)
	selectorFlags(cmd, &s)
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

func (sh *shell) printSessions(answer []byte) error {
	var list struct {
		Sessions []admin.SessionInfo
		More     bool
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	slices.SortFunc(list.Sessions, func(a, b admin.SessionInfo) int {
		if c := strings.Compare(a.User, b.User); c != 0 {
			return c
		}
		return a.Began.Compare(b.Began)
	})
	w := tabwriter.NewWriter(sh.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tMETHOD\tAPP\tFROM\tSINCE\tUNTIL AT MOST\tHANDLE")
	for _, s := range list.Sessions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.User, s.Method, s.App, s.Client,
			s.Began.Local().Format(time.DateTime), s.Ends.Local().Format(time.DateTime), s.Handle)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if list.More {
		fmt.Fprintln(sh.err, "There may be more: raise --limit, or name a user, method or app.")
	}
	return nil
}

func (sh *shell) sessionsRevoke() *cobra.Command {
	var path string
	var s admin.Selector
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End sessions at once, on every replica",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.Empty() {
				return usageError{errors.New("whose sessions shall end? Name --user, --method, --app or --handle, or say --all")}
			}
			order, err := json.Marshal(s)
			if err != nil {
				return err
			}
			answer, err := sh.operate(cmd.Context(), path, http.MethodPost, "/api/v1/sessions/revoke", order)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = sh.out.Write(answer)
				return err
			}
			var done struct{ Revoked int }
			if err := json.Unmarshal(answer, &done); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			_, err = fmt.Fprintf(sh.out, "%d sessions ended\n", done.Revoked)
			return err
		},
	}
	configFlag(cmd, &path)
	selectorFlags(cmd, &s)
	cmd.Flags().BoolVar(&s.All, "all", false, "all sessions of everybody, within what the other flags say")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}
