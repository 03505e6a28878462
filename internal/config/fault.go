package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foregate/authn"
)

// Faults is everything that is wrong with a file, in the order of the file.
type Faults struct{ All []FaultAt }

// Error prints one fault per line.
func (f *Faults) Error() string {
	lines := make([]string, len(f.All))
	for i, fault := range f.All {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// FaultAt is one fault and where it stands. Line and Column count from 1, the
// column in characters. It never holds the value of a secret.
type FaultAt struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`              // the key: "apps[0].hosts[1]"; empty for the file as a whole
	Problem string `json:"problem"`           // what is wrong
	Found   string `json:"found,omitempty"`   // what stands there, if that may be shown
	Allowed string `json:"allowed,omitempty"` // what may stand there
	Nearest string `json:"nearest,omitempty"` // the right word that looks most like what was found
	Remedy  string `json:"remedy,omitempty"`  // what to do
}

// String is one line:
// file:line:column: path: problem (found …; allowed …); remedy — did you mean "nearest"?
func (f FaultAt) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Problem)
	var seen []string
	if f.Found != "" {
		seen = append(seen, "found "+f.Found)
	}
	if f.Allowed != "" {
		seen = append(seen, "allowed "+f.Allowed)
	}
	if len(seen) > 0 {
		b.WriteString(" (" + strings.Join(seen, "; ") + ")")
	}
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	if f.Nearest != "" {
		fmt.Fprintf(&b, " — did you mean %q?", f.Nearest)
	}
	return b.String()
}

// place is where something stands in the file, counted from 1.
type place struct{ line, column int }

// report collects what is wrong and knows where each key stands.
type report struct {
	name     string
	places   map[string]place // by path
	blamed   map[string]bool  // paths that have a fault already
	all      []FaultAt
	warnings []FaultAt
}

func newReport(name string) *report {
	return &report{
		name:   name,
		places: map[string]place{"": {1, 1}},
		blamed: make(map[string]bool),
	}
}

// fault reports a fault of the key at path, at the place of the key or, when it
// is not in the file, of its nearest existing parent. A key that is at fault
// already, or lies within one, is not blamed twice: the second message would
// only follow from the first.
func (r *report) fault(path string, f FaultAt) {
	if r.faulty(path) {
		return
	}
	f.Path = path
	r.blamed[path] = true
	r.faultAt(r.locate(path), f)
}

// faultAt reports a fault at a place of its own.
func (r *report) faultAt(at place, f FaultAt) {
	f.File, f.Line, f.Column = r.name, at.line, at.column
	r.all = append(r.all, f)
}

// warn notes what is allowed but should be known at every start.
func (r *report) warn(path, problem, remedy string) {
	at := r.locate(path)
	r.warnings = append(r.warnings, FaultAt{
		File: r.name, Line: at.line, Column: at.column,
		Path: path, Problem: problem, Remedy: remedy,
	})
}

// validated reports what a method's Validate returned about the section at path.
func (r *report) validated(path string, err error) {
	if err == nil {
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			r.validated(path, one)
		}
		return
	}
	fault := new(authn.Fault)
	if !errors.As(err, &fault) {
		fault = &authn.Fault{Problem: err.Error()}
	}
	r.fault(join(path, fault.Path), FaultAt{Problem: fault.Problem, Remedy: fault.Remedy})
}

// faulty reports whether the key at path, or one that it lies within, has a fault.
func (r *report) faulty(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.blamed[path] {
			return true
		}
	}
	return false
}

func (r *report) locate(path string) place {
	for {
		if at, ok := r.places[path]; ok {
			return at
		}
		path = parent(path)
	}
}

func (r *report) faults() error {
	if len(r.all) == 0 {
		return nil
	}
	sortByPlace(r.all)
	return &Faults{All: r.all}
}

func (r *report) sortedWarnings() []FaultAt {
	sortByPlace(r.warnings)
	return r.warnings
}

func sortByPlace(list []FaultAt) {
	slices.SortStableFunc(list, func(a, b FaultAt) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// join appends a key or a path to a path.
func join(path, key string) string {
	if path == "" || key == "" || key[0] == '[' {
		return path + key
	}
	return path + "." + key
}

// item is the path of a list's item.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent cuts the last key or index off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
