package handoff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grammar is how the fields of a legacy token stand in its plain text.
type grammar struct {
	kind      string // delimited, query, json or fixed
	delimiter string
	fields    []string // ours
	names     []string // the page's, of query and json
	columns   []int
	clock     *clock
}

func newGrammar(r Recipe, c *clock) *grammar {
	g := &grammar{kind: r.Plaintext, delimiter: r.Delimiter, fields: r.Fields, columns: r.Columns, clock: c}
	for _, f := range r.Fields {
		name := r.Names[f]
		if name == "" {
			name = f
		}
		g.names = append(g.names, name)
	}
	return g
}

// read parses a plain text strictly: exactly the configured fields, nothing else.
func (g *grammar) read(plain []byte, now time.Time) (Content, *Reason) {
	values, err := g.split(plain)
	if err != nil {
		return Content{}, &Reason{Code: Field, Err: err}
	}
	c := Content{}
	for i, f := range g.fields {
		v := values[i]
		switch f {
		case fieldTimestamp:
			if c.stamp, err = g.clock.read(v, now); err != nil {
				return Content{}, &Reason{Code: Field, Err: err}
			}
			c.Made = c.stamp.at
		case fieldUser:
			c.User = v
		case fieldName:
			c.Name = v
		case fieldEmail:
			c.Email = v
		case fieldStart:
			c.Start = v
		case fieldAudience:
			c.Audience = []string{v}
		case fieldNonce:
			c.Nonce = v
		default:
			if c.Claims == nil {
				c.Claims = make(map[string]any)
			}
			c.Claims[f] = v
		}
	}
	return c, c.check()
}

// split returns the values in the order of g.fields.
func (g *grammar) split(plain []byte) ([]string, error) {
	text := string(plain)
	switch g.kind {
	case "query":
		return g.splitQuery(text)
	case "json":
		return g.splitJSON(plain)
	case "fixed":
		return g.splitFixed(text)
	}
	values := strings.Split(text, g.delimiter)
	if len(values) != len(g.fields) {
		return nil, fmt.Errorf("%d fields between delimiters, want %d", len(values), len(g.fields))
	}
	return values, nil
}

func (g *grammar) splitQuery(text string) ([]string, error) {
	pairs := strings.Split(text, "&")
	if len(pairs) != len(g.fields) {
		return nil, fmt.Errorf("%d pairs, want %d", len(pairs), len(g.fields))
	}
	values := make([]string, len(g.fields))
	seen := make([]bool, len(g.fields))
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		i := slices.Index(g.names, name)
		v, err := url.QueryUnescape(value)
		if i < 0 || seen[i] || err != nil {
			return nil, fmt.Errorf("a pair is none of the fields, is there twice, or is not percent-encoded")
		}
		values[i], seen[i] = v, true
	}
	return values, nil
}

func (g *grammar) splitJSON(plain []byte) ([]string, error) {
	object, err := readObject(plain)
	if err != nil {
		return nil, fmt.Errorf("the plain text %w", err)
	}
	if len(object) != len(g.fields) {
		return nil, fmt.Errorf("%d fields in the object, want %d", len(object), len(g.fields))
	}
	values := make([]string, len(g.fields))
	for i, name := range g.names {
		v, ok := textOf(object[name])
		if !ok {
			return nil, fmt.Errorf("%s is absent, or neither a text nor a whole number", g.fields[i])
		}
		values[i] = v
	}
	return values, nil
}

func (g *grammar) splitFixed(text string) ([]string, error) {
	var total int
	for _, w := range g.columns {
		total += w
	}
	if len(text) != total {
		return nil, fmt.Errorf("%d bytes, want %d", len(text), total)
	}
	values := make([]string, len(g.fields))
	for i, w := range g.columns {
		values[i] = strings.TrimRight(text[:w], " ")
		text = text[w:]
	}
	return values, nil
}

// write is the inverse of read, for tokens of our own.
func (g *grammar) write(c Content) ([]byte, error) {
	values := make([]string, len(g.fields))
	for i, f := range g.fields {
		values[i] = g.valueOf(f, c)
	}
	switch g.kind {
	case "query":
		var pairs []string
		for i, v := range values {
			pairs = append(pairs, g.names[i]+"="+url.QueryEscape(v))
		}
		return []byte(strings.Join(pairs, "&")), nil
	case "json":
		object := make(map[string]string, len(values))
		for i, v := range values {
			object[g.names[i]] = v
		}
		return marshal(object)
	case "fixed":
		var text string
		for i, v := range values {
			if len(v) > g.columns[i] {
				return nil, fmt.Errorf("%s is longer than its column of %d bytes", g.fields[i], g.columns[i])
			}
			text += v + strings.Repeat(" ", g.columns[i]-len(v))
		}
		return []byte(text), nil
	}
	for i, v := range values {
		if strings.Contains(v, g.delimiter) {
			return nil, fmt.Errorf("%s holds the delimiter %q", g.fields[i], g.delimiter)
		}
	}
	return []byte(strings.Join(values, g.delimiter)), nil
}

func (g *grammar) valueOf(field string, c Content) string {
	switch field {
	case fieldTimestamp:
		return g.clock.write(c.Made)
	case fieldUser:
		return c.User
	case fieldName:
		return c.Name
	case fieldEmail:
		return c.Email
	case fieldStart:
		return c.Start
	case fieldAudience:
		return strings.Join(c.Audience, "")
	case fieldNonce:
		return c.Nonce
	}
	s, _ := textOf(c.Claims[field])
	return s
}

// marshal writes JSON without the escapes that are for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
