package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// Undocumented compares an example file with the structs. It returns one line
// for each key that the example does not hold, and one for each that it holds
// wrongly; nothing when the example is complete.
//
// A line that begins, after its indentation, with # and no space is a setting
// that is off. It counts, and must stand where removing the # makes it valid.
// What a secret or a path refers to need not exist.
func Undocumented(kinds []Kind, example []byte) []string {
	r := newReport("example")
	root := readTree(Uncommented(example), r)
	if root == nil {
		return []string{r.faults().Error()}
	}
	d := &decoder{report: r, kinds: kinds, secrets: reader{dir: "/", blind: true}, used: make(map[fieldOf]bool), budget: maxValues}
	d.file(root, new(File))
	var lines []string
	for _, f := range r.all {
		lines = append(lines, f.String())
	}
	missing := d.unused(reflect.TypeFor[File](), "")
	for _, k := range kinds {
		missing = append(missing, d.unused(reflect.TypeOf(k.New()), "methods[]."+k.Name)...)
	}
	for _, path := range missing {
		lines = append(lines, fmt.Sprintf("%s: is not in the example", path))
	}
	return lines
}

// Uncommented is the example with all settings on that are commented out.
func Uncommented(example []byte) []byte { return off.ReplaceAll(example, []byte("$1$2")) }

var off = regexp.MustCompile(`(?m)^([ \t]*)#([^ \t\r\n#!])`)

// unused are the keys of t, and of the structs in it, that the file did not hold.
func (d *decoder) unused(t reflect.Type, path string) []string {
	switch {
	case isScalar(t):
		return nil
	case t.Kind() == reflect.Pointer:
		return d.unused(t.Elem(), path)
	case t.Kind() == reflect.Slice:
		return d.unused(t.Elem(), path+"[]")
	case t.Kind() == reflect.Map:
		return d.unused(t.Elem(), path+".<name>")
	case t.Kind() != reflect.Struct:
		return nil
	}
	var missing []string
	for _, f := range fieldsOf(t) {
		at := join(path, f.key)
		if !d.used[fieldOf{t, f.key}] {
			missing = append(missing, at)
			continue
		}
		missing = append(missing, d.unused(t.FieldByIndex(f.index).Type, at)...)
	}
	return slices.Clip(missing)
}
