package oidc

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// tell notes what the ID token is believed by.
func (id *idToken) tell(t *authn.Trial) {
	if t == nil {
		return
	}
	t.Check("Provider", id.issuer)
	var head struct{ Alg, Kid string }
	first, _, _ := strings.Cut(id.raw, ".")
	if b, err := base64.RawURLEncoding.DecodeString(first); err == nil && json.Unmarshal(b, &head) == nil {
		t.Check("ID token signed with", "algorithm "+head.Alg, "key "+head.Kid)
	}
	t.Check("Holds until", id.expires.UTC().Format(time.RFC3339))
	if !id.authenticated.IsZero() {
		t.Check("Authenticated", id.authenticated.UTC().Format(time.RFC3339))
	}
}

// tell notes the claims, and what the configuration looks for among them.
func (m *Method) tell(src sources, t *authn.Trial) {
	if t == nil {
		return
	}
	for i, c := range src {
		for _, name := range slices.Sorted(maps.Keys(c)) {
			if from := [...]string{"", "userinfo: "}[min(i, 1)]; from == "" || !src[0].has(name) {
				t.SendValue(from+name, c[name])
			}
		}
	}
	email, checked := m.email(src)
	groups, _ := m.groups(src) // why they cannot be read is said by what follows
	user, _ := m.user(src, email, checked)
	if email != "" && !checked {
		email += " (not verified by the provider)"
	}
	for _, part := range []struct {
		name string
		from []string
		made string
	}{
		{"user name", m.cfg.Claims.User, user},
		{"e-mail address", m.cfg.Claims.Email, email},
		{"name", m.cfg.Claims.Name, m.fullName(src)},
		{"groups", m.cfg.Claims.Groups, strings.Join(groups, ", ")},
	} {
		if len(part.from) > 0 {
			t.Make(part.name, part.from, part.made)
		}
	}
	for _, name := range m.claims {
		v, _ := src.at(name)
		text, _ := texts(v)
		if s, ok := scalar(v); ok {
			text = []string{s}
		}
		t.Make("claim "+name, []string{name}, strings.Join(text, ", "))
	}
}
