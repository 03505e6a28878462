package scim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// What a filter or a path of PATCH may take. The parser goes as deep as it is led.
const (
	maxFilter = 1024 // bytes
	maxDepth  = 8    // brackets
)

// bounded reports whether text is small enough to be parsed.
func bounded(text string) bool {
	if len(text) > maxFilter || !utf8.ValidString(text) {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == ')' || c == ']':
			depth--
		}
	}
	return true
}

// entraFilter is emails[type eq "work"].value eq "alice@hospital.example", which the
// grammar has in paths only.
var entraFilter = regexp.MustCompile(`^\s*([\w:.]+)\[(\w+ eq (?:"[^"\\]*"|\w+))\]\.(\w+ \w\w (?:"(?:[^"\\]|\\.)*"|\w+))\s*$`)

// parseFilter reads a filter (RFC 7644, section 3.4.2.2) that speaks of attributes
// which the resource has.
func (res *resource) parseFilter(text string) (filter.Expression, error) {
	if !bounded(text) {
		return nil, wrong(invalidFilter, "The filter is longer than %d bytes, or has more than %d brackets inside each other.", maxFilter, maxDepth)
	}
	e, err := filter.ParseFilterNumber([]byte(entraFilter.ReplaceAllString(text, `$1[$2 and $3]`)))
	if err != nil {
		return nil, wrong(invalidFilter, "The filter cannot be read.")
	}
	return e, res.checkFilter(e, nil)
}

// checkFilter checks the names in e, and takes the escapes out of its values; inner are the
// attributes inside brackets.
func (res *resource) checkFilter(e filter.Expression, inner schema.Attributes) error {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		if err := res.checkFilter(e.Left, inner); err != nil {
			return err
		}
		return res.checkFilter(e.Right, inner)
	case *filter.NotExpression:
		return res.checkFilter(e.Expression, inner)
	case *filter.ValuePath:
		at, ok := res.find(e.AttributePath, inner)
		if !ok || len(at.subs) == 0 || inner != nil {
			return wrong(invalidFilter, "The filter asks for %s[…], which there is not.", e.AttributePath)
		}
		return res.checkFilter(e.ValueFilter, at.subs)
	case *filter.AttributeExpression:
		return res.checkComparison(e, inner)
	}
	return wrong(invalidFilter, "The filter cannot be read.")
}

func (res *resource) checkComparison(e *filter.AttributeExpression, inner schema.Attributes) error {
	at, ok := res.find(e.AttributePath, inner)
	if !ok {
		return wrong(invalidFilter, "The filter asks for %s, which there is not.", e.AttributePath)
	}
	ordered := []filter.CompareOperator{filter.GT, filter.GE, filter.LT, filter.LE}
	if at.kind == "boolean" && slices.Contains(ordered, e.Operator) {
		return wrong(invalidFilter, "%s is true or false, and neither is more than the other.", e.AttributePath)
	}
	text, ok := e.CompareValue.(string)
	if !ok {
		return nil
	}
	// The parser leaves escapes as they are.
	var value string
	if err := json.Unmarshal([]byte(`"`+text+`"`), &value); err != nil || strings.ContainsRune(value, 0) {
		return wrong(invalidFilter, "The filter has a value that cannot be read.")
	}
	e.CompareValue = value
	return nil
}

// place is where in a document an attribute is.
type place struct {
	keys  []string          // from the outside to the inside
	kind  string            // "string", "boolean", "dateTime", "reference", "complex"
	exact bool              // upper and lower case differ
	subs  schema.Attributes // of a complex attribute
}

// common are the attributes of every resource (RFC 7643, section 3.1).
func common(path filter.AttributePath) (place, bool) {
	name, sub := strings.ToLower(path.AttributeName), path.SubAttributeName()
	switch {
	case name == "id" && sub == "":
		return place{keys: []string{"id"}, kind: "string", exact: true}, true
	case name == "schemas" && sub == "":
		return place{keys: []string{"schemas"}, kind: "reference", exact: true}, true
	case name != "meta":
		return place{}, false
	}
	for key, kind := range map[string]string{
		"resourceType": "string", "created": "dateTime", "lastModified": "dateTime", "location": "reference", "version": "string",
	} {
		if strings.EqualFold(key, sub) {
			return place{keys: []string{"meta", key}, kind: kind, exact: true}, true
		}
	}
	return place{}, false
}

// find returns where an attribute is that a filter or a path names.
func (res *resource) find(path filter.AttributePath, inner schema.Attributes) (place, bool) {
	if inner != nil {
		attr, ok := inner.ContainsAttribute(path.AttributeName)
		if !ok || path.URI() != "" || path.SubAttribute != nil {
			return place{}, false
		}
		return placeOf(nil, &attr), true
	}
	attributes, uri := res.checked.Attributes, strings.TrimSuffix(path.URI(), ":")
	var outer []string
	switch {
	case uri == "":
		if at, ok := common(path); ok {
			return at, true
		}
	case res.more != nil && strings.EqualFold(uri, res.more.ID):
		attributes, outer = res.more.Attributes, []string{res.more.ID}
	case !strings.EqualFold(uri, res.core.ID):
		return place{}, false
	}
	attr, ok := attributes.ContainsAttribute(path.AttributeName)
	if !ok {
		return place{}, false
	}
	at := placeOf(outer, &attr)
	if path.SubAttribute == nil {
		return at, true
	}
	sub, ok := at.subs.ContainsAttribute(*path.SubAttribute)
	if !ok {
		return place{}, false
	}
	return placeOf(at.keys, &sub), true
}

func placeOf(outer []string, attr *schema.CoreAttribute) place {
	return place{keys: append(slices.Clip(outer), attr.Name()), kind: attr.AttributeType(), exact: attr.CaseExact(), subs: attr.SubAttributes()}
}
