package admin

import (
	"errors"
	"net/http"

	"foregate/authn/accounts"
)

// ErrNoDirectory is the error of Parts.Refresh for a method that has none.
var ErrNoDirectory = errors.New("there is no method of this name with a directory")

// RefreshOrder says how accounts are compared with their directory.
type RefreshOrder struct {
	DryRun bool `json:"dry_run"` // change nothing
	Force  bool `json:"force"`   // even if most people would lose access
}

func refreshAccounts(a *API, c *call) (any, error) {
	var o RefreshOrder
	if err := c.read(&o); err != nil {
		return nil, err
	}
	if a.Refresh == nil {
		return nil, errNoAccounts
	}
	found, err := a.Refresh(c.Context(), c.PathValue("method"), o.DryRun, o.Force)
	switch {
	case errors.Is(err, ErrNoDirectory):
		return nil, &refused{http.StatusNotFound, err.Error()}
	case errors.Is(err, accounts.ErrTooMany):
		return nil, &refused{http.StatusConflict, err.Error()}
	}
	return found, err
}
