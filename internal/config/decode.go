package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"foregate/authn"

	"go.yaml.in/yaml/v4"
)

// decoder fills Go structs from YAML nodes. Every fault is reported and the walk
// goes on, so that one run finds them all.
type decoder struct {
	*report
	kinds   []Kind
	secrets reader
	named   []string         // files that the configuration names, absolute
	used    map[fieldOf]bool // keys that the file holds
	budget  int              // values that may still be visited: aliases repeat what is written once
}

// fieldOf is a key of a struct type.
type fieldOf struct {
	owner reflect.Type
	key   string
}

// entry is one key of a mapping with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

func (d *decoder) file(root *yaml.Node, f *File) {
	d.structure(root, "", reflect.ValueOf(f).Elem())
}

// value decodes n, which stands at path, into v.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value, f field) {
	n, ok := d.visit(n, path)
	if !ok {
		return
	}
	t := v.Type()
	switch {
	case isScalar(t):
		d.scalar(n, path, v, f)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, path, v.Elem(), f)
	case t.Kind() == reflect.Struct:
		d.structure(n, path, v)
	case t.Kind() == reflect.Slice:
		d.list(n, path, v, f)
	case t.Kind() == reflect.Map:
		d.mapping(n, path, v, f)
	case t.Kind() == reflect.Interface:
		d.anything(n, path, v)
	default:
		panic("config: a key cannot be of type " + t.String())
	}
}

// visit follows an alias to what it stands for. It is not ok when nothing may be
// made of n: it carries a tag, or the file expands to too much.
func (d *decoder) visit(n *yaml.Node, path string) (*yaml.Node, bool) {
	if !d.spend(path) {
		return nil, false
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fault(path, FaultAt{
			Problem: "a value that begins with ! has a YAML tag, and tags are not used here",
			Remedy:  "put the value into quotes if the ! belongs to it",
		})
		return nil, false
	}
	return n, true
}

// spend takes one value off the budget and reports once that it is gone. Values
// within values without end, as an alias to itself makes them, end it at once.
func (d *decoder) spend(path string) bool {
	if len(path) > maxPath {
		d.budget = min(d.budget, 0)
		path = path[:maxPath]
	}
	d.budget--
	if d.budget == -1 {
		d.faultAt(d.locate(path), FaultAt{
			Path:    shown(path),
			Problem: "the file holds too many values once its aliases are written out",
			Allowed: fmt.Sprint(maxValues),
			Remedy:  "write the values out instead of using & and *",
		})
	}
	return d.budget >= 0
}

// entries are the keys of the mapping n, each once, with their places noted.
func (d *decoder) entries(n *yaml.Node, path string) []entry {
	if isNull(n) {
		return nil // a section whose keys are all commented out
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "a map of keys", "write its keys below it, indented")
		return nil
	}
	first := make(map[string]*yaml.Node)
	var list []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := place{key.Line, key.Column}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			d.faultAt(at, FaultAt{Path: path, Problem: "a key must be plain text", Remedy: "write the keys out; << does not merge here"})
			continue
		}
		full := join(path, shown(key.Value))
		if earlier := first[key.Value]; earlier != nil {
			d.faultAt(at, FaultAt{
				Path:    full,
				Problem: fmt.Sprintf("is there already in line %d", earlier.Line),
				Remedy:  "keep one of the two",
			})
			continue
		}
		first[key.Value] = key
		list = append(list, entry{key.Value, key, value})
		d.places[full] = at
		if value.Kind == yaml.ScalarNode && !isNull(value) || value.Kind == yaml.AliasNode {
			d.places[full] = place{value.Line, value.Column}
		}
	}
	return list
}

func (d *decoder) structure(n *yaml.Node, path string, v reflect.Value) {
	entries := d.entries(n, path)
	if d.faulty(path) {
		return
	}
	fields := fieldsOf(v.Type())
	if m, ok := v.Addr().Interface().(*Method); ok {
		entries = d.kind(entries, path, m)
	}
	d.unknown(entries, fields, path, v.Type())
	for _, f := range fields {
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == f.key })
		if i < 0 {
			d.absent(path, v.FieldByIndex(f.index), f)
			continue
		}
		d.used[fieldOf{v.Type(), f.key}] = true
		d.present(entries[i].value, join(path, f.key), v.FieldByIndex(f.index), f)
	}
}

// present decodes the value of a key that is in the file.
func (d *decoder) present(n *yaml.Node, path string, v reflect.Value, f field) {
	before := len(d.all)
	d.value(n, path, v, f)
	if f.required && d.budget >= 0 && len(d.all) == before && v.IsZero() {
		d.fault(path, FaultAt{Problem: "is empty", Remedy: f.remedy()})
	}
}

// absent gives a key that is not in the file its default.
func (d *decoder) absent(path string, v reflect.Value, f field) {
	full := join(path, f.key)
	if !d.spend(full) {
		return
	}
	switch {
	case f.required:
		d.fault(full, FaultAt{Problem: "is missing", Remedy: f.remedy()})
	case v.Kind() == reflect.Struct && !isScalar(v.Type()):
		d.structure(&yaml.Node{Kind: yaml.MappingNode}, full, v)
	case f.deflt != "":
		d.byDefault(v, f)
	}
}

// byDefault panics when the default does not fit: it is part of the program.
func (d *decoder) byDefault(v reflect.Value, f field) {
	var doc yaml.Node
	if err := yaml.Load([]byte(f.deflt), &doc); err != nil {
		panic(fmt.Sprintf("config: default of %s: %v", f.key, err))
	}
	own := &decoder{report: newReport("default"), kinds: d.kinds, secrets: d.secrets, used: make(map[fieldOf]bool), budget: maxValues}
	own.value(doc.Content[0], f.key, v, f)
	if err := own.faults(); err != nil {
		panic(fmt.Sprintf("config: default of %s: %v", f.key, err))
	}
}

// unknown reports the entries that are none of the fields.
func (d *decoder) unknown(entries []entry, fields []field, path string, owner reflect.Type) {
	var known, free []string
	for _, f := range fields {
		known = append(known, f.key)
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.name == f.key }) {
			free = append(free, f.key)
		}
	}
	if owner == reflect.TypeFor[Method]() {
		known = append(known, kindNames(d.kinds)...)
	}
	for _, e := range entries {
		full := join(path, shown(e.name))
		if slices.Contains(known, e.name) || d.blamed[full] {
			continue
		}
		near := nearest(e.name, free)
		if near != "" {
			d.blamed[join(path, near)] = true
		}
		d.blamed[full] = true
		d.faultAt(place{e.key.Line, e.key.Column}, FaultAt{
			Path: full, Problem: "unknown key",
			Allowed: strings.Join(sorted(known), ", "),
			Nearest: near,
			Remedy:  "correct or remove it",
		})
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value, f field) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, "a list", "write each item on a line of its own after a dash, or all of them in [ ]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	if len(n.Content) == 0 && f.required {
		d.fault(path, FaultAt{Problem: "the list is empty", Remedy: f.remedy()})
	}
	for i, c := range n.Content {
		at := item(path, i)
		d.places[at] = place{c.Line, c.Column}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(c, at, v.Index(i), f)
		if d.budget < 0 {
			return
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value, f field) {
	entries := d.entries(n, path)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, join(path, shown(e.name)), value, f)
		v.SetMapIndex(reflect.ValueOf(e.name).Convert(v.Type().Key()), value)
	}
}

// anything decodes what has no fixed shape: maps, lists and scalars as YAML
// itself sees them.
func (d *decoder) anything(n *yaml.Node, path string, v reflect.Value) {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		d.mapping(n, path, reflect.ValueOf(&m).Elem(), field{})
		v.Set(reflect.ValueOf(m))
	case yaml.SequenceNode:
		l := []any{}
		d.list(n, path, reflect.ValueOf(&l).Elem(), field{})
		v.Set(reflect.ValueOf(l))
	default:
		var a any
		if err := n.Decode(&a); err != nil {
			d.fault(path, FaultAt{Problem: "cannot be read", Found: kindOf(n), Remedy: "put the value into quotes"})
		} else if a != nil {
			v.Set(reflect.ValueOf(a))
		}
	}
}

// wrong reports that n is of the wrong kind, without showing its content.
func (d *decoder) wrong(n *yaml.Node, path, allowed, remedy string) {
	d.fault(path, FaultAt{Problem: "is of the wrong kind", Found: kindOf(n), Allowed: allowed, Remedy: remedy})
}

func sorted(list []string) []string {
	return slices.Sorted(slices.Values(list))
}

// shown is text from the file that may stand in a message.
func shown(s string) string { return authn.CutControl(s, 64) }
