package scim

import (
	"errors"
	"net/http"

	"foregate/authn/accounts"
)

// allUsers is what can be done with the list of users.
func (c *call) allUsers() verbs {
	return verbs{http.MethodGet: c.listUsers, http.MethodPost: c.createUser}
}

// users returns what can be done with the user of an ID.
func (c *call) users() func(id string) verbs {
	return func(id string) verbs {
		return verbs{
			http.MethodGet:    func() (answer, error) { return c.readUser(id) },
			http.MethodPut:    func() (answer, error) { return c.replaceUser(id) },
			http.MethodPatch:  func() (answer, error) { return c.patchUser(id) },
			http.MethodDelete: func() (answer, error) { return c.deleteUser(id) },
		}
	}
}

// account is the organisation's own account of an ID.
func (c *call) account(id string) (accounts.Account, error) {
	if !validID(id) {
		return accounts.Account{}, notFound()
	}
	a, err := c.Accounts.Get(c.ctx, id)
	if err == nil && a.Organisation != c.org.Name {
		return accounts.Account{}, notFound()
	}
	return a, err
}

// validID reports whether an ID is one that accounts and groups can have, so that no
// other text reaches a database.
func validID(id string) bool {
	for _, b := range []byte(id) {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// shown is an account as it is answered; groups are looked up for one user alone, as the
// standard allows.
func (c *call) shown(a *accounts.Account) map[string]any {
	doc := c.org.userDocument(a)
	if doc["displayName"] == nil && a.Name != "" {
		doc["displayName"] = a.Name
	}
	doc["id"], doc["meta"] = a.ID, c.meta(&c.user, a.ID, a.Created, a.Changed)
	schemas := []string{c.user.core.ID}
	if doc[enterprise] != nil {
		schemas = append(schemas, enterprise)
	}
	doc["schemas"] = schemas
	return doc
}

// maxGroups is how many groups of a user are shown.
const maxGroups = 1000

func (c *call) withGroups(a *accounts.Account) (map[string]any, error) {
	doc := c.shown(a)
	if c.leavesOut("groups") {
		return doc, nil
	}
	groups, _, err := c.Accounts.Groups(c.ctx, accounts.GroupQuery{Organisation: c.org.Name, Member: a.ID, Limit: maxGroups})
	if err != nil {
		return nil, err
	}
	var all []any
	for _, g := range groups {
		all = append(all, map[string]any{"value": g.ID, "display": g.Name, "$ref": c.location(&c.group, g.ID), "type": "direct"})
	}
	if len(all) > 0 {
		doc["groups"] = all
	}
	return doc, nil
}

func (c *call) answerUser(status int, a *accounts.Account) (answer, error) {
	doc, err := c.withGroups(a)
	if err != nil {
		return answer{}, err
	}
	done := answer{status: status, body: c.projected(doc), version: version(a.Changed)}
	if status == http.StatusCreated {
		done.location = c.location(&c.user, a.ID)
	}
	return done, nil
}

func (c *call) readUser(id string) (answer, error) {
	a, err := c.account(id)
	if err != nil {
		return answer{}, err
	}
	if c.unmodified(a.Changed) {
		return answer{status: http.StatusNotModified, version: version(a.Changed)}, nil
	}
	return c.answerUser(http.StatusOK, &a)
}

// sent is the body as a user or a group that fits the schema.
func (c *call) sent(res *resource) (map[string]any, error) {
	doc, err := c.read()
	if err != nil {
		return nil, err
	}
	if doc, err = res.spelled(doc); err != nil {
		return nil, err
	}
	if err := onePrimary(doc); err != nil {
		return nil, err
	}
	return res.check(doc)
}

func (c *call) createUser() (answer, error) {
	doc, err := c.sent(&c.user)
	if err != nil {
		return answer{}, err
	}
	a := accounts.Account{Organisation: c.org.Name, Kind: c.org.Kind, Source: accounts.FromSCIM, Status: accounts.Active}
	if err := c.org.store(doc, &a); err != nil {
		return answer{}, err
	}
	if a, err = c.Accounts.Create(c.ctx, c.context(), a); err != nil {
		return answer{}, err
	}
	return c.answerUser(http.StatusCreated, &a)
}

func (c *call) replaceUser(id string) (answer, error) {
	doc, err := c.sent(&c.user)
	if err != nil {
		return answer{}, err
	}
	return c.changeUser(id, func(a *accounts.Account) error { return c.org.store(doc, a) })
}

func (c *call) patchUser(id string) (answer, error) {
	ops, err := c.operations(&c.user)
	if err != nil {
		return answer{}, err
	}
	return c.changeUser(id, func(a *accounts.Account) error {
		doc := c.org.userDocument(a)
		if err := ops.apply(&c.user, doc); err != nil {
			return err
		}
		doc, err := c.user.check(doc)
		if err != nil {
			return err
		}
		return c.org.store(doc, a)
	})
}

// changeUser stores what change makes of an account. Who is shut, or was already, has no
// sessions afterwards: a provider that repeats a deactivation may do so because the first
// one was not answered.
func (c *call) changeUser(id string, change func(*accounts.Account) error) (answer, error) {
	if !validID(id) {
		return answer{}, notFound()
	}
	wasShut := false
	a, err := c.Accounts.Update(c.ctx, c.context(), id, func(a *accounts.Account) error {
		wasShut = !a.Open()
		if err := c.expected(a.Changed); err != nil {
			return err
		}
		return change(a)
	})
	if err != nil {
		return answer{}, err
	}
	if wasShut && !a.Open() {
		if err := c.Accounts.EndSessions(c.ctx, c.context(), id); err != nil {
			return answer{}, err
		}
	}
	return c.answerUser(http.StatusOK, &a)
}

// deleteUser shuts an account before it is deleted: if its sessions could not be ended,
// it is still there to be deleted again.
func (c *call) deleteUser(id string) (answer, error) {
	_, err := c.changeUser(id, func(a *accounts.Account) error { a.Status = accounts.Disabled; return nil })
	if err != nil {
		return answer{}, err
	}
	if err := c.Accounts.Delete(c.ctx, c.context(), id); err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
