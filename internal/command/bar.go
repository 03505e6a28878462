package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/term"

	"foregate/proxy/admin"
)

// widthOf is how many columns the terminal has that w writes to; 0 where it is none.
func widthOf(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 20 {
		return 80
	}
	return width
}

// refreshWithBar shows how far a comparison is while it goes on.
func (a *asker) refreshWithBar(ctx context.Context, target string, order admin.RefreshOrder, width int) error {
	body, err := json.Marshal(order)
	if err != nil {
		return err
	}
	answer, err := a.stream(ctx, a.path, http.MethodPost, target, sent{kind: "application/json", wants: "application/x-ndjson"}, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Close()
	return a.followRefresh(answer, width)
}

func (a *asker) followRefresh(answer io.Reader, width int) error {
	for in := json.NewDecoder(answer); ; {
		var line admin.RefreshLine
		if err := in.Decode(&line); err != nil {
			a.clear(width)
			return fmt.Errorf("the answer broke off; look into the log for what became of it: %w", err)
		}
		switch {
		case line.Progress != nil:
			if _, err := fmt.Fprintf(a.err, "\r%s", bar(*line.Progress, width-1)); err != nil {
				return err
			}
		case line.Error != "":
			a.clear(width)
			return errors.New(line.Error)
		case line.Found != nil:
			a.clear(width)
			return a.printRefreshed(line.Found)
		}
	}
}

// clear takes the bar away, so that what follows stands in its place.
func (a *asker) clear(width int) { _, _ = fmt.Fprintf(a.err, "\r%s\r", strings.Repeat(" ", width-1)) }

// bar is a line of exactly width columns: how many of the accounts were found, and how many
// people were seen.
func bar(p admin.RefreshProgress, width int) string {
	words := fmt.Sprintf(" %d of %d accounts, %d people seen", p.Found, p.Accounts, p.Seen)
	room := width - len(words) - 2
	if room < 5 {
		return fmt.Sprintf("%-*.*s", width, width, words[1:])
	}
	full := room
	if p.Accounts > 0 {
		full = min(room, room*p.Found/p.Accounts)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + words
}
