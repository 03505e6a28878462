package ldap

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// checkLockout warns when guesses from here would lock an account of the domain before
// they are stopped here. Active Directory publishes its limits (MS-ADTS, section
// 3.1.1.5.1.4 and MS-ADA1, lockoutThreshold); policies for single groups it does not
// show to everybody.
func (m *Method) checkLockout(ctx context.Context) {
	if m.cfg.Preset != presetAD {
		return
	}
	var entry *ldap.Entry
	err := m.searches.with(ctx, true, func(ctx context.Context, c *conn) error {
		r := ldap.NewSearchRequest(m.cfg.domainDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=domainDNS)",
			[]string{"lockoutThreshold", "lockOutObservationWindow"}, nil)
		result, err := c.search(ctx, m.cfg.Timeouts.Search, r)
		if err == nil && len(result.Entries) == 1 {
			entry = result.Entries[0]
		}
		return err
	})
	if err != nil || entry == nil {
		return // it may not be read, and nothing depends on it
	}
	if fault := lockoutFault(m.cfg.Lockout, first(entry, "lockoutThreshold"), first(entry, "lockOutObservationWindow")); fault != "" {
		m.log.WarnContext(ctx, "anybody can lock an account of the domain from here", "reason", fault)
	}
}

// lockoutFault compares the lockout with a domain's: how many failures lock, 0 for
// none, within which time, in steps of -100 ns.
func lockoutFault(own Lockout, threshold, window string) string {
	most, err := strconv.Atoi(threshold)
	if err != nil || most == 0 {
		return ""
	}
	limits := own.limits()
	if limits.AccountFailures >= most {
		return fmt.Sprintf("the domain locks after %d wrong passwords, and lockout.account_failures is %d: make it less", most, limits.AccountFailures)
	}
	steps, err := strconv.ParseInt(window, 10, 64)
	if length := time.Duration(-steps) * 100; err == nil && steps < 0 && steps > -1<<53 && limits.AccountWindow < length {
		return fmt.Sprintf("the domain counts wrong passwords for %v, and lockout.account_window is %v: make it as long", length, limits.AccountWindow)
	}
	return ""
}

// domainDN is the entry of the domain: the last parts of base_dn that are DC=.
func (c *Config) domainDN() string {
	parsed, err := ldap.ParseDN(c.BaseDN)
	if err != nil {
		return c.BaseDN
	}
	from := len(parsed.RDNs)
	for from > 0 && len(parsed.RDNs[from-1].Attributes) == 1 && foldedIn([]string{"DC"}, parsed.RDNs[from-1].Attributes[0].Type) {
		from--
	}
	return (&ldap.DN{RDNs: parsed.RDNs[from:]}).String()
}
