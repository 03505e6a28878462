package scim

import (
	"slices"
	"strings"
	"time"

	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// passes decides whether a document is one that a checked filter means; inner are the
// attributes of doc where it is a value inside brackets.
func (res *resource) passes(doc map[string]any, e filter.Expression, inner schema.Attributes) bool {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		left := res.passes(doc, e.Left, inner)
		if left == (e.Operator == filter.OR) {
			return left
		}
		return res.passes(doc, e.Right, inner)
	case *filter.NotExpression:
		return !res.passes(doc, e.Expression, inner)
	case *filter.ValuePath:
		at, _ := res.find(e.AttributePath, inner)
		return slices.ContainsFunc(valuesAt(doc, at.keys), func(v any) bool {
			value, ok := v.(map[string]any)
			return ok && res.passes(value, e.ValueFilter, at.subs)
		})
	case *filter.AttributeExpression:
		at, _ := res.find(e.AttributePath, inner)
		return at.compared(doc, e)
	}
	return false
}

func (at *place) compared(doc map[string]any, e *filter.AttributeExpression) bool {
	values := valuesAt(doc, at.keys)
	if at.kind == "complex" && e.Operator != filter.PR {
		// "emails co" means the values of the addresses (RFC 7643, section 2.4).
		values = valuesAt(doc, append(slices.Clip(at.keys), "value"))
	}
	switch e.Operator {
	case filter.PR:
		return slices.ContainsFunc(values, present)
	case filter.NE:
		return !at.equals(values, e.CompareValue)
	case filter.EQ:
		return at.equals(values, e.CompareValue)
	}
	want, ok := e.CompareValue.(string)
	return ok && slices.ContainsFunc(values, func(v any) bool {
		have, ok := v.(string)
		return ok && at.ordered(have, want, e.Operator)
	})
}

func (at *place) equals(values []any, want any) bool {
	if want == nil {
		return !slices.ContainsFunc(values, present)
	}
	return slices.ContainsFunc(values, func(have any) bool {
		switch have := have.(type) {
		case bool:
			if text, ok := want.(string); ok {
				return truth(text, nil) == have // providers write primary eq "True"
			}
			return have == want
		case string:
			text, ok := want.(string)
			return ok && at.ordered(have, text, filter.EQ)
		}
		return false
	})
}

// ordered compares two texts.
func (at *place) ordered(have, want string, op filter.CompareOperator) bool {
	if at.kind == "dateTime" {
		x, errX := time.Parse(time.RFC3339Nano, have)
		y, errY := time.Parse(time.RFC3339Nano, want)
		return errX == nil && errY == nil && holds(x.Compare(y), op)
	}
	if !at.exact {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	switch op {
	case filter.CO:
		return strings.Contains(have, want)
	case filter.SW:
		return strings.HasPrefix(have, want)
	case filter.EW:
		return strings.HasSuffix(have, want)
	}
	return holds(strings.Compare(have, want), op)
}

func holds(order int, op filter.CompareOperator) bool {
	switch op {
	case filter.EQ:
		return order == 0
	case filter.GT:
		return order > 0
	case filter.GE:
		return order >= 0
	case filter.LT:
		return order < 0
	case filter.LE:
		return order <= 0
	}
	return false
}

// present reports whether a value is more than an empty one.
func present(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// valuesAt returns what is at keys, through all lists on the way.
func valuesAt(value any, keys []string) []any {
	switch v := value.(type) {
	case []any:
		var all []any
		for _, one := range v {
			all = append(all, valuesAt(one, keys)...)
		}
		return all
	case []string:
		var all []any
		for _, one := range v {
			all = append(all, one)
		}
		return all
	case map[string]any:
		if len(keys) > 0 {
			return valuesAt(v[keys[0]], keys[1:])
		}
	}
	if len(keys) > 0 || value == nil {
		return nil
	}
	return []any{value}
}
