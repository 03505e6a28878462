package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"foregate/cookies"
)

func (sh *shell) sessionsImport() *cobra.Command {
	var path, input string
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Take in what sessions export wrote; those that are there already stay as they are",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, done, err := sh.rewindable(cmd.Context(), input)
			if err != nil {
				return err
			}
			defer done()
			if _, err := readMove(in, func(moveRecord) error { return nil }); err != nil {
				return fmt.Errorf("nothing was imported: %w", err)
			}
			if _, err := in.Seek(0, io.SeekStart); err != nil {
				return err
			}
			store, err := sh.openStore(path)
			if err != nil {
				return err
			}
			defer store.Close()
			return sh.importAll(cmd.Context(), store, in)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&input, "input", "i", "", "`file` to read; standard input unless given")
	return cmd
}

// rewindable is the input, which is read twice: first to see that it is whole. What
// comes by a pipe is kept in a file meanwhile, which has no name, so that it goes
// however this ends.
func (sh *shell) rewindable(ctx context.Context, input string) (io.ReadSeeker, func(), error) {
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			return nil, nil, usageError{err}
		}
		return f, func() { _ = f.Close() }, nil
	}
	if in, ok := sh.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		return nil, nil, usageError{errors.New("sessions import reads what sessions export wrote: name that file with --input")}
	}
	f, err := os.CreateTemp("", "foregate-import-") // 0600
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = f.Close() }
	if err = os.Remove(f.Name()); err == nil {
		err = copyUntil(ctx, f, sh.in)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

// copyUntil copies until ctx ends: nothing else ends the reading of a pipe into
// which nobody writes.
func copyUntil(ctx context.Context, to io.Writer, from io.Reader) error {
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, from)
		copied <- err
	}()
	select {
	case err := <-copied:
		return err
	case <-ctx.Done():
		return fmt.Errorf("nothing was imported: %w", ctx.Err())
	}
}

func (sh *shell) importAll(ctx context.Context, store Store, in io.Reader) error {
	now := time.Now()
	taken, there, expired := 0, 0, 0
	_, err := readMove(in, func(m moveRecord) error {
		if !m.Expires.After(now) {
			expired++
			return nil
		}
		r := cookies.Record{Data: m.Data, Expires: m.Expires, Tags: m.Tags, Note: m.Note}
		err := store.Create(ctx, m.Key, r)
		if errors.Is(err, cookies.ErrExists) {
			there++
			return sh.warnOfSecrets(ctx, store, m.Key, r)
		}
		if err == nil {
			taken++
		}
		return err
	})
	fmt.Fprintf(sh.out, "%d records imported, %d were there already, %d had expired\n", taken, there, expired)
	if err != nil {
		return fmt.Errorf("import sessions: %w; run it again to go on", err)
	}
	return nil
}

// warnOfSecrets says so when what is in the store was sealed with other secrets than
// what comes.
func (sh *shell) warnOfSecrets(ctx context.Context, store Store, key string, r cookies.Record) error {
	foreign, err := cookies.ForeignSecrets(ctx, store, key, r)
	if foreign {
		fmt.Fprintln(sh.err, "These sessions were sealed with other secrets than those in the store: session.secrets must name the secrets of both, or one side is signed out.")
	}
	return err
}
