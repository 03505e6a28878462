package gate

import (
	"testing"

	"foregate/internal/fronttest"
)

// before starts another proxy, which ends with the test, and says where it listens.
func (f *foregate) before(t *testing.T, run func(*testing.T, fronttest.Site)) (addr string) {
	t.Helper()
	addr = freeAddress(t)
	run(t, fronttest.Site{Address: addr, Foregate: f.addr, Application: f.up.addr()})
	return addr
}
