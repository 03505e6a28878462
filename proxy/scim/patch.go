package scim

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// What one PATCH may take: reading a path costs more than carrying it out.
const (
	maxOperations = 1000
	maxPaths      = 128 << 10 // bytes of all paths together
	maxSpread     = 200       // attributes of a value without a path
)

// operation is one change of a document (RFC 7644, section 3.5.2).
type operation struct {
	op    string // "add", "replace" or "remove"
	at    place
	attr  schema.CoreAttribute // the whole attribute
	sub   *schema.CoreAttribute
	where filter.Expression // which of its values, may be nil
	value any               // nil: remove
}

type operations []operation

// operations reads the body of a PATCH.
func (c *call) operations(res *resource) (operations, error) {
	body, err := c.read()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(texts(at(body, "schemas")), func(s string) bool { return strings.EqualFold(s, patchSchema) }) {
		return nil, wrong(invalidSyntax, "schemas is not %s.", patchSchema)
	}
	list, ok := at(body, "Operations").([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, wrong(invalidSyntax, "Operations is not a list of 1 to %d.", maxOperations)
	}
	var all operations
	paths := 0
	for _, one := range list {
		o, ok := one.(map[string]any)
		if !ok {
			return nil, wrong(invalidSyntax, "An operation is not an object.")
		}
		path, _ := at(o, "path").(string)
		if paths += len(path); paths > maxPaths {
			return nil, wrong(invalidSyntax, "The paths are too long in all; send less at once.")
		}
		more, err := res.operation(o)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > 2*maxOperations {
			return nil, wrong(invalidSyntax, "The operations are too many.")
		}
	}
	return all, nil
}

// at is what an object has under a name in any case.
func at(doc map[string]any, name string) any {
	if value, ok := doc[name]; ok {
		return value
	}
	for key, value := range doc {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

func texts(value any) []string {
	list, _ := value.([]any)
	var out []string
	for _, v := range list {
		if text, ok := v.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// operation reads one operation; without a path it is one for each attribute of its value.
func (res *resource) operation(o map[string]any) (operations, error) {
	op, _ := at(o, "op").(string)
	op = strings.ToLower(op)
	if op != "add" && op != "replace" && op != "remove" {
		return nil, wrong(invalidSyntax, "The op is not add, replace or remove.")
	}
	value := at(o, "value")
	path, ok := at(o, "path").(string)
	if !ok && at(o, "path") != nil {
		return nil, wrong(invalidPath, "The path is not a text.")
	}
	if path != "" && !(res.more != nil && strings.EqualFold(path, res.more.ID)) {
		one, err := res.aimed(op, path, value)
		return operations{one}, err
	}
	if op == "remove" && path == "" {
		return nil, wrong(noTarget, "A remove has no path.")
	}
	prefix := ""
	if path != "" {
		prefix = path + ":"
	}
	if op == "remove" {
		value = everything(res.more)
	}
	set, ok := value.(map[string]any)
	if !ok {
		return nil, wrong(invalidValue, "Without the path of an attribute the value is an object of attributes.")
	}
	return res.spread(op, prefix, set)
}

// everything is an object with each attribute of a schema.
func everything(s *schema.Schema) map[string]any {
	all := make(map[string]any)
	for _, attr := range s.Attributes {
		all[attr.Name()] = nil
	}
	return all
}

// spread makes an operation of each attribute of a value: "name.givenName" and
// "urn:…:User:department" are attributes too. What the schema does not know, and what a
// client may not set, is passed over as in a whole resource.
func (res *resource) spread(op, prefix string, set map[string]any) (operations, error) {
	var all operations
	for key, value := range set {
		if inner, ok := value.(map[string]any); ok && prefix == "" && res.more != nil && strings.EqualFold(key, res.more.ID) {
			more, err := res.spread(op, key+":", inner)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
			continue
		}
		if !bounded(key) || !res.begins(prefix+key) {
			continue
		}
		if len(all) == maxSpread {
			return nil, wrong(invalidValue, "A value without a path has more than %d attributes.", maxSpread)
		}
		path, err := filter.ParsePathNumber([]byte(prefix + key))
		if err != nil {
			continue
		}
		_, known := res.find(path.AttributePath, nil)
		if _, reserved := common(path.AttributePath); !known || reserved || value == nil && op == "add" {
			continue
		}
		if attr := res.attribute(path.AttributePath); attr == nil || attr.Mutability() == "readOnly" {
			continue
		}
		one, err := res.aimed(op, prefix+key, value)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	// One after the other always in the same order.
	slices.SortStableFunc(all, func(a, b operation) int { return slices.Compare(a.at.keys, b.at.keys) })
	return all, nil
}

// begins reports whether a path may be one of an attribute that there is, at less cost
// than to read it.
func (res *resource) begins(path string) bool {
	attributes := res.checked.Attributes
	if rest, found := cutFold(path, res.core.ID+":"); found {
		path = rest
	} else if res.more != nil {
		if rest, found := cutFold(path, res.more.ID+":"); found {
			path, attributes = rest, res.more.Attributes
		}
	}
	if i := strings.IndexAny(path, ".["); i >= 0 {
		path = path[:i]
	}
	_, known := attributes.ContainsAttribute(path)
	return known
}

// attribute is the whole attribute that a path is in.
func (res *resource) attribute(path filter.AttributePath) *schema.CoreAttribute {
	attributes := res.checked.Attributes
	if uri := strings.TrimSuffix(path.URI(), ":"); res.more != nil && strings.EqualFold(uri, res.more.ID) {
		attributes = res.more.Attributes
	}
	attr, ok := attributes.ContainsAttribute(path.AttributeName)
	if !ok {
		return nil
	}
	return &attr
}

// aimed reads an operation with a path.
func (res *resource) aimed(op, text string, value any) (operation, error) {
	if !bounded(text) {
		return operation{}, wrong(invalidPath, "The path is longer than %d bytes, or has more than %d brackets inside each other.", maxFilter, maxDepth)
	}
	path, err := filter.ParsePathNumber([]byte(text))
	if err != nil {
		return operation{}, wrong(invalidPath, "The path %q cannot be read.", text)
	}
	whole := path.AttributePath
	whole.SubAttribute = nil
	if _, reserved := common(path.AttributePath); reserved {
		return operation{}, wrong(mutability, "%s is not for a client to change.", path.AttributePath)
	}
	at, known := res.find(whole, nil)
	attr := res.attribute(whole)
	if !known || attr == nil {
		return operation{}, wrong(invalidPath, "There is no attribute %q here.", text)
	}
	o := operation{op: op, at: at, attr: *attr, where: path.ValueExpression}
	if attr.Mutability() == "readOnly" {
		return operation{}, wrong(mutability, "%s is not for a client to change.", attr.Name())
	}
	if name := path.SubAttributeName() + path.AttributePath.SubAttributeName(); name != "" {
		sub, ok := attr.SubAttributes().ContainsAttribute(name)
		if !ok {
			return operation{}, wrong(invalidPath, "There is no attribute %q here.", text)
		}
		o.sub = &sub
	}
	if o.where != nil {
		if !attr.MultiValued() || !attr.HasSubAttributes() {
			return operation{}, wrong(invalidPath, "%s has no values to choose from.", attr.Name())
		}
		if err := res.checkFilter(o.where, attr.SubAttributes()); err != nil {
			return operation{}, wrong(invalidPath, "The path %q cannot be read.", text)
		}
	}
	return o, o.take(value)
}

// take puts the value into its one spelling; null is as good as a removal.
func (o *operation) take(value any) error {
	if value == nil || o.op == "remove" && (o.sub != nil || o.where != nil) {
		if value == nil && o.op == "add" {
			return wrong(invalidValue, "An add has no value.")
		}
		o.op, o.value = "remove", nil
		return nil
	}
	var err error
	switch {
	case o.sub != nil:
		o.value, err = valueOf(o.sub, value)
	case o.where != nil:
		o.value, err = single(&o.attr, value)
		if _, ok := o.value.(map[string]any); err == nil && !ok {
			err = wrong(invalidValue, "The value for %s is not an object.", o.attr.Name())
		}
	default:
		o.value, err = valueOf(&o.attr, value)
	}
	return err
}

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
