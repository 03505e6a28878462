package admin

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"

	"foregate/authn/accounts"
)

// Role is how much of the operator's side somebody may use.
type Role string

// Each role may what those before it may. Anything else, and the zero Role, may nothing.
const (
	Viewer Role = "viewer" // read
	Desk   Role = "desk"   // and decide about access: disable, enable, exempt, unlink, end sessions
	Owner  Role = "owner"  // everything
)

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Desk:
		return 2
	case Owner:
		return 3
	}
	return 0
}

// Who is somebody that uses the operator's side. The zero Who may nothing.
type Who struct {
	Actor        string `json:"actor"` // as the audit trail names them: "uid 1000 (alice)", "token nightly", "admin alice"
	Role         Role   `json:"role"`
	Organisation string `json:"organisation,omitempty"` // they see and manage its people and nobody else; empty: everybody
}

// May reports whether w may do what needs this role at least.
func (w Who) May(least Role) bool { return least.rank() > 0 && w.Role.rank() >= least.rank() }

// Sees reports whether w may see something that belongs to this organisation.
func (w Who) Sees(organisation string) bool {
	return w.Role.rank() > 0 && (w.Organisation == "" || w.Organisation == organisation)
}

// Context is on whose behalf a request changes something, and what limits it.
func (w Who) Context(r *http.Request) accounts.Context {
	return accounts.Context{Actor: w.Actor, Organisation: w.Organisation, Client: clientOf(r), RequestID: requestID(r.Context())}
}

// clientOf is the address at the other end; no proxy is believed here. A Unix socket
// has none.
func clientOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}

type requestKey struct{}

// numbered gives a request a code that its lines in log and audit trail share.
func numbered(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, strings.ToLower(rand.Text()[:16])))
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
