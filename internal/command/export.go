package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foregate/cookies"
)

// moved reports whether a record goes along. Leases are this moment's. What is
// known of the secrets goes along, so that a Foregate with others, which would open
// none of the sessions, does not start.
func moved(key string) bool { return !strings.HasPrefix(key, "lease:") }

func (sh *shell) sessionsExport() *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all sessions of the configured store, for sessions import; stop Foregate first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := sh.openStore(path)
			if err != nil {
				return err
			}
			defer store.Close()
			if output == "" {
				return sh.export(cmd.Context(), store, sh.out)
			}
			return sh.exportTo(cmd.Context(), store, output)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to make, readable by you alone; standard output unless given")
	return cmd
}

// exportTo makes a file, whole and on the disk, or none.
func (sh *shell) exportTo(ctx context.Context, store Store, output string) error {
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = sh.export(ctx, store, f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(output))
	}
	return nil
}

func (sh *shell) export(ctx context.Context, store Store, to io.Writer) error {
	w := bufio.NewWriter(to)
	enc := json.NewEncoder(w)
	if err := enc.Encode(moveHeader{moveFormat, moveVersion, time.Now().UTC()}); err != nil {
		return err
	}
	n := 0
	err := store.Walk(ctx, func(key string, r cookies.Record) error {
		if !moved(key) {
			return nil
		}
		n++
		return enc.Encode(moveRecord{key, r.Data, r.Expires, r.Tags, r.Note})
	})
	if err != nil {
		return fmt.Errorf("export sessions: %w", err)
	}
	if err := enc.Encode(moveTrailer{&n}); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(sh.err, "%d records written. Keep them to yourself: they are people's sessions.\n", n)
	return nil
}
