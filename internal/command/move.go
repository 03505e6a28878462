package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foregate/cookies"
)

// Sessions move from one store to another as lines of JSON: a header, a record a
// line, and a trailer with their number, so that a file that was cut off shows.
// Records stay sealed; with the session secret and the file together one can see
// who is signed in, and with a browser's cookie be that person. So it is secret.
const (
	moveFormat  = "foregate-sessions"
	moveVersion = 1
	maxLine     = 4 << 20
)

type moveHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Created time.Time `json:"created"`
}

type moveRecord struct {
	Key     string    `json:"key"`
	Data    []byte    `json:"data"`
	Expires time.Time `json:"expires"`
	Tags    []string  `json:"tags,omitempty"`
	Note    []byte    `json:"note,omitempty"`
}

type moveTrailer struct {
	Records *int `json:"records"`
}

// moved reports whether a record goes along: leases are this moment's, and which
// secrets a store knows it learns by itself.
func moved(key string) bool {
	return !strings.HasPrefix(key, "lease:") && !strings.HasPrefix(key, "secrets:")
}

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
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			err = sh.export(cmd.Context(), store, f)
			return errors.Join(err, f.Close())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to make, readable by you alone; standard output unless given")
	return cmd
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

func (sh *shell) sessionsImport() *cobra.Command {
	var path, input string
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Take in what sessions export wrote; those that are there already stay as they are",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, done, err := sh.rewindable(input)
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
// comes by a pipe is kept in a file meanwhile.
func (sh *shell) rewindable(input string) (io.ReadSeeker, func(), error) {
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			return nil, nil, usageError{err}
		}
		return f, func() { _ = f.Close() }, nil
	}
	f, err := os.CreateTemp("", "foregate-import-") // 0600
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = f.Close(); _ = os.Remove(f.Name()) }
	if _, err = io.Copy(f, sh.in); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

func (sh *shell) importAll(ctx context.Context, store Store, in io.Reader) error {
	now := time.Now()
	taken, there, expired := 0, 0, 0
	_, err := readMove(in, func(m moveRecord) error {
		if !m.Expires.After(now) {
			expired++
			return nil
		}
		err := store.Create(ctx, m.Key, cookies.Record{Data: m.Data, Expires: m.Expires, Tags: m.Tags, Note: m.Note})
		if errors.Is(err, cookies.ErrExists) {
			there++
			return nil
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

// readMove calls take with each record and returns their number. An error names
// the line.
func readMove(in io.Reader, take func(moveRecord) error) (int, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	n, ended := 0, false
	for at := 1; lines.Scan(); at++ {
		switch {
		case at == 1:
			var h moveHeader
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Format != moveFormat {
				return 0, errors.New("line 1: this is no file of sessions export")
			}
			if h.Version != moveVersion {
				return 0, fmt.Errorf("line 1: the file is of version %d, and this Foregate reads %d", h.Version, moveVersion)
			}
			continue
		case ended:
			return n, fmt.Errorf("line %d: there is more behind the end", at)
		}
		var m struct {
			moveRecord
			moveTrailer
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return n, fmt.Errorf("line %d: %w", at, err)
		}
		if m.Records != nil {
			if ended = true; *m.Records != n {
				return n, fmt.Errorf("line %d: %d records were written, and %d are here", at, *m.Records, n)
			}
			continue
		}
		if m.Key == "" || len(m.Data) == 0 || m.Expires.IsZero() {
			return n, fmt.Errorf("line %d: is no record", at)
		}
		if err := take(m.moveRecord); err != nil {
			return n, fmt.Errorf("line %d: %w", at, err)
		}
		n++
	}
	if err := lines.Err(); err != nil {
		return n, err
	}
	if !ended {
		return n, errors.New("the file ends too early: it was cut off")
	}
	return n, nil
}

// openStore opens the store that the configuration names, apart from a running
// Foregate.
func (sh *shell) openStore(path string) (Store, error) {
	file, err := sh.load(path)
	if err != nil {
		return nil, err
	}
	store, err := sh.Store(file.Storage, slog.New(slog.NewTextHandler(sh.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	return store, nil
}
