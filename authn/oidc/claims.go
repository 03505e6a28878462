package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"foregate/authn"
)

// claims are the members of a JSON object, by exact name.
type claims map[string]any

// parseClaims reads one JSON object in which no name occurs twice: of two nonces
// or subjects, different readers would see different ones.
func parseClaims(body []byte) (claims, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	c := make(claims)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read claims: %w", err)
		}
		key, ok := name.(string)
		if !ok {
			return nil, errors.New("claim without a name")
		}
		if _, twice := c[key]; twice {
			return nil, fmt.Errorf("claim %q occurs twice", authn.CutControl(key, 60))
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("read claims: %w", err)
		}
		c[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more follows the claims")
	}
	return c, nil
}

func (c claims) has(name string) bool {
	_, ok := c[name]
	return ok
}

// text returns a claim that is a string, or "".
func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// at follows a claim path, see Claims. What is null is not there.
func (c claims) at(path string) (any, bool) {
	if pointer, ok := strings.CutPrefix(path, "/"); ok {
		return follow(map[string]any(c), pointer)
	}
	if v, ok := c[path]; ok {
		return v, v != nil
	}
	return descend(map[string]any(c), strings.Split(path, "."))
}

// descend goes down by names, into every element of a list on the way.
func descend(v any, names []string) (any, bool) {
	if len(names) == 0 {
		return v, v != nil
	}
	switch v := v.(type) {
	case map[string]any:
		return descend(v[names[0]], names[1:])
	case []any:
		var found []any
		for _, element := range v {
			if e, ok := descend(element, names); ok {
				found = append(found, e)
			}
		}
		return found, len(found) > 0
	}
	return nil, false
}

// follow resolves a JSON Pointer (RFC 6901) without its first slash.
func follow(v any, pointer string) (any, bool) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for name := range strings.SplitSeq(pointer, "/") {
		name = unescape.Replace(name)
		switch parent := v.(type) {
		case map[string]any:
			v = parent[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, false
			}
			v = parent[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// sources are where claims come from, the most trusted first: the ID token, then
// the userinfo answer.
type sources []claims

func (s sources) at(path string) (any, bool) {
	for _, c := range s {
		if v, ok := c.at(path); ok {
			return v, true
		}
	}
	return nil, false
}

// first returns the first path that leads to a text or a number.
func (s sources) first(paths []string) string {
	for _, p := range paths {
		if v, ok := s.at(p); ok {
			if text, ok := scalar(v); ok && text != "" {
				return text
			}
		}
	}
	return ""
}

// scalar writes a value as text. A number too large to be exact is none: two
// people could become one.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		if math.Abs(v) > 1<<53 {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// texts flattens a text or a list of texts. Anything else is an error, since
// half a list of groups must not pass for the whole.
func texts(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		var all []string
		for _, element := range v {
			more, err := texts(element)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		return all, nil
	}
	return nil, fmt.Errorf("holds a %T where a text is expected", v)
}
