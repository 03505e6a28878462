package saml

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"foregate/authn"
)

const (
	maxName   = 255
	maxClaims = 8 << 10 // bytes of further attributes that are kept, as JSON
	maxGroups = 2000
)

// Kept in Identity.Private for signing out at the provider.
const (
	privateName      = "name_id"
	privateFormat    = "name_format"
	privateQualifier = "name_qualifier"
	privateSP        = "sp_name_qualifier"
	privateIndex     = "session_index"
)

// identity makes a person of a verified answer.
func (m *Method) identity(a *answer, p *provider, t *authn.Trial) (authn.Identity, error) {
	f, err := factsOf(a)
	if err != nil {
		return authn.Identity{}, authn.Refused(cannotUse, fmt.Errorf("saml: %w", err))
	}
	m.tell(f, t)
	if dropped := f.keepScoped(p, m.Federated()); len(dropped) > 0 {
		m.log.Warn("saml: values of attributes with a scope that is not registered for the provider do not count", "provider", short(p.entityID), "attributes", dropped)
		t.Check("Scopes", "values with other scopes than those registered do not count: "+strings.Join(dropped, ", "))
	}
	if err := m.required(f); err != nil {
		return authn.Identity{}, err
	}
	subject, err := m.subject(f)
	if err != nil {
		return authn.Identity{}, err
	}
	user, err := f.first(m.cfg.Attributes.User)
	if err == nil && (user == "" || len(user) > maxName || authn.CutControl(user, maxName) != user) {
		err = fmt.Errorf("none of attributes.user %q is there and fit; the provider sent %q", m.cfg.Attributes.User, f.sent())
	}
	if err != nil {
		return authn.Identity{}, authn.Refused("The sign-in service did not tell us your user name. Tell your IT department.", fmt.Errorf("saml: %w", err))
	}
	if m.Federated() && !p.vouches(domainOf(user)) {
		return authn.Identity{}, authn.Refused("The sign-in service did not tell us your user name in a way that is yours alone. Tell your IT department.",
			fmt.Errorf("saml: user name %q has no scope that is registered for the provider; let attributes.user name a scoped attribute", short(user)))
	}
	email := m.email(f)
	if err := m.inScope(subject, user, email); err != nil {
		return authn.Identity{}, err
	}
	groups, err := m.groups(f)
	if err != nil {
		return authn.Identity{}, err
	}
	stmt := a.assertion.AuthnStatement
	id := authn.Identity{
		Method:            m.name,
		Issuer:            value(a.assertion.Issuer.Value),
		Subject:           subject,
		User:              user,
		Email:             email,
		Checked:           email != "" && m.cfg.TrustEmail && (!m.Federated() || p.vouches(domainOf(email))),
		PreferredUsername: f.any(m.cfg.Attributes.PreferredUsername),
		Name:              m.fullName(f),
		Groups:            groups,
		Claims:            m.further(f),
		ACR:               a.context(),
		Authenticated:     *stmt.AuthnInstant,
		SID:               sessionID(f.name.value, stmt.SessionIndex),
		Private:           f.private(stmt.SessionIndex),
	}
	if now := m.now(); id.Authenticated.After(now) {
		id.Authenticated = now // their clock is ahead, within the tolerance
	}
	if stmt.SessionNotOnOrAfter != nil {
		id.Until = *stmt.SessionNotOnOrAfter
	}
	return id, nil
}

const cannotUse = "The sign-in service sent details about you that cannot be used here. Tell your IT department."

// required applies what the configuration demands.
func (m *Method) required(f facts) error {
	for _, name := range slices.Sorted(maps.Keys(m.cfg.RequireAttributes)) {
		allowed := strings.Fields(m.cfg.RequireAttributes[name])
		if !slices.ContainsFunc(f.all(name), func(v string) bool { return slices.Contains(allowed, v) }) {
			return authn.Refused("The way you signed in, or your account at the sign-in service, is not sufficient here. Ask your IT department which account to use.",
				fmt.Errorf("saml: attribute %s is %q, but require_attributes asks for one of %q", name, shortAll(f.all(name)), allowed))
		}
	}
	return nil
}

// subject is the person for good. A transient NameID names another each time.
func (m *Method) subject(f facts) (string, error) {
	names := m.cfg.Attributes.Subject
	if f.name.format == formatTransient {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == nameID })
	}
	s, err := f.first(names)
	if err == nil && (s == "" || len(s) > maxID || authn.CutControl(s, maxID) != s) {
		err = fmt.Errorf("none of attributes.subject %q is there and fit; the provider sent %q and a NameID of format %q", m.cfg.Attributes.Subject, f.sent(), short(f.name.format))
	}
	if err != nil {
		return "", authn.Refused("The sign-in service did not tell us who you are in a way that stays the same. Tell your IT department.", fmt.Errorf("saml: %w", err))
	}
	return s, nil
}

func (m *Method) email(f facts) string {
	for _, n := range m.cfg.Attributes.Email {
		if v := f.all(n); len(v) > 0 && plainAddress(v[0]) {
			return v[0]
		}
	}
	return ""
}

// plainAddress refuses what different programs read as different mailboxes.
func plainAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || len(s) > 254 || strings.ContainsAny(s, `"(),:;<>[\]`) {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	dotty := func(s string) bool {
		return strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..")
	}
	return !strings.Contains(domain, "@") && !dotty(local) && !dotty(domain)
}

// inScope keeps one organisation's provider from vouching for the people of
// another (SDP-SP16).
func (m *Method) inScope(values ...string) error {
	if len(m.cfg.Scopes) == 0 {
		return nil
	}
	for _, v := range values {
		at := strings.LastIndexByte(v, '@')
		if at < 0 {
			continue
		}
		if domain := v[at+1:]; !slices.ContainsFunc(m.cfg.Scopes, func(s string) bool { return strings.EqualFold(s, domain) }) {
			return authn.Refused("This sign-in service may not vouch for your account. Sign in with the account of your own organisation.",
				fmt.Errorf("saml: %q is of none of the domains in scopes", short(v)))
		}
	}
	return nil
}

func (m *Method) fullName(f facts) string {
	if name := f.any(m.cfg.Attributes.Name); name != "" {
		return name
	}
	return strings.TrimSpace(f.any(m.cfg.Attributes.GivenName) + " " + f.any(m.cfg.Attributes.FamilyName))
}

// groupsLink is what Entra ID sends in place of more than 150 groups.
const groupsLink = "http://schemas.microsoft.com/claims/groups.link"

// groups are all or none: with some of them missing a person could get another
// role than is theirs.
func (m *Method) groups(f facts) ([]string, error) {
	var all []string
	for _, n := range m.cfg.Attributes.Groups {
		// Of a federation nobody knows which of its members means what by a plain name.
		if m.Federated() && n != entitlement && !slices.Contains(scopedAttributes, n) {
			continue
		}
		all = append(all, f.all(n)...)
	}
	if len(f.all(groupsLink)) > 0 || len(all) > maxGroups {
		return nil, authn.Refused("You are in more groups than the sign-in service can tell us. Tell your IT department.",
			errors.New("saml: more groups than fit into an answer; let the provider send only those assigned to the application"))
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// further returns those attributes that some application is sent, the smallest
// first, as long as there is room for them. One value is a text, several a list.
func (m *Method) further(f facts) map[string]any {
	type claim struct {
		name  string
		value any
		size  int
	}
	var list []claim
	for _, name := range m.claims {
		values := f.all(name)
		var v any = values
		switch len(values) {
		case 0:
			continue
		case 1:
			v = values[0]
		}
		text, err := json.Marshal(v)
		if err != nil {
			continue
		}
		list = append(list, claim{name, v, len(name) + len(text)})
	}
	slices.SortFunc(list, func(a, b claim) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	var kept map[string]any
	left := maxClaims
	for _, c := range list {
		if left -= c.size; left < 0 {
			break
		}
		if kept == nil {
			kept = make(map[string]any)
		}
		kept[c.name] = c.value
	}
	return kept
}

// sessionID names the provider's session in our terms: its index and whose it is,
// so that a logout request with one person's name and another's index ends
// nothing.
func sessionID(name, index string) string {
	if name == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(strconv.Itoa(len(name)) + ":" + name + index))
	return hex.EncodeToString(sum[:16])
}

func (f facts) private(index string) map[string]string {
	if f.name.value == "" || len(index) > maxID {
		return nil
	}
	p := map[string]string{privateName: f.name.value}
	for key, v := range map[string]string{
		privateFormat: f.name.format, privateQualifier: f.name.qualifier, privateSP: f.name.spQualifier, privateIndex: index,
	} {
		if v != "" && len(v) <= maxID {
			p[key] = v
		}
	}
	return p
}
