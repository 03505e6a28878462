// Package scim lets an organisation's identity provider keep its own people and
// groups here (SCIM 2.0: RFC 7643 and RFC 7644).
//
// The bearer token of a request says which organisation sends it (token.go), and
// everything that follows is limited to that one. A body is read into a document in
// the schema's own spelling, whatever the provider's is (read.go, spelling.go). PATCH
// changes the document of what is stored (patch.go). A document that fits the schema
// (schema.go) becomes an account or a group (user.go, group.go), and the other way
// round. A filter is turned into a query of accounts as far as that can answer it, and
// the rest is decided document by document (filter.go, compare.go, plan.go).
package scim

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// Organisation is one that keeps its people here by SCIM.
type Organisation struct {
	Name   string
	Secret [HashSize]byte // Hash of its bearer token
	Kind   string         // of the accounts that it makes, may be empty
	Roles  []string       // that it may give; none: roles are not its to give

	// Domains are those of its people's addresses: no other address becomes that of an
	// account. ".hospital.example" is all below. None: any.
	Domains []string

	// Closed are the names of groups that it may not keep: those that open something here.
	Closed []string
}

// Config is what a Handler needs.
type Config struct {
	Organisations []Organisation
	Accounts      *accounts.Accounts
	Tries         authn.Tries // counts wrong tokens
}

// Handler answers SCIM requests. Its methods may be called concurrently.
type Handler struct {
	Config
	user, group resource
}

// New returns a handler for these organisations.
func New(cfg Config) *Handler {
	return &Handler{Config: cfg, user: userResource(), group: groupResource()}
}

// At is where a request came in, for addresses in answers and for the audit trail.
type At struct {
	Path      string // below Base, as "/Users/x"
	Base      string // absolute address of the service: https://careplan.example/sso/scim/v2
	App       string
	Client    netip.Addr
	RequestID string
}

// maxTime bounds the work on one request.
const maxTime = 30 * time.Second

// call is one request of one organisation.
type call struct {
	*Handler
	at  At
	org *Organisation
	r   *http.Request
	ctx context.Context
}

// Serve answers one request. The error is for the log: why the answer, which has been
// written, is none of success.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, at At) error {
	ctx, cancel := context.WithTimeout(r.Context(), maxTime)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	org, err := h.organisation(ctx, r, at)
	if err != nil {
		return refuse(w, err)
	}
	c := &call{Handler: h, at: at, org: org, r: r, ctx: ctx}
	done, err := c.answer()
	if err != nil {
		return refuse(w, err)
	}
	return done.write(w)
}

// answer leads a request to what it asks for.
func (c *call) answer() (answer, error) {
	kind, id, _ := strings.Cut(strings.TrimPrefix(c.at.Path, "/"), "/")
	switch kind {
	case "Users", "Groups":
		one, all := c.users(), c.allUsers()
		if kind == "Groups" {
			one, all = c.groups(), c.allGroups()
		}
		switch {
		case strings.Contains(id, "/"):
			return answer{}, notFound()
		case id == "":
			return c.byMethod(all)
		}
		return c.byMethod(one(id))
	case "ServiceProviderConfig", "ResourceTypes", "Schemas":
		return c.byMethod(verbs{http.MethodGet: func() (answer, error) { return c.discover(kind, id) }})
	case "Me", "Bulk", ".search":
		return answer{}, &problem{status: http.StatusNotImplemented, detail: "/" + kind + " is not supported; /ServiceProviderConfig says what is."}
	}
	return answer{}, notFound()
}

// verbs is what can be done at one address.
type verbs map[string]func() (answer, error)

func (c *call) byMethod(v verbs) (answer, error) {
	if do := v[c.r.Method]; do != nil {
		return do()
	}
	return answer{}, &problem{status: http.StatusMethodNotAllowed, detail: authn.CutControl(c.r.Method, 16) + " is not possible here."}
}

// context is on whose behalf accounts are changed: nothing outside the organisation.
func (c *call) context() accounts.Context {
	return accounts.Context{
		Actor: "scim:" + c.org.Name, App: c.at.App, Client: c.at.Client, RequestID: c.at.RequestID, Organisation: c.org.Name,
	}
}

// errUnchanged ends a change that would change nothing.
var errUnchanged = errors.New("scim: nothing to change")
