package pages

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// Fault is what is wrong with a template.
type Fault struct {
	File         string // its name in the folder
	Line, Column int    // from 1; 0: unknown
	Problem      string
	Unknown      string   // a name that there is not; may be empty
	Known        []string // those that there are in its place
}

func (f *Fault) Error() string {
	at := f.File
	for _, n := range []int{f.Line, f.Column} {
		if n > 0 {
			at += ":" + strconv.Itoa(n)
		}
	}
	return at + ": " + f.Problem
}

var (
	placed      = regexp.MustCompile(`(?s)(?:html/)?template: ?([^: ]+):(\d+)(?::(\d+))?: (.*)$`)
	noField     = regexp.MustCompile(`at <([^>]*)>: can't evaluate field (\w+) in type \*?([\w.]+)`)
	noFunction  = regexp.MustCompile(`function "(\w+)" not defined`)
	nameOfThere = regexp.MustCompile(`executing "[^"]*" `)
)

// faultOf reads the words of html/template, which has no others.
func faultOf(err error, page Page) error {
	m := placed.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	f := &Fault{File: m[1], Problem: nameOfThere.ReplaceAllString(m[4], "")}
	f.Line, _ = strconv.Atoi(m[2])
	f.Column, _ = strconv.Atoi(m[3])
	if f.Column > 0 {
		f.Column++ // from 0 there
	}
	if m := noField.FindStringSubmatch(f.Problem); m != nil {
		kind := m[3]
		if kind == reflect.TypeFor[Page]().String() {
			kind = reflect.TypeOf(page).String()
		}
		f.Problem, f.Unknown, f.Known = fmt.Sprintf("%s has no variable %s", kind, m[2]), m[2], fieldsOf(kind)
	} else if m := noFunction.FindStringSubmatch(f.Problem); m != nil {
		f.Problem, f.Unknown = fmt.Sprintf("there is no function %s", m[1]), m[1]
		f.Known = slices.Sorted(maps.Keys((&tongue{}).funcs()))
	}
	return f
}

// fieldsOf are the names in a type that a template meets, "pages.Chooser".
func fieldsOf(name string) []string {
	seen := make(map[reflect.Type]bool)
	types := append(samples(), reflect.TypeFor[view](), reflect.TypeFor[formView](), reflect.TypeFor[input]())
	for len(types) > 0 {
		t := types[0]
		types = types[1:]
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			continue
		}
		seen[t] = true
		var fields []string
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() {
				fields = append(fields, f.Name)
				types = append(types, f.Type)
			}
		}
		if t.String() == name {
			return fields
		}
	}
	return nil
}
