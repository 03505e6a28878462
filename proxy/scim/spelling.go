package scim

import (
	"strings"

	"github.com/elimity-com/scim/schema"
)

// Providers write the same thing in many ways: names in any case, which the standard
// allows, and "False" for false or one value for a list of one, which it does not. After
// this there is one spelling.

// spelled returns doc with the names of the schema; what the schema does not know is
// left out. A name that is there twice is an error.
func (res *resource) spelled(doc map[string]any) (map[string]any, error) {
	out, err := spelled(res.checked.Attributes, doc)
	if err != nil || res.more == nil {
		return out, err
	}
	for key, value := range doc {
		if !strings.EqualFold(key, res.more.ID) || value == nil {
			continue
		}
		inner, ok := value.(map[string]any)
		if !ok || out[res.more.ID] != nil {
			return nil, wrong(invalidSyntax, "%s is not one object.", res.more.ID)
		}
		if out[res.more.ID], err = spelled(res.more.Attributes, inner); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func spelled(attributes schema.Attributes, doc map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(doc))
	for key, value := range doc {
		attr, known := attributes.ContainsAttribute(key)
		if !known || value == nil { // null is as good as absent (RFC 7643, section 2.5)
			continue
		}
		if _, twice := out[attr.Name()]; twice {
			return nil, wrong(invalidSyntax, "%s is there twice.", attr.Name())
		}
		value, err := valueOf(&attr, value)
		if err != nil {
			return nil, err
		}
		out[attr.Name()] = value
	}
	return out, nil
}

// valueOf is a value of attr, which is not null, in its one spelling.
func valueOf(attr *schema.CoreAttribute, value any) (any, error) {
	if !attr.MultiValued() {
		return single(attr, value)
	}
	values, ok := value.([]any)
	if !ok {
		values = []any{value}
	}
	out := make([]any, 0, len(values))
	for _, v := range values {
		if v == nil {
			continue
		}
		v, err := single(attr, v)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func single(attr *schema.CoreAttribute, value any) (any, error) {
	switch attr.AttributeType() {
	case "boolean":
		if text, ok := value.(string); ok {
			return truth(text, value), nil
		}
	case "complex":
		if inner, ok := value.(map[string]any); ok {
			return spelled(attr.SubAttributes(), inner)
		}
		if _, ok := attr.SubAttributes().ContainsAttribute("value"); ok {
			if text, ok := value.(string); ok {
				return map[string]any{"value": text}, nil
			}
		}
	}
	return value, nil
}

// truth reads "True" and "False"; anything else stays what it is.
func truth(text string, otherwise any) any {
	switch {
	case strings.EqualFold(text, "true"):
		return true
	case strings.EqualFold(text, "false"):
		return false
	}
	return otherwise
}

// cloned is a copy of a JSON value that shares nothing with it.
func cloned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = cloned(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = cloned(inner)
		}
		return out
	}
	return value
}
