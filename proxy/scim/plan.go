package scim

import (
	"net/http"
	"strings"

	filter "github.com/scim2/filter-parser/v2"

	"foregate/authn/accounts"
)

// maxScan is how many accounts or groups are looked at for one list, where no index
// answers the filter.
const maxScan = 50_000

// conjuncts are the parts of a filter that must all hold.
func conjuncts(e filter.Expression) []filter.Expression {
	if and, ok := e.(*filter.LogicalExpression); ok && and.Operator == filter.AND {
		return append(conjuncts(and.Left), conjuncts(and.Right)...)
	}
	return []filter.Expression{e}
}

// exactly is the attribute, in the schema's spelling, and the text that a part of a
// filter wants it to be; empty for any other part.
func (res *resource) exactly(e filter.Expression) (attribute, text string) {
	switch e := e.(type) {
	case *filter.AttributeExpression:
		at, _ := res.find(e.AttributePath, nil)
		text, _ := e.CompareValue.(string)
		if e.Operator != filter.EQ || len(at.keys) == 0 || text == "" {
			return "", ""
		}
		if len(at.keys) == 2 && at.keys[1] != "value" {
			return "", ""
		}
		return at.keys[0], text
	case *filter.ValuePath: // members[value eq "x"]
		inner, ok := e.ValueFilter.(*filter.AttributeExpression)
		if !ok || inner.Operator != filter.EQ || inner.AttributePath.AttributeName != "value" {
			return "", ""
		}
		at, _ := res.find(e.AttributePath, nil)
		text, _ := inner.CompareValue.(string)
		return at.keys[0], text
	}
	return "", ""
}

// search is how a filter is answered.
type search[Q any] struct {
	query Q
	id    string              // the only one that can be meant, if not empty
	rest  []filter.Expression // to be decided document by document
}

// parsed is the filter of the request in its parts; none without one.
func (c *call) parsed(res *resource) ([]filter.Expression, error) {
	text := c.r.URL.Query().Get("filter")
	if text == "" {
		return nil, nil
	}
	e, err := res.parseFilter(text)
	if err != nil {
		return nil, err
	}
	return conjuncts(e), nil
}

func (c *call) userSearch() (s search[accounts.Query], err error) {
	parts, err := c.parsed(&c.user)
	s.query.Organisation = c.org.Name
	if s.id, s.rest = c.user.byID(parts); s.id != "" {
		return s, err
	}
	for _, e := range parts {
		attribute, text := c.user.exactly(e)
		_, unlike := accounts.Canonical(text)
		active, isActive := c.user.activeIs(e)
		switch {
		case attribute == "userName" && s.query.Username == "" && unlike == nil:
			s.query.Username = text // in any spelling, which is more than the filter could say
		case attribute == "externalId" && s.query.ExternalID == "":
			s.query.ExternalID = text
		case attribute == "groups" && s.query.Group == "":
			s.query.Group = text
		case isActive && s.query.Status == "":
			s.query.Status = active
		case c.user.speaksOf(e, "groups"):
			return s, wrong(invalidFilter, `Users can be filtered by groups only with groups.value eq "…", alone or with "and".`)
		default:
			s.rest = append(s.rest, e)
		}
	}
	return s, err
}

// byID finds the part of a filter that names an ID; rest are the others.
func (res *resource) byID(parts []filter.Expression) (id string, rest []filter.Expression) {
	for _, e := range parts {
		if attribute, text := res.exactly(e); attribute == "id" && id == "" {
			id = text
			continue
		}
		rest = append(rest, e)
	}
	if id == "" {
		return "", nil
	}
	return id, rest
}

// activeIs is the status that a part of a filter asks for.
func (res *resource) activeIs(e filter.Expression) (status string, ok bool) {
	equal, ok := e.(*filter.AttributeExpression)
	if !ok || equal.Operator != filter.EQ || !strings.EqualFold(equal.AttributePath.AttributeName, "active") {
		return "", false
	}
	switch active, ok := equal.CompareValue.(bool); {
	case !ok:
		return "", false
	case active:
		return accounts.Active, true
	}
	return accounts.Disabled, true
}

// speaksOf reports whether an attribute is anywhere in a filter.
func (res *resource) speaksOf(e filter.Expression, attribute string) bool {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		return res.speaksOf(e.Left, attribute) || res.speaksOf(e.Right, attribute)
	case *filter.NotExpression:
		return res.speaksOf(e.Expression, attribute)
	case *filter.ValuePath:
		return strings.EqualFold(e.AttributePath.AttributeName, attribute)
	case *filter.AttributeExpression:
		return strings.EqualFold(e.AttributePath.AttributeName, attribute)
	}
	return false
}

func (res *resource) passesAll(doc map[string]any, parts []filter.Expression) bool {
	for _, e := range parts {
		if !res.passes(doc, e, nil) {
			return false
		}
	}
	return true
}

// listUsers implements RFC 7644, section 3.4.2.
func (c *call) listUsers() (answer, error) {
	s, err := c.userSearch()
	if err != nil {
		return answer{}, err
	}
	p, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	var page []map[string]any
	var total int
	switch {
	case s.id != "":
		page, total, err = c.theUser(s, p)
	case len(s.rest) == 0:
		page, total, err = c.pageOfUsers(s, p)
	default:
		page, total, err = c.scanUsers(s, p)
	}
	if err != nil {
		return answer{}, err
	}
	for i := range page {
		page[i] = c.projected(page[i])
	}
	return answer{status: http.StatusOK, body: list(page, total, p.start)}, nil
}

// theUser answers a filter that names an ID.
func (c *call) theUser(s search[accounts.Query], p paging) ([]map[string]any, int, error) {
	a, err := c.account(s.id)
	if err != nil {
		if problemOf(err).status == http.StatusNotFound {
			return nil, 0, nil
		}
		return nil, 0, err
	}
	doc, err := c.withGroups(&a)
	if err != nil || !c.user.passesAll(doc, s.rest) {
		return nil, 0, err
	}
	return window([]map[string]any{doc}, p), 1, nil
}

// pageOfUsers lets the database turn the pages.
func (c *call) pageOfUsers(s search[accounts.Query], p paging) ([]map[string]any, int, error) {
	total, err := c.Accounts.Count(c.ctx, s.query)
	if err != nil || p.count == 0 || p.start > total {
		return nil, total, err
	}
	s.query.Offset, s.query.Limit = p.start-1, p.count
	found, err := c.Accounts.Search(c.ctx, s.query)
	if err != nil {
		return nil, 0, err
	}
	page := make([]map[string]any, len(found.Accounts))
	for i := range found.Accounts {
		page[i] = c.shown(&found.Accounts[i])
	}
	return page, total, nil
}

// scanUsers looks at each user; only those of the page are kept.
func (c *call) scanUsers(s search[accounts.Query], p paging) ([]map[string]any, int, error) {
	var page []map[string]any
	total, seen := 0, 0
	s.query.Limit = 500
	for {
		found, err := c.Accounts.Search(c.ctx, s.query)
		if err != nil {
			return nil, 0, err
		}
		if seen += len(found.Accounts); seen > maxScan {
			return nil, 0, wrong(tooMany, "The filter would have to look at more than %d users. Filter by userName or externalId.", maxScan)
		}
		for i := range found.Accounts {
			doc := c.shown(&found.Accounts[i])
			if !c.user.passesAll(doc, s.rest) {
				continue
			}
			if total++; total >= p.start && len(page) < p.count {
				page = append(page, doc)
			}
		}
		if s.query.After = found.Next; found.Next == "" {
			return page, total, nil
		}
	}
}

// window is the part of a whole list that a page shows.
func window(all []map[string]any, p paging) []map[string]any {
	from := min(p.start-1, len(all))
	return all[from:min(from+p.count, len(all))]
}
