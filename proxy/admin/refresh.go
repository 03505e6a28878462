package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"foregate/authn/accounts"
)

// ErrNoDirectory is the error of Parts.Refresh for a method that has none.
var ErrNoDirectory = errors.New("there is no method of this name with a directory")

// RefreshOrder says how accounts are compared with their directory.
type RefreshOrder struct {
	DryRun bool `json:"dry_run"` // change nothing
	Force  bool `json:"force"`   // even if most people would lose access
}

// RefreshProgress is how far a comparison is. How many people a directory has is not known
// before its end; how many accounts follow it is.
type RefreshProgress struct {
	Seen     int `json:"seen"`     // of the directory's people
	Found    int `json:"found"`    // of the accounts that follow it
	Accounts int `json:"accounts"` // that follow it
}

// RefreshLine is a line of the answer to who asks for application/x-ndjson: how far it is,
// and at last what was found, or why it was not done.
type RefreshLine struct {
	Progress *RefreshProgress    `json:"progress,omitempty"`
	Found    *accounts.Refreshed `json:"found,omitempty"`
	Error    string              `json:"error,omitempty"`
}

const (
	ndjson       = "application/x-ndjson"
	progressPace = 100 * time.Millisecond // between two lines
)

func refreshAccounts(a *API, c *call) (any, error) {
	var o RefreshOrder
	if err := c.read(&o); err != nil {
		return nil, err
	}
	if a.Refresh == nil {
		return nil, errNoAccounts
	}
	if c.Header.Get("Accept") == ndjson {
		return download{kind: ndjson, write: func(w io.Writer) error { return a.refreshInLines(c, o, w) }}, nil
	}
	found, err := a.Refresh(c.Context(), c.PathValue("method"), o, nil)
	return found, refreshFault(err)
}

func refreshFault(err error) error {
	switch {
	case errors.Is(err, ErrNoDirectory):
		return &refused{http.StatusNotFound, err.Error()}
	case errors.Is(err, accounts.ErrTooMany):
		return &refused{http.StatusConflict, err.Error()}
	}
	return err
}

// refreshInLines tells how far it is. What goes wrong before the first line is an answer
// like any other; later it is the last line.
func (a *API) refreshInLines(c *call, o RefreshOrder, w io.Writer) error {
	out := json.NewEncoder(w)
	var told time.Time
	begun := false
	tell := func(p RefreshProgress) {
		if time.Since(told) < progressPace {
			return
		}
		told, begun = time.Now(), true
		_ = out.Encode(RefreshLine{Progress: &p}) // who has gone away misses the bar alone
		if f, ok := w.(interface{ Flush() error }); ok {
			_ = f.Flush()
		}
	}
	found, err := a.Refresh(c.Context(), c.PathValue("method"), o, tell)
	if err = refreshFault(err); err != nil && !begun {
		return err
	}
	last := RefreshLine{Found: &found}
	if err != nil {
		status, info := explain(err)
		if last.Error = info.Error; status >= http.StatusInternalServerError {
			a.Log.Error("comparison with a directory broke off", "method", c.PathValue("method"), "err", err)
		}
		last.Found = nil
	}
	return out.Encode(last)
}
