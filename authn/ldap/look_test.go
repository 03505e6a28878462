package ldap

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jimlambrt/gldap"

	"foregate/authn"
)

// TestALookSendsARefusedPasswordOnce: each server that is tried with a wrong one
// would bring the account nearer to its lockout.
func TestALookSendsARefusedPasswordOnce(t *testing.T) {
	var binds atomic.Int32
	server := func() string {
		return fake{
			bind: func(w *gldap.ResponseWriter, r *gldap.Request) {
				binds.Add(1)
				_ = w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials)))
			},
			search: knows(fakeAlice),
		}.start(t)
	}
	c := onFake(server())
	c.Servers = append(c.Servers, server(), server())
	var wait sync.WaitGroup
	for _, check := range c.Checks() {
		wait.Go(func() {
			if f := check.Look(t.Context(), new(authn.Witness)); f.Err == nil || f.Remedy == "" {
				t.Errorf("%s: %+v", check.Target, f)
			}
		})
	}
	wait.Wait()
	if n := binds.Load(); n != 1 {
		t.Errorf("the password was sent %d times", n)
	}
}
