package scim

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"foregate/authn/accounts"
)

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "bob"`, `emails[type eq "work"].value eq "a"`, `not (title pr) and (a or b)`, `emails[type eq "home" and not (value co "x")]`,
		enterprise + `:manager.value eq "\u00e9"`, `((((((((a pr))))))))`, `meta.created gt "2001-01-01T00:00:00Z"`, `a[b[c[d[e eq 1.5e3]]]]`, `members[value eq "a"].display`,
	} {
		f.Add(seed)
	}
	user, group := userResource(), groupResource()
	org := Organisation{Roles: []string{"nurse"}}
	a := accounts.Account{ID: "a1", Username: "bob", Email: "bob@b.example", Roles: []string{"nurse"}, Attributes: map[string]any{
		"title": "x", "emails": []any{map[string]any{"value": "bob@b.example", "type": "work", "primary": true}}, "manager": map[string]any{"value": "m"},
	}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, res := range []*resource{&user, &group} {
			doc := org.userDocument(&a)
			if e, err := res.parseFilter(text); err == nil {
				_ = res.passes(doc, e, nil)
				for _, part := range conjuncts(e) {
					_, _ = res.exactly(part)
				}
			}
			for _, op := range []string{"add", "replace", "remove"} {
				for _, value := range []any{"x", true, map[string]any{text: "x", "value": text}, []any{text, nil}} {
					ops, err := res.operation(map[string]any{"op": op, "path": text, "value": value})
					if err == nil && ops.apply(res, doc) == nil {
						if doc, err := res.check(doc); err == nil {
							b := a
							_ = org.store(doc, &b)
						}
					}
				}
				if ops, err := res.operation(map[string]any{"op": op, "value": map[string]any{text: "x"}}); err == nil {
					_ = ops.apply(res, doc)
				}
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add(entraUser)
	f.Add(patch(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"False"}`))
	f.Add(`{"displayName":"x","members":[{"value":"a"},7,null,"b"]}`)
	h := New(Config{})
	org := Organisation{Roles: []string{"nurse"}}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, base, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		c := &call{Handler: h, r: r, ctx: r.Context(), org: &org, at: At{Client: netip.IPv4Unspecified()}}
		for _, res := range []*resource{&h.user, &h.group} {
			r.Body = http.NoBody
			if doc, err := c.sent(res); err == nil {
				t.Errorf("an empty body is %v", doc)
			}
			r.Body = httptest.NewRequest(http.MethodPost, base, strings.NewReader(body)).Body
			if doc, err := c.sent(res); err == nil {
				var a accounts.Account
				_ = org.store(doc, &a)
				again := org.userDocument(&a)
				_ = org.storeGroup(doc, &accounts.Group{})
				_ = again
			}
			r.Body = httptest.NewRequest(http.MethodPost, base, strings.NewReader(body)).Body
			if ops, err := c.operations(res); err == nil {
				_ = ops.apply(res, map[string]any{"emails": []any{map[string]any{"value": "a"}}, "name": map[string]any{}})
			}
		}
	})
}
