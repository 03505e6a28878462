package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"foregate/proxy/pages"
)

func (sh *shell) pagesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pages", Short: "Begin templates of your own for the sign-in pages", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(&cobra.Command{
		Use:   "export FOLDER",
		Short: "Write the built-in templates into a folder, for page.templates",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name one folder: foregate pages export FOLDER")}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			err := os.CopyFS(args[0], pages.Templates())
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%w; nothing of yours is replaced: name a new folder", err)
			}
			if err == nil {
				fmt.Fprintf(sh.out, "the templates are in %s: change some, remove the others, and name the folder in page.templates\n", args[0])
			}
			return err
		},
	})
	return cmd
}
