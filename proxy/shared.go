package proxy

import (
	"fmt"

	"foregate/authn"
)

// On a device that several people share, the next person must find nothing of the one
// before: no cookie outlives the browser, no answer of the application stays in its cache,
// a provider that still knows somebody asks who is there, and nobody gets back into a
// session by a refresh of the page.

// shared reports whether a request comes from such a device.
func (s *Server) shared(x *exchange) bool {
	return len(x.app.Shared) > 0 && within(x.app.Shared, x.client)
}

// forgetful is what the browser of a shared device is told at the sign-out (Clear Site
// Data, W3C). It listens over https alone.
const forgetful = `"cache", "cookies", "storage"`

// leaveNothing ends all that a shared device keeps of the person who signs out, the
// application's own cookies too.
func (s *Server) leaveNothing(x *exchange) {
	if s.shared(x) {
		x.Header().Set("Clear-Site-Data", forgetful)
	}
}

// asksPerson refuses a method that asks the device on a device that several people share:
// it would say who signed in to the device, and that may be anybody.
func (s *Server) asksPerson(x *exchange, m *Method) error {
	auth, err := m.open()
	if err != nil || !s.shared(x) {
		return nil // what is not ready says so itself
	}
	if _, near := auth.(authn.Near); !near && !m.certified() {
		return nil
	}
	return authn.Refused("Several people use this device, so it cannot say which of them you are. Go back and choose another way to sign in.",
		fmt.Errorf("method %q asks the device, and %s is in the app's shared_devices", m.Name, x.client))
}

// finish is what a page's script is told of a shared device: show how to leave it.
func (s *Server) finish(x *exchange, answer map[string]any) map[string]any {
	if s.shared(x) {
		answer["shared"] = true
	}
	return answer
}
