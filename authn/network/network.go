// Package network signs people in by where they are: whoever asks from one of its
// networks is the one user that its configuration names, such as a reading room.
//
// Begin looks at the attempt's client address and answers with the identity at
// once, or refuses. There is nothing to come back with, so Resume judges as Begin
// does. The server asks Here again at each request of the session, which ends
// when the device has left.
//
// # Who is who
//
// The issuer is "network:" and the method's configured name, the subject is the
// configured user. It is a place and no person: everybody there is the same user,
// in sessions of their own. An address proves little, so nothing is said of how
// strongly anybody authenticated.
//
// # Addresses
//
// A client is an address that the server found (proxy/clientip.go). An IPv4
// address in IPv6 clothes (::ffff:192.0.2.1, RFC 4291, section 2.5.5.2) is the
// IPv4 address. An address with a zone, and one that could not be read, is in no
// network.
package network

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"foregate/authn"
)

// method is an authn.Authenticator and authn.Placed.
type method struct {
	name     string
	networks []netip.Prefix
	identity authn.Identity // without the time
	now      func() time.Time
}

var (
	_ authn.Authenticator = (*method)(nil)
	_ authn.Placed        = (*method)(nil)
)

// Begin implements authn.Authenticator: it answers authn.SignedIn or an
// *authn.Error with status 403.
func (m *method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	if !m.Here(a.Client) {
		return nil, authn.Refused(
			"This way to sign in works only on one site's own network, and your device is not on it now. Go back and choose another way to sign in, or ask your service desk.",
			fmt.Errorf("network: client %s is in none of the networks of %q", shown(a.Client), m.name))
	}
	id := m.identity
	id.Groups = slices.Clone(id.Groups)
	id.Authenticated = m.now()
	return authn.SignedIn{Identity: id}, nil
}

// Resume implements authn.Authenticator. It judges anew: what the request brings
// along counts for nothing.
func (m *method) Resume(ctx context.Context, a *authn.Attempt, _ *http.Request) (authn.Reply, error) {
	return m.Begin(ctx, a)
}

// Here implements authn.Placed. The zero address is nowhere.
func (m *method) Here(client netip.Addr) bool {
	if client.Zone() != "" {
		return false // before Unmap, which would drop the zone
	}
	client = client.Unmap()
	for _, n := range m.networks {
		if n.Contains(client) {
			return true
		}
	}
	return false
}

func shown(client netip.Addr) string {
	if !client.IsValid() {
		return "of unknown address"
	}
	// A zone is a text of a stranger.
	return client.WithZone("").String()
}
