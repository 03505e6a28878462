package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	leastPage = 10
	emptyMost = 100 // pages without an entry in a row
)

// paged makes a search page by page (RFC 2696) and gives each entry to visit. A
// server that knows no pages answers at once, as far as its limits allow; beyond
// them it says so, and so does the error.
func (c *conn) paged(ctx context.Context, limit time.Duration, size int, r *ldap.SearchRequest, visit func(*ldap.Entry) error) error {
	control := ldap.NewControlPaging(uint32(size))
	r.Controls = []ldap.Control{control}
	for began, empty := false, 0; ; {
		result, err := c.search(ctx, limit, r)
		// Some servers allow only small pages, and do not say how small.
		if !began && control.PagingSize > leastPage && ldap.IsErrorAnyOf(err, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultUnwillingToPerform) {
			control.PagingSize = max(leastPage, control.PagingSize/2)
			continue
		}
		began = true
		for _, e := range result.Entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		cookie := nextPage(result)
		if len(cookie) == 0 {
			return nil
		}
		empty++
		if len(result.Entries) > 0 {
			empty = 0
		}
		if empty > emptyMost {
			return errors.New("the server sends empty pages without an end")
		}
		control.SetCookie(cookie)
	}
}

func nextPage(result *ldap.SearchResult) []byte {
	if c, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
		return c.Cookie
	}
	return nil
}

var rangeOption = regexp.MustCompile(`(?i)^([^;]+);range=(\d+)-(\d+|\*)$`)

// ranged returns all values of an attribute of an entry. Active Directory gives only
// the first 1,500 or 5,000 of many, as memberOf;range=0-1499, and the rest when
// asked for it (MS-ADTS, section 3.1.1.3.1.3.3).
func (c *conn) ranged(ctx context.Context, limit time.Duration, e *ldap.Entry, attribute string) ([]string, error) {
	values, next, err := part(e, attribute)
	for err == nil && next > 0 {
		option := fmt.Sprintf("%s;range=%d-*", attribute, next)
		r := ldap.NewSearchRequest(e.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{option}, nil)
		var result *ldap.SearchResult
		if result, err = c.search(ctx, limit, r); err != nil {
			break
		}
		if len(result.Entries) != 1 {
			return nil, fmt.Errorf("%s of %q is cut, and its rest cannot be read", attribute, e.DN)
		}
		var more []string
		was := next
		if more, next, err = part(result.Entries[0], attribute); err != nil {
			break
		}
		if len(more) == 0 || next > 0 && next <= was || len(values) > maxGroups {
			return nil, fmt.Errorf("%s of %q is cut, and its rest makes no sense", attribute, e.DN)
		}
		values = append(values, more...)
	}
	return values, err
}

// part returns the values of an attribute that are in an entry, and where the next
// ones begin; 0 if there are no more.
func part(e *ldap.Entry, attribute string) (values []string, next int, err error) {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, attribute) {
			values = append(values, a.Values...)
			continue
		}
		option := rangeOption.FindStringSubmatch(a.Name)
		if option == nil || !strings.EqualFold(option[1], attribute) {
			continue
		}
		values = append(values, a.Values...)
		if option[3] == "*" {
			return values, 0, nil
		}
		last, err := strconv.Atoi(option[3])
		if err != nil {
			return nil, 0, fmt.Errorf("range %q: %w", a.Name, err)
		}
		return values, last + 1, nil
	}
	return values, 0, nil
}
