package command

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"foregate/authn"
	"foregate/authn/local"
	"foregate/internal/config"
	"foregate/proxy"
	"foregate/upstream"
)

// asked is what the command line of explain says of a request.
type asked struct {
	url, method, ip string
	user, by, kind  string
	groups, roles   []string
	path, code      string
	asJSON          bool
}

func (sh *shell) explainCommand() *cobra.Command {
	var a asked
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say which rule decides about a request, and why; and what a support code means",
		Long: "Say which rule decides about a request, and why: by the configuration file alone, without a running Foregate.\n\n" +
			"Without --user, --groups and --roles it is asked for somebody who has not signed in. A user of a local method\n" +
			"is in the groups that the file says, unless --groups says otherwise.\n\n" +
			"With --error-id the Foregate that runs on this machine is asked what became of that request.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.code != "" {
				return sh.explainCode(cmd.Context(), a)
			}
			return sh.explain(a)
		},
	}
	configFlag(cmd, &a.path)
	f := cmd.Flags()
	f.StringVar(&a.url, "url", "", "the whole `address` that is asked for, as https://careplan.example/admin")
	f.StringVar(&a.method, "method", "GET", "HTTP `method`")
	f.StringVar(&a.ip, "ip", "", "the `address` that the request comes from (default an address in no network)")
	f.StringVar(&a.user, "user", "", "`name` of the person who is signed in")
	f.StringSliceVar(&a.groups, "groups", nil, "`groups` that the person is in, separated by commas")
	f.StringSliceVar(&a.roles, "roles", nil, "`roles` that the person's account has, separated by commas")
	f.StringVar(&a.kind, "kind", "", "`kind` of the person's account")
	f.StringVar(&a.by, "by", "", "the sign-in `method` (default the one that has the user, else the app's first)")
	f.StringVar(&a.code, "error-id", "", "support `code` that a page showed to somebody")
	f.BoolVar(&a.asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

func (sh *shell) explain(a asked) error {
	if a.url == "" {
		return usageError{errors.New("which request? Say --url https://host/path, or --error-id with a support code")}
	}
	file, err := sh.load(a.path)
	if err != nil {
		return err
	}
	set, err := rehearsal(file)
	if err != nil {
		return err
	}
	q := proxy.Question{URL: a.url, Method: strings.ToUpper(a.method)}
	if a.ip != "" {
		if q.Client, err = netip.ParseAddr(a.ip); err != nil {
			return usageError{fmt.Errorf("--ip: %w", err)}
		}
		q.Client = q.Client.Unmap()
	}
	who, err := a.who(file, set)
	if err != nil {
		return err
	}
	q.Who = &who
	e, err := set.Explain(file.Prefix, q)
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	if a.asJSON {
		return json.NewEncoder(sh.out).Encode(e)
	}
	sh.printExplanation(q, e)
	return nil
}

// rehearsal are the apps of a file, to be asked and never to be served.
func rehearsal(file *config.File) (*proxy.Set, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	b := &builder{file: file}
	if b.signer, err = upstream.NewSigner([]*ecdsa.PrivateKey{key}); err != nil {
		return nil, err
	}
	var apps []*proxy.App
	for i := range file.Apps {
		app, err := b.app(&file.Apps[i], nil)
		if err != nil {
			return nil, fmt.Errorf("app %q: %w", file.Apps[i].Name, err)
		}
		apps = append(apps, app)
	}
	return proxy.NewSet(apps, nil), nil
}

// who is the person that the command line names; anonymous for nobody.
func (a asked) who(file *config.File, set *proxy.Set) (authn.Identity, error) {
	if a.user == "" && len(a.groups) == 0 && len(a.roles) == 0 {
		if a.by != "" || a.kind != "" {
			return authn.Identity{}, usageError{errors.New("--by and --kind are about a person: say --user, --groups or --roles too")}
		}
		return authn.Identity{}, nil
	}
	ways := set.Ways(a.url)
	if a.by != "" {
		if !slices.ContainsFunc(file.Methods, func(m config.Method) bool { return m.Name == a.by }) {
			return authn.Identity{}, usageError{fmt.Errorf("--by: there is no method %q in %s", a.by, a.path)}
		}
		ways = []string{a.by}
	}
	id := authn.Identity{
		Issuer: "explain", Subject: "explain", User: cmp.Or(a.user, "somebody"),
		Groups: a.groups, Roles: a.roles, Kind: a.kind,
	}
	if len(ways) > 0 {
		id.Method = ways[0]
	}
	if m, u := userOf(file, ways, a.user); u != nil {
		id.Method, id.User, id.Name, id.Email = m, u.User, u.Name, u.Email
		if len(a.groups) == 0 {
			id.Groups = u.Groups
		}
	}
	return id, nil
}

// userOf finds a user whom a local method of the file has, and the method.
func userOf(file *config.File, ways []string, user string) (string, *local.User) {
	for _, m := range file.Methods {
		c, ok := m.Config.(*local.Config)
		if !ok || user == "" || !slices.Contains(ways, m.Name) {
			continue
		}
		for i := range c.Users {
			if strings.EqualFold(c.Users[i].User, user) {
				return m.Name, &c.Users[i]
			}
		}
	}
	return "", nil
}

func (sh *shell) printExplanation(q proxy.Question, e proxy.Explanation) {
	fmt.Fprintf(sh.out, "%s %s\n", q.Method, q.URL)
	if e.App != "" {
		fmt.Fprintf(sh.out, "  app:     %s\n", e.App)
	}
	if e.Path != "" {
		fmt.Fprintf(sh.out, "  path:    %s\n", e.Path)
	}
	if e.Folded != "" {
		fmt.Fprintf(sh.out, "  also as: %s, which an application might make of it; the stricter verdict holds\n", e.Folded)
	}
	fmt.Fprintf(sh.out, "  who:     %s\n", whoIn(q, e))
	for _, n := range e.Rules {
		fmt.Fprintf(sh.out, "  %s rule %d (%s): %s\n", mark(n), n.Rule, n.Text, saying(n))
	}
	fmt.Fprintf(sh.out, "%s\n", verdictWords(e))
	for _, h := range e.Headers {
		switch {
		case h.None:
			fmt.Fprintf(sh.out, "  %s is not sent: nothing is known of %s\n", h.Name, h.Claim)
		case h.Value == "":
			fmt.Fprintf(sh.out, "  %s: (not shown)\n", h.Name)
		default:
			fmt.Fprintf(sh.out, "  %s: %s\n", h.Name, h.Value)
		}
	}
}

// whoIn is the person of a question in one line.
func whoIn(q proxy.Question, e proxy.Explanation) string {
	from := "an address in no network"
	if q.Client.IsValid() {
		from = q.Client.String()
	}
	if q.Who.Anonymous() {
		return "nobody, from " + from
	}
	words := fmt.Sprintf("%s, signed in by %s", q.Who.User, cmp.Or(q.Who.Method, "no method"))
	for _, list := range []struct {
		name string
		of   []string
	}{{"groups", q.Who.Groups}, {"roles", e.Roles}} {
		words += ", " + list.name + " " + cmp.Or(strings.Join(list.of, " "), "none")
	}
	return words + ", from " + from
}

func mark(n proxy.RuleNote) string {
	if n.Decides {
		return "->"
	}
	return "  "
}

func saying(n proxy.RuleNote) string {
	switch {
	case !n.About:
		return n.Reason
	case n.Decides:
		return n.Verdict + ", " + n.Reason
	}
	return "not asked; it would say " + n.Verdict + ", " + n.Reason
}

func verdictWords(e proxy.Explanation) string {
	words := e.Verdict + ": " + e.Reason
	switch {
	case e.Status != 0:
		return fmt.Sprintf("%s with status %d: %s", e.Verdict, e.Status, e.Reason)
	case e.Verdict == "own":
		return e.Reason
	case e.Rule > 0:
		words += fmt.Sprintf(" (rule %d)", e.Rule)
	case e.App != "":
		words += " (no rule is about it)"
	}
	if len(e.Methods) > 0 {
		words += "; one of these will do: " + strings.Join(e.Methods, ", ")
	}
	return words
}
