package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foregate/authn/handoff"
)

func (sh *shell) handoffOpen() *cobra.Command {
	var path, method, host, now, tokenFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Read a token, or the whole address with it, from standard input and say why it fails",
		Long: "Read a token, or the whole address with it, from standard input and say why it fails.\n\n" +
			"Where tokens come with an HMAC, give it the whole address or query as the browser shows it.\n" +
			"Nothing is stored: the token can still be used, and whether it was used is not known.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{errors.New("a token on the command line can be seen by everybody on this machine; open reads it from standard input or --token-file")}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			file, partner, err := sh.partner(path, method)
			if err != nil {
				return err
			}
			at := handoff.Circumstances{Host: hostFor(file, method, host), Now: time.Now()}
			if now != "" {
				if at.Now, err = parseNow(now); err != nil {
					return usageError{err}
				}
			}
			text, err := sh.token(tokenFile)
			if err != nil {
				return err
			}
			content, reason := partner.Open(parametersIn(text, partner), at)
			if asJSON {
				return sh.openedJSON(content, reason)
			}
			if reason != nil {
				return reason
			}
			return sh.opened(content, at)
		},
	}
	configFlag(cmd, &path)
	methodFlag(cmd, &method)
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "`file` with the token (default standard input)")
	cmd.Flags().StringVar(&host, "host", "", "the `host` that it came to (default the first of an app with this method)")
	cmd.Flags().StringVar(&now, "now", "", "judge it as if it came at this `time`, as 2027-06-30T12:00:00Z")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

// token reads what open shall look at.
func (sh *shell) token(file string) (string, error) {
	in := sh.in
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", usageError{fmt.Errorf("--token-file: %w", err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// parametersIn are those of an address or a query; of a bare token itself.
func parametersIn(text string, p *handoff.Partner) url.Values {
	query := text
	if _, after, ok := strings.Cut(text, "?"); ok {
		query = after
	}
	query, _, _ = strings.Cut(query, "#")
	if values, err := url.ParseQuery(query); err == nil && values.Has(p.Parameter()) {
		return values
	}
	return p.Bare(text)
}

// opened writes what a good token says.
func (sh *shell) opened(c handoff.Content, at handoff.Circumstances) error {
	lines := [][2]string{
		{"user", c.User}, {"name", c.Name}, {"email", c.Email}, {"start", c.Start},
		{"audience", strings.Join(c.Audience, " ")}, {"nonce", c.Nonce}, {"key", c.KeyID},
		{"made", fmt.Sprintf("%s, %s", c.Made.UTC().Format(time.RFC3339Nano), ago(at.Now.Sub(c.Made)))},
	}
	if !c.Expires.IsZero() {
		lines = append(lines, [2]string{"expires", c.Expires.UTC().Format(time.RFC3339)})
	}
	for _, name := range sortedKeys(c.Claims) {
		lines = append(lines, [2]string{"claim " + name, fmt.Sprint(c.Claims[name])})
	}
	fmt.Fprintln(sh.out, "the token is good")
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(sh.out, "  %-9s %q\n", l[0]+":", l[1])
		}
	}
	return nil
}

func ago(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("%s ahead of this machine's clock", (-d).Round(time.Second))
	}
	return fmt.Sprintf("%s ago by this machine's clock", d.Round(time.Second))
}

func (sh *shell) openedJSON(c handoff.Content, reason *handoff.Reason) error {
	report := map[string]any{"good": reason == nil}
	if reason != nil {
		report["reason"], report["detail"], report["skew_seconds"] = reason.Code, reason.Error(), reason.Skew.Seconds()
	} else {
		report["user"], report["name"], report["email"], report["start"] = c.User, c.Name, c.Email, c.Start
		report["made"], report["key"], report["claims"] = c.Made, c.KeyID, c.Claims
	}
	if err := json.NewEncoder(sh.out).Encode(report); err != nil {
		return err
	}
	if reason != nil {
		return reason
	}
	return nil
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
