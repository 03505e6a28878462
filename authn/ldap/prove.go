package ldap

import (
	"context"
	"net/netip"
)

// proof is one try at one account.
type proof struct {
	person   *person // nobody for a name that nobody has
	account  string  // what tries are counted on
	from     netip.Prefix
	password string

	counted  bool
	unlocked bool
	judged   bool // by the directory
	verdict  verdict
	reason   string // for the log
}

// prove counts the try and lets the directory judge it. A try is counted on a
// connection that stands, before anything is sent: who waits in vain has not used it
// up. For nobody, and for who is locked out, all is done but the bind.
func (m *Method) prove(ctx context.Context, p *proof) error {
	return m.binds.with(ctx, false, func(ctx context.Context, c *conn) error {
		if !p.counted {
			unlocked, err := m.lockout.Count(ctx, p.account, p.from)
			if err != nil {
				return err
			}
			p.counted, p.unlocked = true, unlocked
		}
		switch {
		case p.person.nobody():
			p.reason = "unknown user"
			return nil
		case !p.unlocked:
			p.reason = "locked after too many tries"
			return nil
		}
		result, err := c.bind(ctx, m.cfg.Timeouts.Bind, p.person.dn, p.password)
		p.verdict, p.reason, err = judge(m.cfg.Preset == presetAD, result, err)
		p.judged = err == nil
		return err
	})
}
