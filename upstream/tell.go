package upstream

import "net/http"

// Tell sets on h what Forward would send of c, identity headers and assertion, for another
// proxy, which carries the request itself and copies them from its answer. A nil c is
// nobody. What has no value is there and empty: a proxy that copies what is not there may
// leave what the browser sent, or write the name of its own variable.
func (u *Upstream) Tell(h http.Header, c *Credentials) error {
	for _, name := range u.cfg.Headers.Names() {
		h[http.CanonicalHeaderKey(name)] = []string{""}
	}
	h[AssertionHeader] = []string{""}
	if c == nil {
		return nil
	}
	if c.err != nil || c.id.Anonymous() {
		return c.err
	}
	if u.cfg.Assertion {
		assertion, err := c.assertion()
		if err != nil {
			return err
		}
		h[AssertionHeader] = assertion
	}
	c.write(h)
	return nil
}
