// Package command is Foregate's command line. Each command is a file; what they
// put together comes from the tables that main hands in.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"foregate/authn/accounts"
	"foregate/internal/config"
	"foregate/proxy/admin"
)

// Tables are what a build of Foregate can do.
type Tables struct {
	Methods []config.Kind
	Store   func(c config.Storage, log *slog.Logger) (Store, error)
	// People opens the database of accounts, which may be the one that store has open.
	// Without needed it opens none that is not there anyway.
	People func(c config.Storage, store Store, needed bool, log *slog.Logger) (accounts.DB, io.Closer, error)
}

// Store is what every store that can be configured can do.
type Store = admin.Store

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // while running
	exitUsage  = 2 // the command line or the configuration is wrong
)

// usageError is a fault of the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// shell is what every command is given.
type shell struct {
	Tables
	in       io.Reader
	out, err io.Writer
}

// Run runs one command and returns the exit status.
func Run(args []string, tables Tables, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sh := &shell{tables, in, out, errs}
	root := sh.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(errs, strings.TrimRight("foregate: "+err.Error(), "\n"))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func (sh *shell) root() *cobra.Command {
	var path string
	root := &cobra.Command{
		Use:           "foregate",
		Short:         "Sign people in before a web application that cannot do it itself",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("config") {
				return cmd.Help()
			}
			return sh.serve(cmd.Context(), path, false)
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	configFlag(root, &path)
	root.AddCommand(sh.serveCommand(), sh.demoCommand(), sh.validateCommand(), sh.explainCommand(), sh.schemaCommand(),
		sh.keysCommand(), sh.pagesCommand(), sh.handoffCommand(), sh.samlCommand(), sh.hashPasswordCommand(), sh.accountsCommand(), sh.sessionsCommand(), sh.tryCommand(), sh.importCommand(), sh.logLevelCommand(), sh.healthyCommand(), sh.versionCommand())
	return root
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "foregate.yaml", "configuration `file`")
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usageError{fmt.Errorf("%s does not take %q; see %q", cmd.CommandPath(), args[0], cmd.CommandPath()+" --help")}
	}
	cmd.SuggestionsMinimumDistance = 2 // letters that may be wrong
	above := strings.TrimPrefix(cmd.CommandPath()+" ", "foregate ")
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		return usageError{fmt.Errorf("there is no command %q; did you mean %q?", above+args[0], above+s[0])}
	}
	return usageError{fmt.Errorf("there is no command %q; see %q", above+args[0], cmd.CommandPath()+" --help")}
}

// load reads the configuration. A fault of it is a fault of usage.
func (sh *shell) load(path string) (*config.File, error) {
	file, err := config.Load(path, sh.Methods)
	var faults *config.Faults
	switch {
	case errors.Is(err, os.ErrNotExist) && !errors.As(err, &faults):
		return nil, usageError{fmt.Errorf("there is no file %s.\nCopy config.example.yaml to %s, change it, and start again; or try \"foregate demo\" first", path, path)}
	case errors.As(err, &faults):
		return nil, usageError{fmt.Errorf("the configuration is not right\n%w", err)}
	case err != nil:
		return nil, usageError{err}
	}
	return file, nil
}
