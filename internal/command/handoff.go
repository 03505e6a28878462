package command

import (
	"encoding/json"
	"errors"
	"fmt"
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
		for _, name := range slices.Concat(app.Methods, file.Guests(&app)) {
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

func flat(values url.Values) map[string]string {
	m := make(map[string]string, len(values))
	for name := range values {
		m[name] = values.Get(name)
	}
	return m
}
