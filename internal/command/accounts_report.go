package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/proxy/admin"
)

func (sh *shell) accountsUsage() *cobra.Command {
	var asCSV bool
	cmd := &cobra.Command{Use: "usage", Short: "Visits and different users, by organisation, day or user", Args: noArgs}
	a := sh.asker(cmd)
	c := conditionFlags(cmd, [2]string{"by", "a row for each `organisation`, day or user; organisation unless given"},
		[2]string{"from", "first `day`, as 2026-11-01; 30 days before the last unless given"}, [2]string{"to", "last `day`; today unless given"},
		[2]string{"organisation", "only of this `organisation`"}, [2]string{"method", "only by this `method`"})
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write CSV for spreadsheets")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := c.query(cmd)
		if err != nil {
			return err
		}
		if asCSV && a.asJSON {
			return usageError{errors.New("--csv or --json, not both")}
		}
		if asCSV {
			q.Set("format", "csv")
			return a.download(cmd.Context(), "/api/v1/usage", q, "")
		}
		var r admin.UsageReport
		return a.ask(cmd.Context(), http.MethodGet, "/api/v1/usage?"+q.Encode(), nil, &r, func() error { return a.printUsage(&r) })
	}
	return cmd
}

func (a *asker) printUsage(r *admin.UsageReport) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	head := map[accounts.By]string{accounts.ByDay: "DAY\t", accounts.ByUser: "USER\t"}[r.By]
	fmt.Fprintln(w, head+"ORGANISATION\tMETHOD\tUSERS\tVISITS\tFIRST\tLAST")
	for _, row := range r.Rows {
		first := map[accounts.By]string{accounts.ByDay: row.Day + "\t", accounts.ByUser: row.User + "\t"}[r.By]
		fmt.Fprintf(w, "%s%s\t%s\t%d\t%d\t%s\t%s\n", first, row.Organisation, row.Method, row.Users, row.Visits, moment(row.First), moment(row.Last))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.err, "From %s to %s, days in UTC.\n", r.From, r.To)
	return err
}

func (sh *shell) accountsAudit() *cobra.Command {
	var (
		limit         int
		asCSV, follow bool
	)
	cmd := &cobra.Command{Use: "audit", Short: "Who did what, and every decision about a person, newest first", Args: noArgs}
	a := sh.asker(cmd)
	c := conditionFlags(cmd, [2]string{"account", "about the account with this `ID`"}, [2]string{"actor", "by this `actor`"},
		[2]string{"action", "only this `action`: sign_in, link, disable and so on"}, [2]string{"method", "by this `method`"}, [2]string{"app", "at this `app`"},
		[2]string{"organisation", "of this `organisation`"}, [2]string{"result", "with this `result`: ok, admitted, or why not"},
		[2]string{"request-id", "of the request with this support `code`"}, [2]string{"since", "from this `time` or day on"}, [2]string{"until", "before this `time` or day"})
	cmd.Flags().IntVar(&limit, "limit", 50, "how many lines at most, up to 1000; with --csv all")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write all lines as CSV for spreadsheets")
	cmd.Flags().BoolVar(&follow, "follow", false, "write lines as JSON as they come, after the last ones that are there")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := c.query(cmd)
		if err != nil {
			return err
		}
		if asCSV && (a.asJSON || follow) {
			return usageError{errors.New("--csv alone, or --json, or --follow")}
		}
		if asCSV {
			return a.download(cmd.Context(), "/api/v1/export/audit", q, "")
		}
		if follow {
			q.Set("last", strconv.Itoa(limit))
			return a.download(cmd.Context(), "/api/v1/audit/stream", q, "")
		}
		q.Set("limit", strconv.Itoa(limit))
		var list admin.EventList
		return a.ask(cmd.Context(), http.MethodGet, "/api/v1/audit?"+q.Encode(), nil, &list, func() error {
			if err := a.printEvents(list.Events); err != nil || list.Next == 0 {
				return err
			}
			_, err := fmt.Fprintln(a.err, "There are more: raise --limit, or ask for all with --csv.")
			return err
		})
	}
	return cmd
}

func (a *asker) printEvents(events []accounts.Event) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tACTOR\tACTION\tRESULT\tACCOUNT\tMETHOD\tAPP\tFROM\tDETAIL")
	for i := range events {
		e := &events[i]
		from := ""
		if e.Client != (netip.Addr{}) {
			from = e.Client.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", moment(e.Time), e.Actor, e.Action, e.Result, e.Account, e.Method, e.App, from, oneLine(e.Detail))
	}
	return w.Flush()
}
