package scim

import (
	"errors"
	"net/http"
	"slices"

	"foregate/authn/accounts"
)

// allGroups is what can be done with the list of groups.
func (c *call) allGroups() verbs {
	return verbs{http.MethodGet: c.listGroups, http.MethodPost: c.createGroup}
}

// groups returns what can be done with the group of an ID.
func (c *call) groups() func(id string) verbs {
	return func(id string) verbs {
		return verbs{
			http.MethodGet:    func() (answer, error) { return c.readGroup(id) },
			http.MethodPut:    func() (answer, error) { return c.replaceGroup(id) },
			http.MethodPatch:  func() (answer, error) { return c.patchGroup(id) },
			http.MethodDelete: func() (answer, error) { return c.deleteGroup(id) },
		}
	}
}

func (c *call) theGroup(id string) (accounts.Group, error) {
	if !validID(id) {
		return accounts.Group{}, notFound()
	}
	return c.Accounts.Group(c.ctx, c.context(), id)
}

func (c *call) answerGroup(status int, g *accounts.Group) (answer, error) {
	done := answer{status: status, body: c.projected(c.shownGroup(g)), version: version(g.Changed)}
	if status == http.StatusCreated {
		done.location = c.location(&c.group, g.ID)
	}
	return done, nil
}

func (c *call) readGroup(id string) (answer, error) {
	g, err := c.theGroup(id)
	if err != nil {
		return answer{}, err
	}
	if c.unmodified(g.Changed) {
		return answer{status: http.StatusNotModified, version: version(g.Changed)}, nil
	}
	return c.answerGroup(http.StatusOK, &g)
}

func (c *call) createGroup() (answer, error) {
	doc, err := c.sent(&c.group)
	if err != nil {
		return answer{}, err
	}
	g := accounts.Group{Organisation: c.org.Name}
	if err := c.org.storeGroup(doc, &g); err != nil {
		return answer{}, err
	}
	if g, err = c.Accounts.CreateGroup(c.ctx, c.context(), g); err != nil {
		return answer{}, strangers(err)
	}
	return c.answerGroup(http.StatusCreated, &g)
}

// strangers says of a group that is here that a member is not.
func strangers(err error) error {
	if errors.Is(err, accounts.ErrNotFound) {
		return &problem{status: http.StatusBadRequest, kind: invalidValue, detail: "A member is no user here.", err: err}
	}
	return err
}

func (c *call) replaceGroup(id string) (answer, error) {
	doc, err := c.sent(&c.group)
	if err != nil {
		return answer{}, err
	}
	g, err := c.changeGroup(id, func(g *accounts.Group) error { return c.org.storeGroup(doc, g) })
	if err != nil {
		return answer{}, err
	}
	return c.answerGroup(http.StatusOK, &g)
}

// patchGroup is answered without the group, which may have very many members.
func (c *call) patchGroup(id string) (answer, error) {
	ops, err := c.operations(&c.group)
	if err != nil {
		return answer{}, err
	}
	g, err := c.changeGroup(id, func(g *accounts.Group) error {
		doc := groupDocument(g)
		if err := ops.apply(&c.group, doc); err != nil {
			return err
		}
		doc, err := c.group.check(doc)
		if err != nil {
			return err
		}
		return c.org.storeGroup(doc, g)
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent, version: version(g.Changed)}, nil
}

// changeGroup stores what change makes of a group, if that is something else.
func (c *call) changeGroup(id string, change func(*accounts.Group) error) (accounts.Group, error) {
	if !validID(id) {
		return accounts.Group{}, notFound()
	}
	found := false
	var before accounts.Group
	g, err := c.Accounts.UpdateGroup(c.ctx, c.context(), id, func(g *accounts.Group) error {
		found = true
		if err := c.expected(g.Changed); err != nil {
			return err
		}
		before = *g
		before.Members = slices.Clone(g.Members)
		if err := change(g); err != nil {
			return err
		}
		if g.Name == before.Name && g.ExternalID == before.ExternalID && slices.Equal(g.Members, before.Members) {
			return errUnchanged
		}
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged):
		return before, nil
	case found:
		return g, strangers(err)
	}
	return g, err
}

func (c *call) deleteGroup(id string) (answer, error) {
	g, err := c.theGroup(id)
	if err != nil {
		return answer{}, err
	}
	if err := c.expected(g.Changed); err != nil {
		return answer{}, err
	}
	if err := c.Accounts.DeleteGroup(c.ctx, c.context(), id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (c *call) groupSearch() (s search[accounts.GroupQuery], err error) {
	parts, err := c.parsed(&c.group)
	s.query.Organisation = c.org.Name
	for _, e := range parts {
		attribute, text := c.group.exactly(e)
		switch {
		case attribute == "displayName" && s.query.Name == "":
			s.query.Name = text
		case attribute == "externalId" && s.query.ExternalID == "":
			s.query.ExternalID = text
		case attribute == "members" && s.query.Member == "":
			s.query.Member = text
		case attribute == "id" && s.id == "":
			s.id = text
		case c.group.speaksOf(e, "members"):
			return s, wrong(invalidFilter, `Groups can be filtered by members only with members.value eq "…", alone or with "and".`)
		default:
			s.rest = append(s.rest, e)
		}
	}
	return s, err
}

// maxMembers is how many members a page of groups shows before it ends early.
const maxMembers = 20_000

// listGroups implements RFC 7644, section 3.4.2. Groups are few, so that all that the
// database finds are looked at; members are read for the page alone.
func (c *call) listGroups() (answer, error) {
	s, err := c.groupSearch()
	if err != nil {
		return answer{}, err
	}
	p, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	found, total, err := c.findGroups(s, p)
	if err != nil {
		return answer{}, err
	}
	page, err := c.withMembers(found)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: list(page, total, p.start)}, nil
}

func (c *call) findGroups(s search[accounts.GroupQuery], p paging) (page []accounts.Group, total int, err error) {
	if s.id == "" && len(s.rest) == 0 {
		s.query.Offset, s.query.Limit = p.start-1, max(p.count, 1)
		page, total, err = c.Accounts.Groups(c.ctx, s.query)
		return page[:min(len(page), p.count)], total, err
	}
	for s.query.Limit = 500; ; s.query.Offset += s.query.Limit {
		some, all, err := c.Accounts.Groups(c.ctx, s.query)
		if err != nil {
			return nil, 0, err
		}
		for i := range some {
			if s.id != "" && some[i].ID != s.id || !c.group.passesAll(c.shownGroup(&some[i]), s.rest) {
				continue
			}
			if total++; total >= p.start && len(page) < p.count {
				page = append(page, some[i])
			}
		}
		if s.query.Offset+len(some) >= min(all, maxScan) || len(some) == 0 {
			return page, total, nil
		}
	}
}

func (c *call) withMembers(found []accounts.Group) ([]map[string]any, error) {
	var page []map[string]any
	members := 0
	for i := range found {
		g := &found[i]
		if !c.leavesOut("members") {
			whole, err := c.theGroup(g.ID)
			if errors.Is(err, accounts.ErrNotFound) {
				continue // deleted just now
			}
			if err != nil {
				return nil, err
			}
			g = &whole
		}
		if members += len(g.Members); members > maxMembers && len(page) > 0 {
			break // the client asks for the rest from where this page ends
		}
		page = append(page, c.projected(c.shownGroup(g)))
	}
	return page, nil
}
