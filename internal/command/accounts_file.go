package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"foregate/proxy/admin"
)

func (sh *shell) accountsImport() *cobra.Command {
	var input string
	cmd := &cobra.Command{Use: "import", Short: "Make and change accounts from a CSV file, all of it or nothing", Args: noArgs}
	a := sh.asker(cmd)
	cmd.Flags().StringVarP(&input, "input", "i", "", "read this `file` and not standard input")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in := sh.in
		if input != "" {
			file, err := os.Open(input)
			if err != nil {
				return err
			}
			defer file.Close()
			in = file
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), operateTime)
		defer cancel()
		answer, err := sh.stream(ctx, a.path, http.MethodPost, "/api/v1/import/accounts", sent{kind: "text/csv"}, in)
		if err != nil {
			return err
		}
		defer answer.Close()
		text, err := io.ReadAll(answer)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if a.asJSON {
			_, err = sh.out.Write(text)
			return err
		}
		var done admin.ImportInfo
		if err := json.Unmarshal(text, &done); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		_, err = fmt.Fprintf(sh.out, "%d accounts made, %d changed, %d were so already\n", done.Created, done.Changed, done.Same)
		return err
	}
	return cmd
}

func (sh *shell) accountsExport() *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "export", Short: "Write accounts as CSV, which import reads, or as JSON", Args: noArgs}
	a := sh.asker(cmd)
	c := conditionFlags(cmd, [2]string{"organisation", "only accounts of this `organisation`"})
	cmd.Flags().StringVarP(&output, "output", "o", "", "write this new `file`, for you alone, and not standard output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := c.query(cmd)
		if err != nil {
			return err
		}
		q.Set("format", "csv")
		if a.asJSON {
			q.Set("format", "json")
		}
		return a.download(cmd.Context(), "/api/v1/export/accounts", q, output)
	}
	return cmd
}

// download writes an answer as it comes. A file that was not written to its end is
// removed, so that nobody takes it for the whole.
func (a *asker) download(ctx context.Context, target string, q url.Values, output string) (err error) {
	answer, err := a.stream(ctx, a.path, http.MethodGet, target+"?"+q.Encode(), sent{}, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	out := a.out
	if output != "" {
		file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				_ = os.Remove(output)
			}
		}()
		out = file
	}
	_, err = io.Copy(out, answer)
	if ctx.Err() != nil { // who follows the trail ends it so
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
