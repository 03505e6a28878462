package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"foregate/internal/foreign"
)

func (sh *shell) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Draft a configuration from that of another gateway",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		sh.importFrom("oauth2-proxy", "Read oauth2-proxy's cfg file, alpha YAML, flags or environment variables", foreign.OAuth2Proxy),
		sh.importFrom("mod_auth_openidc", "Read an Apache configuration with OIDC directives", foreign.ModAuthOpenIDC),
	)
	return cmd
}

func (sh *shell) importFrom(name, short string, read func([]byte) (*foreign.Draft, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   name + " FILE",
		Short: short + "; - is standard input",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("name one file: foregate import %s FILE", name)}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := sh.foreignText(args[0])
			if err != nil {
				return err
			}
			draft, err := read(text)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(sh.out).Encode(reportOf(draft))
			}
			return sh.writeDraft(name, draft)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for scripts")
	return cmd
}

const foreignMost = 1 << 20

func (sh *shell) foreignText(name string) ([]byte, error) {
	in := sh.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, foreignMost+1))
	if err != nil {
		return nil, err
	}
	if len(text) > foreignMost {
		return nil, usageError{errors.New("the file is larger than 1 MiB")}
	}
	return text, nil
}

type draftReport struct {
	Configuration string        `json:"configuration"`
	Secrets       []draftSecret `json:"secrets"`
	Missing       []draftRemark `json:"missing"`
	Check         []draftRemark `json:"check"`
}

type draftSecret struct {
	Setting string `json:"setting"`
	Env     string `json:"env"`
}

type draftRemark struct {
	Setting string `json:"setting"`
	Line    int    `json:"line,omitempty"`
	Text    string `json:"text"`
}

func reportOf(d *foreign.Draft) draftReport {
	r := draftReport{Configuration: string(d.YAML), Secrets: []draftSecret{}, Missing: []draftRemark{}, Check: []draftRemark{}}
	for _, s := range d.Secrets {
		r.Secrets = append(r.Secrets, draftSecret(s))
	}
	for _, n := range d.Missing {
		r.Missing = append(r.Missing, draftRemark(n))
	}
	for _, n := range d.Check {
		r.Check = append(r.Check, draftRemark(n))
	}
	return r
}

// writeDraft writes the draft with what is to be done as comments above it, where it
// stays until somebody has done it.
func (sh *shell) writeDraft(from string, d *foreign.Draft) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drafted by foregate import %s. Go through the lists below, look it over with\n# foregate validate --online, and remove them.\n", from)
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "#\n# %s\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "# - %s\n", oneLineOf(l))
		}
	}
	var secrets, missing, check []string
	for _, s := range d.Secrets {
		secrets = append(secrets, fmt.Sprintf("%s: what was in %s", s.Env, s.Setting))
		if s.Setting == foreign.NewSecret {
			secrets[len(secrets)-1] = s.Env + ": what " + s.Setting + " prints"
		}
	}
	for _, n := range d.Missing {
		missing = append(missing, n.String())
	}
	for _, n := range d.Check {
		check = append(check, n.String())
	}
	list("Put into the environment, or write {file: path} instead:", secrets)
	list("Has no counterpart:", missing)
	list("Must be looked at:", check)
	fmt.Fprintf(&b, "\n%s", d.YAML)
	if _, err := io.WriteString(sh.out, b.String()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(sh.err, "%d settings have no counterpart, %d must be looked at; they are listed at the top of the draft\n", len(missing), len(check))
	return err
}
