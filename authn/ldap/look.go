package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

var _ authn.Checker = (*Config)(nil)

// Checks implements authn.Checker: each server is connected to, the account that
// searches signs in, and base_dn is looked for. With srv the servers are those that
// the records name now.
func (c *Config) Checks() []authn.Check {
	full := c.filled()
	look := &look{cfg: full, service: &service{dn: full.BindDN, password: full.BindPassword, now: time.Now}, turn: make(chan struct{}, 1)}
	if full.SRV != "" {
		return []authn.Check{{Target: "_ldap._tcp." + full.SRV, Look: look.records}}
	}
	var all []authn.Check
	for _, address := range full.Servers {
		all = append(all, authn.Check{Target: address, Look: func(ctx context.Context, w *authn.Witness) authn.Finding {
			one, err := full.parseServer(address)
			if err != nil {
				return authn.Finding{Err: err}
			}
			return look.server(ctx, w, one)
		}})
	}
	return all
}

// look is one look at a directory. A password that one server refuses is not sent
// to the next: that would bring the account nearer to its lockout.
type look struct {
	cfg     Config
	service *service
	turn    chan struct{} // held by who signs in
}

func (l *look) records(ctx context.Context, w *authn.Witness) authn.Finding {
	r := &records{domain: l.cfg.SRV, startTLS: l.cfg.StartTLS, lookUp: net.DefaultResolver.LookupSRV, now: time.Now}
	found, err := r.servers(ctx)
	if err != nil {
		return authn.Finding{Err: err, Remedy: "ask the directory's operator for the records, or write servers in place of srv"}
	}
	var names, faults []string
	for _, one := range found {
		f := l.server(ctx, w, one)
		if errors.Is(f.Err, errService) {
			return f
		}
		if f.Err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", one.address, f.Err))
			continue
		}
		names = append(names, one.address)
	}
	f := authn.Finding{Detail: strings.Join(names, ", ")}
	switch {
	case len(names) == 0:
		f.Err = errors.New(strings.Join(faults, "; "))
	case len(faults) > 0:
		f.Warning, f.Remedy = strings.Join(faults, "; "), "the others are used meanwhile; have that server seen to"
	}
	return f
}

func (l *look) server(ctx context.Context, w *authn.Witness, one *server) authn.Finding {
	trust, err := l.cfg.trust()
	if err != nil {
		return authn.Finding{Err: err}
	}
	c, err := one.dial(ctx, w.TLS(trust))
	if err != nil {
		return authn.Finding{Err: err, Remedy: dialRemedy(err, one)}
	}
	defer c.close()
	if one.security == plain && !near(one.host) {
		return authn.Finding{
			Detail:  "connected; the password of bind_dn was not sent",
			Warning: "the connection is not encrypted: anybody on the way reads every password",
			Remedy:  "use ldaps://, or start_tls: true, and remove insecure_plain",
		}
	}
	if err := l.bind(ctx, c); err != nil {
		return authn.Finding{Err: err, Remedy: "compare bind_dn and bind_password with the directory; the account may have expired or be locked there"}
	}
	return l.base(ctx, c)
}

func (l *look) bind(ctx context.Context, c *conn) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.service.bind(ctx, c)
}

// base looks for the entry below which people are, and for one of them.
func (l *look) base(ctx context.Context, c *conn) authn.Finding {
	limit := l.cfg.Timeouts.Search
	entry := ldap.NewSearchRequest(l.cfg.BaseDN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil)
	r, err := c.search(ctx, limit, entry)
	if err != nil || len(r.Entries) == 0 {
		if err == nil {
			err = errors.New("nothing is found")
		}
		return authn.Finding{
			Err:    fmt.Errorf("base_dn %q: %w", l.cfg.BaseDN, err),
			Remedy: "compare base_dn with the directory, and let the account of bind_dn read below it",
		}
	}
	who := ldap.NewSearchRequest(l.cfg.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 1, 0, false, l.cfg.Filter, []string{"1.1"}, nil)
	r, err = c.search(ctx, limit, who)
	switch {
	case len(r.Entries) > 0: // more than the one asked for is an error too
		return authn.Finding{Detail: "signed in, base_dn is there, and people below it"}
	case err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultReferral):
		return authn.Finding{Err: fmt.Errorf("search below base_dn: %w", err), Remedy: "let the account of bind_dn search below base_dn"}
	}
	return authn.Finding{
		Detail: "signed in, and base_dn is there", Warning: "nobody below base_dn fits the filter",
		Remedy: "compare filter and base_dn with where people are, and let the account of bind_dn read them",
	}
}

func dialRemedy(err error, one *server) string {
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return "" // the kind of error says it
	case one.security == byStartTLS:
		return "the server must offer StartTLS; if it speaks LDAPS, write ldaps:// in its address"
	case one.security == byLDAPS && strings.HasPrefix(err.Error(), "TLS:"):
		return "the server must speak LDAPS at this port; if it offers StartTLS, write ldap:// and start_tls: true"
	}
	return ""
}

// near reports whether what is sent to host stays on this machine.
func near(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
