package scim

import (
	"slices"

	"foregate/authn/accounts"
)

// groupDocument is a group without what only this service says of it.
func groupDocument(g *accounts.Group) map[string]any {
	doc := map[string]any{"displayName": g.Name}
	if g.ExternalID != "" {
		doc["externalId"] = g.ExternalID
	}
	if len(g.Members) > 0 {
		members := make([]any, len(g.Members))
		for i, id := range g.Members {
			members[i] = map[string]any{"value": id}
		}
		doc["members"] = members
	}
	return doc
}

// storeGroup writes a checked document into a group. Of one that opens something here,
// members can only be taken away.
func (org *Organisation) storeGroup(doc map[string]any, g *accounts.Group) error {
	before := *g
	g.Name, _ = doc["displayName"].(string)
	g.ExternalID, _ = doc["externalId"].(string)
	members, _ := doc["members"].([]any)
	g.Members = make([]string, 0, len(members))
	for _, m := range members {
		member, _ := m.(map[string]any)
		id, _ := member["value"].(string)
		if kind, _ := member["type"].(string); kind != "" && kind != "User" {
			return wrong(invalidValue, "A member is a %s; only users can be members here.", kind)
		}
		if !validID(id) {
			return wrong(invalidValue, "The member %q is no user here.", id)
		}
		g.Members = append(g.Members, id)
	}
	slices.Sort(g.Members)
	g.Members = slices.Compact(g.Members)
	closed := slices.ContainsFunc(org.Closed, func(name string) bool { return sameName(name, g.Name) })
	came := func(id string) bool {
		_, was := slices.BinarySearch(before.Members, id)
		return !was
	}
	if closed && (!sameName(before.Name, g.Name) || slices.ContainsFunc(g.Members, came)) {
		return wrong(invalidValue, "Who is in the group %q decides about access here, so this organisation may not fill it. Whoever runs this service can allow it.", g.Name)
	}
	return nil
}

// sameName reports whether an application could take two names of groups for one.
func sameName(a, b string) bool {
	x, errX := accounts.Canonical(a)
	y, errY := accounts.Canonical(b)
	return a == b || errX == nil && errY == nil && x == y
}

// shownGroup is a group as it is answered.
func (c *call) shownGroup(g *accounts.Group) map[string]any {
	doc := groupDocument(g)
	members, _ := doc["members"].([]any)
	for i, id := range g.Members {
		members[i] = map[string]any{"value": id, "type": "User", "$ref": c.location(&c.user, id)}
	}
	doc["id"], doc["schemas"] = g.ID, []string{c.group.core.ID}
	doc["meta"] = c.meta(&c.group, g.ID, g.Created, g.Changed)
	return doc
}
