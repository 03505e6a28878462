package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
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

// What every store can hold, see cookies.Store and cookies.Record.
const (
	maxKey  = 128
	maxTags = 4
	maxTag  = 64
	maxNote = 512
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

// check makes sure that a store can take the record, before it takes any.
func (m *moveRecord) check() error {
	if m.Key == "" || len(m.Data) == 0 || m.Expires.IsZero() {
		return errors.New("is no record")
	}
	tooLong := func(tag string) bool { return len(tag) > maxTag }
	if len(m.Key) > maxKey || len(m.Note) > maxNote || len(m.Tags) > maxTags || slices.ContainsFunc(m.Tags, tooLong) {
		return errors.New("is larger than a record can be")
	}
	return nil
}

type moveTrailer struct {
	Records *int `json:"records"`
}

// readMove calls take with each record and returns their number. An error names
// the line.
func readMove(in io.Reader, take func(moveRecord) error) (int, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	n, at, ended := 0, 0, false
	for lines.Scan() {
		at++
		var err error
		switch {
		case at == 1:
			err = readHeader(lines.Bytes())
		case ended:
			err = errors.New("there is more behind the end")
		default:
			ended, err = readLine(lines.Bytes(), &n, take)
		}
		if err != nil {
			return n, fmt.Errorf("line %d: %w", at, err)
		}
	}
	if err := lines.Err(); err != nil {
		return n, fmt.Errorf("line %d: %w", at+1, err)
	}
	if !ended {
		return n, errors.New("the file ends too early: it was cut off")
	}
	return n, nil
}

func readHeader(line []byte) error {
	var h moveHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Format != moveFormat {
		return errors.New("this is no file of sessions export")
	}
	if h.Version != moveVersion {
		return fmt.Errorf("the file is of version %d, and this Foregate reads %d", h.Version, moveVersion)
	}
	return nil
}

// readLine gives a record to take, the n-th, or reports that this was the trailer.
func readLine(line []byte, n *int, take func(moveRecord) error) (ended bool, err error) {
	var m struct {
		moveRecord
		moveTrailer
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return false, err
	}
	if m.Records != nil {
		if *m.Records != *n {
			return true, fmt.Errorf("%d records were written, and %d are here", *m.Records, *n)
		}
		return true, nil
	}
	if err := m.check(); err != nil {
		return false, err
	}
	if err := take(m.moveRecord); err != nil {
		return false, err
	}
	*n++
	return false, nil
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
