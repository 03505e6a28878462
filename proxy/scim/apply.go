package scim

import (
	"encoding/json"
	"slices"

	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// apply changes a document in canonical spelling. What does not fit the schema afterwards
// is found by its check.
func (all operations) apply(res *resource, doc map[string]any) error {
	for i := range all {
		if err := all[i].apply(res, doc); err != nil {
			return err
		}
	}
	return nil
}

func (o *operation) apply(res *resource, doc map[string]any) error {
	holder := doc
	if len(o.at.keys) == 2 {
		inner, _ := doc[o.at.keys[0]].(map[string]any)
		if inner == nil {
			inner = make(map[string]any)
			doc[o.at.keys[0]] = inner
		}
		holder = inner
	}
	name := o.attr.Name()
	switch {
	case o.attr.MultiValued() && (o.where != nil || o.sub != nil):
		return o.applyToSome(res, holder)
	case o.attr.MultiValued():
		return o.applyToList(holder)
	case o.sub != nil:
		inner, _ := holder[name].(map[string]any)
		if inner == nil {
			inner = make(map[string]any)
			holder[name] = inner
		}
		set(inner, o.sub.Name(), cloned(o.value))
	default:
		value := cloned(o.value)
		more, isObject := value.(map[string]any)
		if inner, ok := holder[name].(map[string]any); ok && isObject {
			for key, v := range more {
				inner[key] = v
			}
			return nil
		}
		set(holder, name, value)
	}
	return nil
}

// set writes a value; nil takes the key away.
func set(doc map[string]any, key string, value any) {
	if value == nil {
		delete(doc, key)
		return
	}
	doc[key] = value
}

// applyToList changes the whole list of a multi-valued attribute. A remove with values
// takes away just these, as Entra ID means it.
func (o *operation) applyToList(holder map[string]any) error {
	name := o.attr.Name()
	list, _ := holder[name].([]any)
	values, _ := cloned(o.value).([]any)
	old := 0
	switch {
	case o.op == "replace":
		list = values
	case o.op == "add":
		old = len(list)
		list = append(list, lacking(values, list)...)
	case o.value == nil:
		list = nil
	default:
		list = withoutValues(list, values)
	}
	if len(list) == 0 {
		delete(holder, name)
		return nil
	}
	holder[name] = list
	demote(list, func(i int) bool { return i >= old })
	return nil
}

// lacking are those of values that are not in list.
func lacking(values, list []any) []any {
	known := make(map[string]bool, len(list))
	for _, v := range list {
		known[valueKey(v)] = true
	}
	return slices.DeleteFunc(values, func(v any) bool { return known[valueKey(v)] })
}

// withoutValues is list without the elements that values name: by their value where they
// have one.
func withoutValues(list, values []any) []any {
	gone := make(map[string]bool, len(values))
	for _, v := range values {
		gone[valueKey(v)] = true
	}
	return slices.DeleteFunc(list, func(v any) bool { return gone[valueKey(v)] })
}

// valueKey tells values apart: by their value where they have one.
func valueKey(v any) string {
	if object, ok := v.(map[string]any); ok {
		if value, ok := object["value"].(string); ok {
			return value
		}
	}
	data, _ := json.Marshal(v) // what was JSON is JSON
	return string(data)
}

// applyToSome changes those values of a multi-valued attribute that the filter means, or
// all without one. Where none is meant, one is made that would be: providers replace the
// address of a person who has none.
func (o *operation) applyToSome(res *resource, holder map[string]any) error {
	name := o.attr.Name()
	list, _ := holder[name].([]any)
	meant := o.meaning(res)
	if o.op == "remove" && o.sub == nil {
		holder[name] = slices.DeleteFunc(list, meant)
		return nil
	}
	written := make(map[int]bool)
	for i, v := range list {
		if element, ok := v.(map[string]any); ok && meant(v) {
			written[i] = true
			o.write(element)
		}
	}
	if len(written) == 0 && o.op != "remove" {
		element, ok := example(o.where, &o.attr)
		if !ok {
			return wrong(noTarget, "The path means no value of %s.", name)
		}
		o.write(element)
		written[len(list)] = true
		list = append(list, element)
		holder[name] = list
	}
	demote(list, func(i int) bool { return written[i] })
	return nil
}

// meaning returns whether a value is one that the operation is about.
func (o *operation) meaning(res *resource) func(any) bool {
	if e, ok := o.where.(*filter.AttributeExpression); ok && e.Operator == filter.EQ && e.AttributePath.AttributeName == "value" {
		if _, text := e.CompareValue.(string); text && o.attr.Name() == "members" { // of which there may be very many
			return func(v any) bool {
				element, ok := v.(map[string]any)
				return ok && element["value"] == e.CompareValue
			}
		}
	}
	inner := o.attr.SubAttributes()
	return func(v any) bool {
		element, ok := v.(map[string]any)
		return ok && (o.where == nil || res.passes(element, o.where, inner))
	}
}

func (o *operation) write(element map[string]any) {
	if o.sub != nil {
		set(element, o.sub.Name(), cloned(o.value))
		return
	}
	more, _ := cloned(o.value).(map[string]any)
	for key, v := range more {
		element[key] = v
	}
}

// example is a value that a filter of equalities means.
func example(e filter.Expression, attr *schema.CoreAttribute) (map[string]any, bool) {
	element := make(map[string]any)
	if e == nil {
		return element, true
	}
	for _, part := range conjuncts(e) {
		equal, ok := part.(*filter.AttributeExpression)
		if !ok || equal.Operator != filter.EQ || equal.CompareValue == nil {
			return nil, false
		}
		sub, ok := attr.SubAttributes().ContainsAttribute(equal.AttributePath.AttributeName)
		if !ok {
			return nil, false
		}
		value, err := single(&sub, equal.CompareValue)
		if err != nil {
			return nil, false
		}
		element[sub.Name()] = value
	}
	return element, true
}

// demote lets the value that was written last be the only primary one (RFC 7644,
// section 3.5.2).
func demote(list []any, written func(i int) bool) {
	newest := -1
	for i, v := range list {
		if element, ok := v.(map[string]any); ok && written(i) && element["primary"] == true {
			newest = i
		}
	}
	if newest < 0 {
		return
	}
	for i, v := range list {
		if element, ok := v.(map[string]any); ok && i != newest && element["primary"] == true {
			element["primary"] = false
		}
	}
}

// onePrimary refuses a document in which two values of an attribute are the primary one
// (RFC 7643, section 2.4).
func onePrimary(doc map[string]any) error {
	for name, value := range doc {
		list, _ := value.([]any)
		n := 0
		for _, v := range list {
			if element, ok := v.(map[string]any); ok && element["primary"] == true {
				n++
			}
		}
		if n > 1 {
			return wrong(invalidValue, "More than one of %s is primary.", name)
		}
	}
	return nil
}
