// Package config reads foregate.yaml: strictly, and with every fault at once.
//
// The text becomes a tree of YAML nodes (parse.go). One walk over the tree and
// the Go structs together fills File and remembers where each key stands
// (decode.go, kind.go, scalar.go, secret.go); the methods' own Config structs go through
// the same walk, by the same struct tags. Then the sections are checked against
// each other (check*.go, risk.go). What is wrong is collected in a report, which turns a
// key's path into file:line:column (fault.go). The JSON Schema (schema.go) and
// the test of config.example.yaml (example.go) read the same structs.
//
// The struct tags are:
//
//	yaml      the key
//	default   the value when the key is absent, as it would stand in YAML
//	doc       one plain sentence for editors
//	required  "true": absent or empty is a fault
//	enum      the allowed texts, "a|b"; of a list, of each item
//	min, max  bounds of a number or a duration, inclusive
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"foregate/authn"
)

// Kind is one kind of sign-in method: the key that its section has in the file
// ("oidc"), and its configuration, which New returns empty.
type Kind struct {
	Name string
	New  func() authn.MethodConfig
}

// Load reads and checks the file at path. Relative paths in it are relative to
// its folder. What is wrong with the content is a *Faults that holds every
// fault; a file that cannot be read is the error of os.ReadFile, wrapped.
func Load(path string, kinds []Kind) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config: find %s: %w", path, err)
	}
	data, err := os.ReadFile(abs)
	if err != nil {
		return nil, fmt.Errorf("config: read %s: %w", path, err)
	}
	return Parse(path, data, filepath.Dir(abs), kinds)
}

// Parse is Load for text that was read already. The name is only for messages;
// dir, an absolute path, is what relative paths are relative to.
func Parse(name string, data []byte, dir string, kinds []Kind) (*File, error) {
	r := newReport(name)
	root := readTree(data, r)
	if root == nil {
		return nil, r.faults()
	}
	file := new(File)
	d := &decoder{report: r, kinds: kinds, secrets: reader{dir: dir}, used: make(map[fieldOf]bool), budget: maxValues}
	d.file(root, file)
	check(file, kinds, r)
	if err := r.faults(); err != nil {
		return nil, err
	}
	file.Warnings = r.sortedWarnings()
	file.Files = slices.DeleteFunc(append(d.named, file.Files...), file.watchedBy)
	return file, nil
}

// watchful is a method's configuration whose method looks by itself at some of the files
// that it names: a change of one is no reason to open everything anew.
type watchful interface{ Watches() []authn.Path }

func (f *File) watchedBy(name string) bool {
	return slices.ContainsFunc(f.Methods, func(m Method) bool {
		w, ok := m.Config.(watchful)
		return ok && slices.Contains(w.Watches(), authn.Path(name))
	})
}
