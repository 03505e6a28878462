package config

import (
	"reflect"
	"strings"
)

// field is a key of a struct, as its tags say.
type field struct {
	index      []int // of reflect.Value.FieldByIndex
	key        string
	deflt, doc string
	required   bool
	socket     bool // an address may be that of a Unix socket
	enum       []string
	min, max   string
}

// fieldsOf are the keys of a struct type, in the order of its fields. A field
// without a yaml tag is no key; the keys of an inline one are the struct's own.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == ",inline" {
			for _, f := range fieldsOf(t.Field(i).Type) {
				f.index = append([]int{i}, f.index...)
				fields = append(fields, f)
			}
			continue
		}
		tag := t.Field(i).Tag
		key, _, _ := strings.Cut(tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		f := field{
			index: []int{i}, key: key,
			deflt: tag.Get("default"), doc: tag.Get("doc"),
			required: tag.Get("required") == "true", socket: tag.Get("socket") == "true",
			min: tag.Get("min"), max: tag.Get("max"),
		}
		if enum := tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, "|")
		}
		fields = append(fields, f)
	}
	return fields
}

// remedy says how to give a value to a key that has none.
func (f field) remedy() string {
	if f.doc == "" {
		return "add " + f.key
	}
	return "add " + f.key + ": " + strings.TrimSuffix(f.doc, ".")
}

// bounds says in words what min and max allow; empty when there are none.
func (f field) bounds() string {
	switch {
	case f.min != "" && f.max != "":
		return f.min + " to " + f.max
	case f.min != "":
		return f.min + " or more"
	case f.max != "":
		return f.max + " at most"
	}
	return ""
}
