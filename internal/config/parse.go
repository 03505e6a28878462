package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	maxBytes  = 1 << 20 // of a configuration file
	maxValues = 50_000  // in a file whose aliases are written out
	maxPath   = 1024    // bytes of a key with all that it lies within
)

// readTree turns the text into the root mapping, or reports why it cannot and
// returns nil.
func readTree(data []byte, r *report) *yaml.Node {
	if at, fault := unreadable(data); fault != nil {
		r.faultAt(at, *fault)
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		r.faultAt(syntaxFault(data, err))
		return nil
	}
	if len(docs) > 1 {
		r.faultAt(place{docs[1].Line, docs[1].Column}, FaultAt{
			Problem: "a second document begins here",
			Remedy:  "keep one document: remove the line --- and what does not belong to it",
		})
		return nil
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || isNull(docs[0].Content[0]) {
		r.faultAt(place{1, 1}, *emptyFile())
		return nil
	}
	root := docs[0].Content[0]
	if root.Kind != yaml.MappingNode {
		r.faultAt(place{root.Line, root.Column}, FaultAt{
			Problem: "is not a configuration",
			Found:   kindOf(root), Allowed: "a map of keys at the top",
			Remedy: "start from config.example.yaml",
		})
		return nil
	}
	return root
}

func emptyFile() *FaultAt {
	return &FaultAt{Problem: "the file is empty", Remedy: "start from config.example.yaml"}
}

// unreadable finds what is wrong with the bytes, before YAML looks at them.
func unreadable(data []byte) (place, *FaultAt) {
	if len(data) > maxBytes {
		return place{1, 1}, &FaultAt{
			Problem: "the file is too large",
			Found:   fmt.Sprintf("%d bytes", len(data)), Allowed: fmt.Sprintf("%d bytes", maxBytes),
			Remedy: "look whether this is the right file",
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return place{1, 1}, emptyFile()
	}
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 {
			return placeOf(data, i), &FaultAt{Problem: "the text is not UTF-8", Remedy: "save the file as UTF-8"}
		}
		if c == 0x7f || c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return placeOf(data, i), &FaultAt{
				Problem: "a control character is not allowed",
				Found:   fmt.Sprintf("U+%04X", c),
				Remedy:  `remove it, or write it as an escape in double quotes`,
			}
		}
		i += size
	}
	return place{}, nil
}

// syntaxFault says in plain words what the YAML parser met. The parser's own
// text is used only where it cannot quote the file: an unquoted password that
// begins with * is an alias to it, and stands in the message.
func syntaxFault(data []byte, err error) (place, FaultAt) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return place{1, 1}, FaultAt{Problem: "is not YAML", Remedy: "start from config.example.yaml"}
	}
	at := place{max(1, load.Mark.Line), max(1, load.Mark.Column)}
	line := lineAt(data, at.line)
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	switch {
	case strings.Contains(indent, "\t"):
		return at, FaultAt{Problem: "a tab cannot indent", Remedy: "indent with spaces"}
	case strings.HasPrefix(load.Message, "unknown anchor"):
		return at, FaultAt{
			Problem: "a value that begins with * refers to an anchor, and there is none of that name",
			Remedy:  "put the value into quotes if the * belongs to it",
		}
	case strings.Contains(load.Message, "cannot start any token"):
		return at, FaultAt{
			Problem: "a value cannot begin with this character",
			Remedy:  "put the value into quotes",
		}
	case strings.Contains(load.Message, "mapping values are not allowed"):
		return at, FaultAt{
			Problem: "a colon is not allowed here",
			Remedy:  "put a value that holds a colon and a space into quotes, or indent the line like those above it",
		}
	case strings.Contains(load.Message, "max depth"):
		return at, FaultAt{Problem: "brackets are nested too deeply", Remedy: "look whether one is not closed"}
	case strings.ContainsAny(load.Message, `"`) || load.Stage == yaml.ComposerStage:
		return at, FaultAt{Problem: "is not YAML", Remedy: "look at this line and the one above it"}
	}
	return at, FaultAt{
		Problem: "is not YAML: " + load.Message,
		Remedy:  "look at this line and the one above it: its indentation, quotes and brackets",
	}
}

func placeOf(data []byte, offset int) place {
	before := data[:offset]
	line := 1 + bytes.Count(before, []byte("\n"))
	start := 1 + bytes.LastIndexByte(before, '\n')
	return place{line, 1 + utf8.RuneCount(before[start:])}
}

func lineAt(data []byte, line int) string {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	return string(first)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindOf names a node for people, without its content.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "a number"
	case n.ShortTag() == "!!bool":
		return "true or false"
	}
	return "a text"
}
