package scim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"foregate/authn/accounts"
)

// What of a user becomes which attribute of the account, where the application's headers
// and the rules of roles find it. The rest of a user is the account's own fields.
var (
	coreNames = map[string]string{
		"nickName": "nickName", "profileUrl": "profileUrl", "title": "title", "userType": "userType",
		"preferredLanguage": "preferredLanguage", "locale": "locale", "timezone": "timezone",
		"phoneNumbers": "phoneNumbers", "addresses": "addresses", "emails": "emails",
	}
	nameParts = map[string]string{
		"formatted": "formattedName", "familyName": "familyName", "givenName": "givenName", "middleName": "middleName",
		"honorificPrefix": "honorificPrefix", "honorificSuffix": "honorificSuffix",
	}
	enterpriseNames = map[string]string{
		"employeeNumber": "employeeNumber", "costCenter": "costCenter", "organization": "organization",
		"division": "division", "department": "department", "manager": "manager",
	}
)

// userDocument is an account as a user, without what only this service says of it. What
// it shares with the account is copied.
func (org *Organisation) userDocument(a *accounts.Account) map[string]any {
	doc := map[string]any{"userName": userName(a), "active": a.Status == accounts.Active}
	put := func(into map[string]any, key string, value any) {
		if value != nil && value != "" {
			into[key] = value
		}
	}
	put(doc, "externalId", a.ExternalID)
	name, more := make(map[string]any), make(map[string]any)
	for key, attribute := range coreNames {
		put(doc, key, cloned(a.Attributes[attribute]))
	}
	for key, attribute := range nameParts {
		put(name, key, a.Attributes[attribute])
	}
	for key, attribute := range enterpriseNames {
		put(more, key, cloned(a.Attributes[attribute]))
	}
	if a.Name != fullName(name) {
		put(doc, "displayName", a.Name)
	}
	if len(name) > 0 {
		doc["name"] = name
	}
	if len(more) > 0 {
		doc[enterprise] = more
	}
	if emails := emailsOf(a.Email, doc["emails"]); len(emails) > 0 {
		doc["emails"] = emails
	}
	if roles := org.given(a.Roles); len(roles) > 0 {
		values := make([]any, len(roles))
		for i, role := range roles {
			values[i] = map[string]any{"value": role}
		}
		if len(roles) == 1 { // which is how providers find the one that they replace
			values[0] = map[string]any{"value": roles[0], "primary": true}
		}
		doc["roles"] = values
	}
	return doc
}

// userName is never empty (RFC 7643, section 4.1.1), though an account need not have one.
func userName(a *accounts.Account) string {
	switch {
	case a.Username != "":
		return a.Username
	case a.Email != "":
		return a.Email
	}
	return a.ID
}

// fullName is how a person is called of whom only the parts of the name are given.
func fullName(name map[string]any) string {
	if formatted, _ := name["formatted"].(string); formatted != "" {
		return formatted
	}
	given, _ := name["givenName"].(string)
	family, _ := name["familyName"].(string)
	return strings.TrimSpace(given + " " + family)
}

// emailsOf are the addresses that were sent, with the account's own one in its place,
// which others may have changed.
func emailsOf(email string, sent any) []any {
	list, _ := sent.([]any)
	i := mainAddress(list)
	switch {
	case email == "":
		return nil
	case i < 0:
		return []any{map[string]any{"value": email, "type": "work", "primary": true}}
	}
	if address, ok := list[i].(map[string]any); ok {
		address["value"] = email
	}
	return list
}

// mainAddress tells which of the addresses is the account's: the primary one, the first
// at work, or the first. It is -1 for none.
func mainAddress(list []any) int {
	is := func(key string, want any) func(any) bool {
		return func(v any) bool {
			address, ok := v.(map[string]any)
			return ok && address[key] == want && present(address["value"])
		}
	}
	for _, better := range []func(any) bool{is("primary", true), is("type", "work")} {
		if i := slices.IndexFunc(list, better); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(list, func(v any) bool {
		address, ok := v.(map[string]any)
		return ok && present(address["value"])
	})
}

// store writes a checked document into an account. What it does not say is taken away;
// whether the account is open, and what is not the organisation's to give, stay.
func (org *Organisation) store(doc map[string]any, a *accounts.Account) error {
	name, _ := doc["userName"].(string)
	if name == "" {
		return wrong(invalidValue, "userName is empty.")
	}
	if a.Username != "" || name != userName(a) { // what stood in for a name does not become one
		a.Username = name
	}
	a.ExternalID, _ = doc["externalId"].(string)
	if active, said := doc["active"].(bool); said {
		a.Status = map[bool]string{true: accounts.Active, false: accounts.Disabled}[active]
	}
	attributes := maps.Clone(a.Attributes)
	if attributes == nil {
		attributes = make(map[string]any)
	}
	parts, _ := doc["name"].(map[string]any)
	more, _ := doc[enterprise].(map[string]any)
	for _, part := range []struct {
		doc   map[string]any
		names map[string]string
	}{{doc, coreNames}, {parts, nameParts}, {more, enterpriseNames}} {
		for key, attribute := range part.names {
			delete(attributes, attribute)
			if value := part.doc[key]; filled(value) {
				attributes[attribute] = value
			}
		}
	}
	a.Attributes = attributes
	if a.Name, _ = doc["displayName"].(string); a.Name == "" {
		a.Name = fullName(parts)
	}
	// Some languages write names with characters that cannot be seen; accounts do without.
	a.Name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, a.Name))
	emails, _ := doc["emails"].([]any)
	if err := org.storeEmail(emails, a); err != nil {
		return err
	}
	if len(emails) < 2 && onlyWork(emails) { // the account's own field says it all
		delete(attributes, "emails")
	}
	return org.storeRoles(doc["roles"], a)
}

// storeEmail takes the main address over. Another organisation's would make the account
// one that a sign-in by that address could mean.
func (org *Organisation) storeEmail(emails []any, a *accounts.Account) error {
	before := a.Email
	a.Email = ""
	if i := mainAddress(emails); i >= 0 {
		main, _ := emails[i].(map[string]any)
		a.Email, _ = main["value"].(string)
	}
	if a.Email == "" || a.Email == before || len(org.Domains) == 0 {
		return nil
	}
	key, err := accounts.CanonicalEmail(a.Email)
	if err != nil {
		return nil // which accounts say in more words
	}
	_, domain, _ := strings.Cut(key, "@")
	for _, d := range org.Domains {
		if domain == d || strings.HasPrefix(d, ".") && strings.HasSuffix(domain, d) {
			return nil
		}
	}
	return wrong(invalidValue, "The address %q is in no domain of this organisation. Whoever runs this service can add the domain.", a.Email)
}

func filled(value any) bool {
	if list, ok := value.([]any); ok {
		return len(list) > 0
	}
	return present(value)
}

// onlyWork reports whether emailsOf makes the same of the address alone.
func onlyWork(emails []any) bool {
	for _, v := range emails {
		address, _ := v.(map[string]any)
		if kind, said := address["type"]; said && kind != "work" || address["display"] != nil {
			return false
		}
	}
	return true
}

// given are those of roles that the organisation may give.
func (org *Organisation) given(roles []string) []string {
	var given []string
	for _, role := range roles {
		if slices.Contains(org.Roles, role) {
			given = append(given, role)
		}
	}
	return given
}

// storeRoles replaces the roles that the organisation gave; those that it may not give
// are left as they are, and an attempt to give one is refused.
func (org *Organisation) storeRoles(sent any, a *accounts.Account) error {
	if len(org.Roles) == 0 {
		return nil
	}
	before := a.Roles
	var next []string
	for _, role := range before {
		if !slices.Contains(org.Roles, role) {
			next = append(next, role)
		}
	}
	list, _ := sent.([]any)
	for _, v := range list {
		value, _ := v.(map[string]any)
		role, _ := value["value"].(string)
		role = plainRole(role)
		switch {
		case role == "":
		case !slices.Contains(org.Roles, role):
			return wrong(invalidValue, "The role %q is not one that this organisation may give. Whoever runs this service can allow it.", role)
		case !slices.Contains(next, role):
			next = append(next, role)
		}
	}
	// Another order is no other roles, and would end sessions.
	if !slices.Equal(slices.Sorted(slices.Values(next)), slices.Sorted(slices.Values(before))) {
		a.Roles = next
	}
	return nil
}

// plainRole takes the value out of a role that Entra ID sends as an object inside a text.
func plainRole(text string) string {
	if !strings.HasPrefix(text, "{") {
		return text
	}
	var role struct{ Value string }
	if err := json.Unmarshal([]byte(text), &role); err != nil {
		return text
	}
	return role.Value
}

// meta is what this service says of a resource (RFC 7643, section 3.1).
func (c *call) meta(res *resource, id string, created, changed time.Time) map[string]any {
	return map[string]any{
		"resourceType": res.name, "created": created.UTC().Format(time.RFC3339Nano), "lastModified": changed.UTC().Format(time.RFC3339Nano),
		"location": c.location(res, id), "version": version(changed),
	}
}

func (c *call) location(res *resource, id string) string { return c.at.Base + res.endpoint + "/" + id }
