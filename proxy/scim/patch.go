package scim

import (
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
