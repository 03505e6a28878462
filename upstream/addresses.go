package upstream

// AddressState is one of several addresses of a route.
type AddressState struct {
	Path string // of the route; empty for where requests go that no other takes
	Host string // and port
	In   bool   // requests are sent there; out are those that could not be connected to
}

// Addresses are those of the routes that have several, in the order of the configuration.
func (u *Upstream) Addresses() []AddressState {
	var all []AddressState
	for _, r := range u.routes {
		if r.pool == nil {
			continue
		}
		for _, a := range r.pool.addresses {
			all = append(all, AddressState{Path: r.Path, Host: a.host, In: a.until.Load() == 0})
		}
	}
	return all
}
