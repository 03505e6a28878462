package oidc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foregate/authn"
)

const (
	maxClaims    = 8 << 10  // bytes of further claims that are kept, as JSON
	maxHintToken = 16 << 10 // bytes of an ID token that is kept for signing out
	maxUser      = 255
	privateToken = "id_token"
)

// identity makes a person of claims.
func (m *Method) identity(id *idToken, src sources) (authn.Identity, error) {
	if err := m.admit(id, src); err != nil {
		return authn.Identity{}, err
	}
	groups, err := m.groups(src)
	if err != nil {
		return authn.Identity{}, err
	}
	email, checked := m.email(src)
	if m.cfg.RequireVerifiedEmail && !checked {
		return authn.Identity{}, authn.Refused("The sign-in service has not verified your e-mail address. Verify it there, then sign in again.",
			errors.New("oidc: e-mail address is not verified, which require_verified_email asks for"))
	}
	user, err := m.user(src, email, checked)
	if err != nil {
		return authn.Identity{}, err
	}
	authenticated := id.authenticated
	if authenticated.IsZero() {
		authenticated = m.now()
	}
	amr, _ := texts(id.claims["amr"])
	return authn.Identity{
		Method:            m.name,
		Issuer:            id.issuer,
		Subject:           id.subject,
		User:              user,
		Email:             email,
		Checked:           checked,
		PreferredUsername: authn.CutControl(src.first(m.cfg.Claims.PreferredUsername), maxUser),
		Name:              authn.CutControl(m.fullName(src), maxUser),
		Groups:            groups,
		Claims:            further(src, m.claims),
		ACR:               id.claims.text("acr"),
		AMR:               amr,
		Authenticated:     authenticated,
		Until:             id.expires,
		SID:               sid(id.claims),
		Private:           private(id),
	}, nil
}

// sid is the provider's own session, by which it may end ours.
func sid(c claims) string {
	if s := c.text("sid"); plainText(s, maxSID) {
		return s
	}
	return ""
}

// admit applies what the configuration demands of a person.
func (m *Method) admit(id *idToken, src sources) error {
	if err := m.checkHostedDomain(id.claims); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.cfg.RequireClaims)) {
		v, _ := src.at(name)
		got, ok := scalar(v)
		if !ok || !slices.Contains(strings.Fields(m.cfg.RequireClaims[name]), got) {
			return authn.Refused("The way you signed in, or your account at the sign-in service, is not sufficient here. Ask your IT department which account to use.",
				fmt.Errorf("oidc: claim %s is %q, but require_claims asks for %q", name, authn.CutControl(got, 100), m.cfg.RequireClaims[name]))
		}
	}
	return nil
}

// checkHostedDomain reads hd from the ID token alone: the request parameter of
// that name is only a hint, which a person can remove.
func (m *Method) checkHostedDomain(c claims) error {
	if m.cfg.Preset != presetGoogle || len(m.cfg.HostedDomains) == 0 {
		return nil
	}
	hd := c.text("hd")
	if hd != "" && slices.ContainsFunc(m.cfg.HostedDomains, func(d string) bool { return strings.EqualFold(d, hd) }) {
		return nil
	}
	return authn.Refused("This Google account does not belong to your organisation. Sign in with your work account.",
		fmt.Errorf("oidc: hd %q is not one of hosted_domains", authn.CutControl(hd, 100)))
}

func (m *Method) hostedDomainHint() string {
	switch len(m.cfg.HostedDomains) {
	case 0:
		return ""
	case 1:
		return m.cfg.HostedDomains[0]
	}
	return "*" // any Workspace domain, no private account
}

func (m *Method) groups(src sources) ([]string, error) {
	if _, ok := src.at("groups"); !ok && slices.Contains(m.cfg.Claims.Groups, "groups") {
		if err := checkOverage(src[0]); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, path := range m.cfg.Claims.Groups {
		v, ok := src.at(path)
		if !ok {
			continue
		}
		names, err := texts(v)
		if err != nil {
			return nil, authn.Refused("Your groups could not be read. Tell your IT department.", fmt.Errorf("oidc: claim %s %w", path, err))
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(g string) bool { return g == "" }), nil
}

// email returns the address, and whether the provider says that it was verified.
// Only JSON true says so: "false" is a text too. The word and the address must
// come from one source, or from two that agree on the address.
func (m *Method) email(src sources) (string, bool) {
	email := src.first(m.cfg.Claims.Email)
	if !plainAddress(email) {
		return "", false
	}
	for _, c := range src {
		if (sources{c}).first(m.cfg.Claims.Email) != email {
			continue
		}
		if v, ok := c.at(m.cfg.Claims.EmailVerified); ok {
			return email, v == true
		}
	}
	return email, false
}

// plainAddress refuses what different programs read as different mailboxes:
// several @, comments, quotes, route syntax, a dot at an end, other scripts' dots.
func plainAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || len(s) > 254 {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.ContainsAny(s, `"(),:;<>[\]`) {
		return false
	}
	dotty := func(s string) bool {
		return strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..")
	}
	return !strings.Contains(domain, "@") && !dotty(local) && !dotty(domain)
}

// user is the name for the application. An address that nobody verified names
// nobody: its owner may be another.
func (m *Method) user(src sources, email string, checked bool) (string, error) {
	for _, path := range m.cfg.Claims.User {
		name := src.first([]string{path})
		if name == "" || slices.Contains(m.cfg.Claims.Email, path) && (!checked || name != email) {
			continue
		}
		if len(name) > maxUser || authn.CutControl(name, maxUser) != name {
			return "", authn.Refused("Your user name cannot be used here. Tell your IT department.", fmt.Errorf("oidc: claim %s is too long or has control characters", path))
		}
		return name, nil
	}
	return "", authn.Refused("The sign-in service did not tell us your user name. Tell your IT department.",
		fmt.Errorf("oidc: none of claims.user %q is there", m.cfg.Claims.User))
}

func (m *Method) fullName(src sources) string {
	if name := src.first(m.cfg.Claims.Name); name != "" {
		return name
	}
	return strings.TrimSpace(src.first([]string{"given_name"}) + " " + src.first([]string{"family_name"}))
}

// further returns those of the wanted claims that the provider gave, the smallest
// first, as long as there is room for them.
func further(src sources, wanted []string) map[string]any {
	type claim struct {
		name  string
		value any
		size  int
	}
	var list []claim
	for _, name := range wanted {
		for _, c := range src {
			value, ok := c[name]
			if !ok || value == nil {
				continue
			}
			if text, err := json.Marshal(value); err == nil {
				list = append(list, claim{name, value, len(name) + len(text)})
			}
			break
		}
	}
	slices.SortFunc(list, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name))
	})
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

func private(id *idToken) map[string]string {
	if len(id.raw) > maxHintToken {
		return map[string]string{}
	}
	return map[string]string{privateToken: id.raw}
}
