package proxy

import (
	"net/http"
	"strings"

	"foregate/proxy/scim"
)

// scimPath is where the service is, below the prefix.
const scimPath = "/scim/v2"

// scim lets an organisation's identity provider keep its people. It answers itself, also
// what is wrong: no person reads it. A body may be larger than a form.
func (s *Server) scim(x *exchange, r *http.Request, set *Set, rest string) error {
	if set.SCIM == nil {
		return refuse(http.StatusNotFound, "no organisation has a SCIM token")
	}
	err := set.SCIM.Serve(x, r, scim.At{
		Path: strings.TrimPrefix(rest, scimPath), Base: x.origin() + s.Prefix + scimPath,
		App: x.app.Name, Client: x.client, RequestID: x.id,
	})
	if err != nil {
		s.logFault(x, r, x.status, err)
	}
	return nil
}
