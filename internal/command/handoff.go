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
	"foregate/internal/config"
)

// handoffCommand makes and takes apart partners' tokens, without a running Foregate.
func (sh *shell) handoffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "handoff", Short: "Make keys for a partner's page, make its tokens, say why one fails", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(sh.handoffKeygen(), sh.handoffMint(), sh.handoffOpen())
	return cmd
}

func (sh *shell) handoffKeygen() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Write a new key in hex",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			key, err := handoff.NewKey(format)
			if err != nil {
				return usageError{fmt.Errorf("--format: %w", err)}
			}
			_, err = fmt.Fprintln(sh.out, key)
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "aes-gcm", "what it is for: the `format` of the method, or mac for mac_key")
	return cmd
}

// mintFlags are what the command line says of a token to make.
type mintFlags struct {
	user, now, host, key, signing string
	fields                        []string
	asJSON                        bool
}

func (sh *shell) handoffMint() *cobra.Command {
	var path, method string
	var f mintFlags
	cmd := &cobra.Command{
		Use:   "mint",
		Short: "Make a token as the partner's page would, and write the query with it",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			file, c, err := sh.partner(path, method)
			if err != nil {
				return err
			}
			draft, err := f.draft(file, method)
			if err != nil {
				return usageError{err}
			}
			values, err := c.Mint(draft)
			if err != nil {
				return usageError{err}
			}
			if f.asJSON {
				return json.NewEncoder(sh.out).Encode(map[string]any{"query": values.Encode(), "parameters": flat(values), "made": draft.Made.UTC()})
			}
			_, err = fmt.Fprintln(sh.out, values.Encode())
			return err
		},
	}
	configFlag(cmd, &path)
	methodFlag(cmd, &method)
	cmd.Flags().StringVar(&f.user, "user", "", "identifier of the `user`")
	cmd.Flags().StringArrayVar(&f.fields, "field", nil, "a further field as `name=value`: name, email, start, or a claim")
	cmd.Flags().StringVar(&f.now, "now", "", "the `time` in it, as 2027-06-30T12:00:00Z (default now)")
	cmd.Flags().StringVar(&f.host, "host", "", "the `host` that it is for (default the first of an app with this method)")
	cmd.Flags().StringVar(&f.key, "key", "", "`id` of the key to use (default the first that is live)")
	cmd.Flags().StringVar(&f.signing, "signing-key", "", "`file` with the PEM private key, where only the public one is configured")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

func (f mintFlags) draft(file *config.File, method string) (handoff.Draft, error) {
	d := handoff.Draft{User: f.user, Made: time.Now(), Host: hostFor(file, method, f.host), KeyID: f.key}
	if f.user == "" {
		return d, errors.New("--user is missing: name whom the token is for")
	}
	if f.now != "" {
		t, err := parseNow(f.now)
		if err != nil {
			return d, err
		}
		d.Made = t
	}
	if f.signing != "" {
		b, err := os.ReadFile(f.signing)
		if err != nil {
			return d, fmt.Errorf("--signing-key: %w", err)
		}
		d.SigningKey = b
	}
	for _, field := range f.fields {
		name, value, ok := strings.Cut(field, "=")
		if !ok || name == "" {
			return d, fmt.Errorf("--field %q is not name=value", field)
		}
		switch name {
		case "name":
			d.Name = value
		case "email":
			d.Email = value
		case "start":
			d.Start = value
		default:
			if d.Claims == nil {
				d.Claims = make(map[string]any)
			}
			d.Claims[name] = value
		}
	}
	return d, nil
}

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

func methodFlag(cmd *cobra.Command, method *string) {
	cmd.Flags().StringVar(method, "method", "", "`name` of the hand-off method (default the only one)")
}

// partner finds the hand-off method of this name.
func (sh *shell) partner(path, name string) (*config.File, *handoff.Partner, error) {
	file, err := sh.load(path)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	var found *config.Method
	for i := range file.Methods {
		m := &file.Methods[i]
		if m.Kind != "handoff" {
			continue
		}
		names = append(names, m.Name)
		if m.Name == name || name == "" {
			found = m
		}
	}
	switch {
	case len(names) == 0:
		return nil, nil, usageError{fmt.Errorf("%s has no method of kind handoff", path)}
	case name == "" && len(names) > 1:
		return nil, nil, usageError{fmt.Errorf("--method is missing: name one of %s", strings.Join(names, ", "))}
	case found == nil:
		return nil, nil, usageError{fmt.Errorf("%s has no hand-off method %q; it has %s", path, name, strings.Join(names, ", "))}
	}
	p, err := handoff.NewPartner(found.Config.(*handoff.Config), found.Name)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return file, p, nil
}

// hostFor is the host that tokens of a method are for, unless the method says it.
func hostFor(file *config.File, method, given string) string {
	if given != "" {
		return given
	}
	for _, app := range file.Apps {
		for _, name := range app.Methods {
			m := slices.IndexFunc(file.Methods, func(m config.Method) bool { return m.Name == name })
			if m >= 0 && file.Methods[m].Kind == "handoff" && (method == "" || method == name) && len(app.Hosts) > 0 {
				return app.Hosts[0]
			}
		}
	}
	return ""
}

func parseNow(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--now %q is not a time such as 2027-06-30T12:00:00Z", text)
	}
	return t, nil
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

func flat(values url.Values) map[string]string {
	m := make(map[string]string, len(values))
	for name := range values {
		m[name] = values.Get(name)
	}
	return m
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
