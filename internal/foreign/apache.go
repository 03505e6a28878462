package foreign

import (
	"fmt"
	"slices"
	"strings"
)

// directive is a line of an Apache configuration; a section has its lines in inner.
type directive struct {
	name  string // lower case; of a section with < in front
	args  []string
	line  int
	inner []*directive
}

func (d *directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

// as is a directive as a setting, for notes.
func (d *directive) as() setting {
	name := strings.TrimPrefix(d.name, "<")
	if known, ok := spelling[name]; ok {
		name = known
	}
	return setting{name, d.line, d.args}
}

const nestedMost = 20

// readApache reads the text of an Apache configuration. What a condition may leave out
// (IfModule, IfDefine, IfVersion) is read as if it were there.
func readApache(text []byte) ([]*directive, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("larger than %d bytes", maxSize)
	}
	root := &directive{}
	open := []*directive{root}
	for _, l := range apacheLines(string(text)) {
		top := open[len(open)-1]
		switch {
		case strings.HasPrefix(l.text, "</"):
			name := strings.ToLower(strings.TrimRight(strings.TrimPrefix(l.text, "</"), "> \t"))
			if len(open) == 1 || top.name != "<"+name {
				return nil, fmt.Errorf("line %d: </%s> closes nothing that is open", l.line, clean(name))
			}
			open = open[:len(open)-1]
		case strings.HasPrefix(l.text, "<"):
			words := apacheWords(strings.TrimSuffix(strings.TrimSpace(l.text[1:]), ">"))
			if len(words) == 0 {
				return nil, fmt.Errorf("line %d: a section without a name", l.line)
			}
			if len(open) > nestedMost {
				return nil, fmt.Errorf("line %d: too many sections in sections", l.line)
			}
			d := &directive{name: "<" + strings.ToLower(words[0]), args: words[1:], line: l.line}
			top.inner = append(top.inner, d)
			open = append(open, d)
		default:
			if words := apacheWords(l.text); len(words) > 0 {
				top.inner = append(top.inner, &directive{name: strings.ToLower(words[0]), args: words[1:], line: l.line})
			}
		}
	}
	if len(open) > 1 {
		return nil, fmt.Errorf("line %d: %s> is never closed", open[len(open)-1].line, clean(open[len(open)-1].name))
	}
	return unconditional(root.inner), nil
}

// unconditional takes the directives out of sections that only ask a question.
func unconditional(list []*directive) []*directive {
	var all []*directive
	for _, d := range list {
		d.inner = unconditional(d.inner)
		if slices.Contains([]string{"<ifmodule", "<ifdefine", "<ifversion", "<iffile", "<ifdirective"}, d.name) {
			all = append(all, d.inner...)
			continue
		}
		all = append(all, d)
	}
	return all
}

// apacheLines joins lines that end with a backslash, and leaves out comments.
func apacheLines(text string) []word {
	var all []word
	n, began, joined := 0, 0, ""
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if joined == "" {
			began = n
		}
		if cut, ok := strings.CutSuffix(line, `\`); ok {
			joined += cut + " "
			continue
		}
		whole := strings.TrimSpace(joined + line)
		joined = ""
		if whole != "" && whole[0] != '#' {
			all = append(all, word{whole, began})
		}
	}
	if whole := strings.TrimSpace(joined); whole != "" && whole[0] != '#' {
		all = append(all, word{whole, began})
	}
	return all
}

// apacheWords takes a line apart: quotes hold words together, a backslash holds a quote.
func apacheWords(line string) []string {
	var all []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		quote := line[0]
		if quote != '"' && quote != '\'' {
			end := strings.IndexAny(line, " \t")
			if end < 0 {
				end = len(line)
			}
			all, line = append(all, line[:end]), line[end:]
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(line) && line[i] != quote; i++ {
			if line[i] == '\\' && i+1 < len(line) && (line[i+1] == quote || line[i+1] == '\\') {
				i++
			}
			b.WriteByte(line[i])
		}
		all = append(all, b.String())
		line = line[min(i+1, len(line)):]
	}
	return all
}
