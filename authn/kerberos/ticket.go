package kerberos

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-krb5/krb5/iana/addrtype"
	"github.com/go-krb5/krb5/iana/flags"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/types"
)

// skew is by how much clocks may differ (RFC 4120, section 1.6).
const skew = 5 * time.Minute

// client is whom a ticket speaks of.
type client struct {
	name, realm string
	proved      time.Time // when they typed their password
	until       time.Time // after this the request is too old to be sent again
	facts       facts     // zero if the ticket has none
}

// verify checks a request for one of the services as RFC 4120, section 3.2.3, has it.
func (m *Method) verify(req *messages.APReq, services []string, from netip.Addr) (c client, err error) {
	defer contain(&err)
	ours, err := m.decrypt(req, services)
	if err != nil {
		return client{}, err
	}
	ticket, auth := &req.Ticket.DecryptedEncPart, &req.Authenticator
	// Who has the session key is whom the ticket was made for.
	if !auth.CName.Equal(ticket.CName) || auth.CRealm != ticket.CRealm {
		return client{}, errors.New("ticket and authenticator name different people")
	}
	made := auth.CTime.Add(time.Duration(auth.Cusec) * time.Microsecond)
	if err := m.current(ticket, made); err != nil {
		return client{}, err
	}
	if !at(ticket.CAddr, from) {
		return client{}, errors.New("ticket is for another address")
	}
	if err := m.mayBe(ticket); err != nil {
		return client{}, err
	}
	c = client{name: ticket.CName.NameString[0], realm: ticket.CRealm, proved: ticket.AuthTime, until: made.Add(skew + time.Second)}
	c.facts, err = factsOf(ticket, ours)
	if err != nil && !m.bySID && !m.groups {
		c.facts, err = facts{}, nil // other KDCs write none
	}
	// Active Directory gives a ticket for ALICE too; its people are not told apart by case.
	if strings.EqualFold(c.facts.account, c.name) {
		c.name = c.facts.account
	}
	return c, err
}

// decrypt opens the ticket with our key and the authenticator with the ticket's. The
// name of the service stands outside of both, so it only picks the key.
func (m *Method) decrypt(req *messages.APReq, services []string) (ours types.EncryptionKey, err error) {
	t := &req.Ticket
	name := t.SName.PrincipalNameString()
	if !slices.ContainsFunc(services, func(s string) bool { return strings.EqualFold(s, name) }) {
		return ours, fmt.Errorf("ticket is for %q and not for %q", shown(name), services)
	}
	if !accepted(t.EncPart.EType, m.rc4) {
		return ours, fmt.Errorf("ticket is encrypted with type %d, which is too weak or unknown", t.EncPart.EType)
	}
	err = fmt.Errorf("keytab has no key of %q in %q, version %d, type %d", shown(name), shown(t.Realm), t.EncPart.KVNO, t.EncPart.EType)
	for _, ours = range m.keys.of(name, t.Realm, t.EncPart.EType, t.EncPart.KVNO) {
		if err = t.Decrypt(ours); err == nil {
			break
		}
	}
	if err != nil {
		return ours, fmt.Errorf("ticket: %w", err)
	}
	session := t.DecryptedEncPart.Key
	if !accepted(session.KeyType, m.rc4) || req.EncryptedAuthenticator.EType != session.KeyType {
		return ours, fmt.Errorf("session key of type %d is too weak or unknown", session.KeyType)
	}
	return ours, req.DecryptAuthenticator(session)
}

// current reports what is wrong with the times of a ticket and its authenticator.
func (m *Method) current(t *messages.EncTicketPart, made time.Time) error {
	now := m.now()
	begins := t.StartTime
	if begins.IsZero() {
		begins = t.AuthTime
	}
	switch {
	case now.Sub(made) > skew || made.Sub(now) > skew:
		return fmt.Errorf("the device's clock, or what it sent, differs by %v", now.Sub(made).Round(time.Second))
	case types.IsFlagSet(&t.Flags, flags.Invalid) || begins.Sub(now) > skew:
		return errors.New("ticket does not count yet")
	case now.Sub(t.EndTime) > skew:
		return fmt.Errorf("ticket expired at %v", t.EndTime)
	}
	return nil
}

// mayBe refuses clients that are no person of an expected realm: services, computers,
// the anonymous principal.
func (m *Method) mayBe(t *messages.EncTicketPart) error {
	who := t.CName.PrincipalNameString()
	switch {
	case !slices.Contains(m.realms, t.CRealm):
		return fmt.Errorf("%q is of realm %q, which is not expected", shown(who), shown(t.CRealm))
	case len(t.CName.NameString) != 1 || who == "" || strings.HasSuffix(who, "$"):
		return fmt.Errorf("%q is no person", shown(who))
	case shown(who) != who || strings.ContainsAny(who, "@/"):
		return fmt.Errorf("%q is an odd name", shown(who))
	}
	return nil
}

// at reports whether a ticket that is bound to addresses may come from this one.
func at(bound types.HostAddresses, from netip.Addr) bool {
	bindsIP := false
	for _, b := range bound {
		if b.AddrType != addrtype.IPv4 && b.AddrType != addrtype.IPv6 {
			continue // Windows names its NetBIOS name
		}
		bindsIP = true
		if a, ok := netip.AddrFromSlice(b.Address); ok && from.IsValid() && a.Unmap() == from.Unmap().WithZone("") {
			return true
		}
	}
	return !bindsIP
}
