package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"foregate/authn"
)

// Dump is the configuration in force as YAML, in the order of the documentation: with
// defaults filled in and secrets masked, without keys that are empty.
func (f *File) Dump() ([]byte, error) {
	root := dumped(reflect.ValueOf(*f))
	if root == nil {
		root = &yaml.Node{Kind: yaml.MappingNode}
	}
	text, err := yaml.Dump(root)
	if err != nil {
		return nil, fmt.Errorf("config: write the configuration: %w", err)
	}
	return text, nil
}

// dumped is a value as YAML; nil: there is nothing to show.
func dumped(v reflect.Value) *yaml.Node {
	t := v.Type()
	switch {
	case isScalar(t):
		return dumpedScalar(v)
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return dumped(v.Elem())
	case t.Kind() == reflect.Struct:
		return dumpedStruct(v)
	case t.Kind() == reflect.Slice:
		return dumpedList(v)
	case t.Kind() == reflect.Map:
		return dumpedMap(v)
	}
	return text(fmt.Sprint(v.Interface()))
}

func dumpedStruct(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if value.IsZero() && f.deflt == "" {
			continue
		}
		if child := dumped(value); child != nil {
			n.Content = append(n.Content, text(f.key), child)
		}
	}
	if m, ok := v.Interface().(Method); ok && m.Config != nil {
		section := dumped(reflect.ValueOf(m.Config))
		if section == nil {
			section = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		}
		n.Content = append(n.Content, text(m.Kind), section)
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func dumpedList(v reflect.Value) *yaml.Node {
	if v.Len() == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		child := dumped(v.Index(i))
		if child == nil {
			child = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle} // keeps the places of the others
		}
		n.Content = append(n.Content, child)
	}
	return n
}

func dumpedMap(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	for _, key := range keys {
		if child := dumped(v.MapIndex(key)); child != nil {
			n.Content = append(n.Content, text(key.String()), child)
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func dumpedScalar(v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case authn.Secret:
		if x.Empty() {
			return nil
		}
		return text(x.String()) // its mask
	case time.Duration:
		return text(span(x))
	case *url.URL:
		if x == nil {
			return nil
		}
		return text(x.Redacted())
	case fmt.Stringer:
		return text(x.String())
	}
	switch v.Kind() {
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int, reflect.Int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	case reflect.Float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(v.Float(), 'g', -1, 64)}
	}
	return text(v.String())
}

// text is a string; what would be read as something else gets quotes.
func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
