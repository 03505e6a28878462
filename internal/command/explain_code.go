package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/proxy/admin"
)

// heard writes a code as pages show it, however it was heard on the phone: the letters
// that it lacks are digits.
var heard = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1")

// explainCode asks the running Foregate what a support code stands for.
func (sh *shell) explainCode(ctx context.Context, a asked) error {
	if a.url != "" {
		return usageError{errors.New("--error-id is about a request that was made, and --url about one that was not: say one of them")}
	}
	code := heard.Replace(strings.ToUpper(a.code))
	answer, err := sh.operate(ctx, a.path, http.MethodGet, "/api/v1/faults/"+url.PathEscape(code), nil)
	if err != nil {
		return err
	}
	if a.asJSON {
		_, err := fmt.Fprintln(sh.out, strings.TrimSpace(string(answer)))
		return err
	}
	var f admin.Fault
	if err := json.Unmarshal(answer, &f); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	sh.printFault(f)
	return nil
}

func (sh *shell) printFault(f admin.Fault) {
	fmt.Fprintf(sh.out, "%s %s%s on %s\n", f.Method, f.Host, f.Path, f.At.Local().Format(time.DateTime))
	fmt.Fprintf(sh.out, "  app:    %s\n  who:    %s, from %s\n", cmp.Or(f.App, "none"), cmp.Or(f.User, "nobody"), f.Client)
	fmt.Fprintf(sh.out, "  answer: %d %s\n", f.Status, http.StatusText(f.Status))
	fmt.Fprintf(sh.out, "  shown:  %s\n  why:    %s\n", f.Shown, f.Reason)
	if f.Rule > 0 {
		fmt.Fprintf(sh.out, "  rule:   %d of the app; more by: foregate explain --url https://%s%s --user %s\n", f.Rule, f.Host, f.Path, f.User)
	}
}
