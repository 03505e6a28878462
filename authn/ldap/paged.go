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
	noPages   = -1  // in server.page
)

// paged makes a search page by page (RFC 2696) and gives each entry to visit. From a
// server that allows no pages all comes at once, as far as its limits allow; beyond
// them it says so, and so does the error.
func (c *conn) paged(ctx context.Context, limit time.Duration, size int, r *ldap.SearchRequest, visit func(*ldap.Entry) error) error {
	if known := int(c.server.page.Load()); known != 0 {
		size = min(size, known)
	}
	result, err := c.firstPage(ctx, limit, size, r)
	for empty := 0; ; {
		for _, e := range result.Entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		cookie := nextPage(result)
		if err != nil || len(cookie) == 0 {
			return err
		}
		empty++
		if len(result.Entries) > 0 {
			empty = 0
		}
		if empty > emptyMost {
			return errors.New("the server sends empty pages without an end")
		}
		r.Controls[0].(*ldap.ControlPaging).SetCookie(cookie)
		result, err = c.search(ctx, limit, r)
	}
}

// firstPage finds the size of pages that the server allows, which it keeps to itself,
// and remembers it.
func (c *conn) firstPage(ctx context.Context, limit time.Duration, size int, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	for ; size >= leastPage; size /= 2 {
		r.Controls = []ldap.Control{ldap.NewControlPaging(uint32(size))}
		result, err := c.search(ctx, limit, r)
		if !ldap.IsErrorAnyOf(err, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultUnavailableCriticalExtension) {
			c.server.page.Store(int32(size))
			return result, err
		}
	}
	r.Controls = nil
	result, err := c.search(ctx, limit, r)
	if err == nil || ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		c.server.page.Store(noPages)
	}
	return result, err
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
