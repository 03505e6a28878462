package config

import (
	"reflect"
	"slices"
	"strings"

	"foregate/authn"
)

// kind takes the section of the method's kind out of the entries and decodes it.
func (d *decoder) kind(entries []entry, path string, m *Method) []entry {
	var rest, sections []entry
	for _, e := range entries {
		if slices.Contains(kindNames(d.kinds), e.name) {
			sections = append(sections, e)
		} else {
			rest = append(rest, e)
		}
	}
	for i, e := range sections {
		full := join(path, e.name)
		if i > 0 {
			d.faultAt(place{e.key.Line, e.key.Column}, FaultAt{
				Path: full, Problem: "a method is of one kind, and this one is " + m.Kind + " already",
				Remedy: "make it a method of its own, with its own name",
			})
		}
		config := d.newConfig(e.name)
		d.value(e.value, full, reflect.ValueOf(config).Elem(), field{key: e.name})
		if m.Config == nil {
			m.Kind, m.Config = e.name, config
		}
	}
	if len(sections) == 0 {
		d.noKind(rest, path)
	}
	return rest
}

// noKind reports a method without a kind, unless one of its unknown keys is
// meant to be one.
func (d *decoder) noKind(entries []entry, path string) {
	names := kindNames(d.kinds)
	for _, e := range entries {
		if near := nearest(e.name, names); near != "" && e.name != "name" && e.name != "title" {
			full := join(path, shown(e.name))
			d.blamed[full] = true
			d.faultAt(place{e.key.Line, e.key.Column}, FaultAt{
				Path: full, Problem: "unknown kind of method",
				Allowed: strings.Join(sorted(names), ", "), Nearest: near,
				Remedy: "correct it",
			})
			return
		}
	}
	d.faultAt(d.locate(path), FaultAt{
		Path: path, Problem: "the method has no kind",
		Allowed: "one of " + strings.Join(sorted(names), ", "),
		Remedy:  "add the section of its kind below its name",
	})
}

func (d *decoder) newConfig(kind string) authn.MethodConfig {
	i := slices.IndexFunc(d.kinds, func(k Kind) bool { return k.Name == kind })
	return d.kinds[i].New()
}

func kindNames(kinds []Kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}
