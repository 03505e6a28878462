package scim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody     = 1 << 20
	maxPage     = 200 // resources of a page
	defaultPage = 100
)

// read decodes the body, which must be one JSON object.
func (c *call) read() (map[string]any, error) {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != contentType && kind != "application/json" {
		return nil, &problem{status: http.StatusUnsupportedMediaType, detail: "Send JSON, with Content-Type: " + contentType + "."}
	}
	d := json.NewDecoder(c.r.Body)
	d.UseNumber()
	var doc map[string]any
	err = d.Decode(&doc)
	if err == nil && doc != nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return doc, nil
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, err
	}
	return nil, wrong(invalidSyntax, "The body is not one JSON object.")
}

// paging is which part of a list is asked for (RFC 7644, section 3.4.2.4).
type paging struct{ start, count int } // start is 1 or more

func (c *call) paging() (paging, error) {
	p := paging{start: 1, count: defaultPage}
	for name, value := range map[string]*int{"startIndex": &p.start, "count": &p.count} {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return p, wrong(invalidValue, "%s is not a number.", name)
		}
		*value = int(n)
	}
	return paging{start: max(p.start, 1), count: min(max(p.count, 0), maxPage)}, nil
}

// version is the entity tag of what was changed at a time. It is weak: two changes in
// one millisecond have the same.
func version(changed time.Time) string {
	return `W/"` + strconv.FormatInt(changed.UnixMilli(), 10) + `"`
}

// unmodified reports whether the client knows this version already.
func (c *call) unmodified(changed time.Time) bool {
	return c.r.Header.Get("If-None-Match") != "" && c.names("If-None-Match", changed)
}

// expected refuses to change another version than the client has seen (RFC 7644,
// section 3.14).
func (c *call) expected(changed time.Time) error {
	if c.r.Header.Get("If-Match") == "" || c.names("If-Match", changed) {
		return nil
	}
	return &problem{status: http.StatusPreconditionFailed, detail: "It has been changed meanwhile. Read it again."}
}

func (c *call) names(header string, changed time.Time) bool {
	for tag := range strings.SplitSeq(c.r.Header.Get(header), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == version(changed) {
			return true
		}
	}
	return false
}

// projected leaves of a document what the client wants of it (RFC 7644, section 3.9).
func (c *call) projected(doc map[string]any) map[string]any {
	only, without := c.wanted("attributes"), c.wanted("excludedAttributes")
	if len(only) > 0 {
		out := map[string]any{"id": doc["id"], "schemas": doc["schemas"]}
		for _, name := range only {
			pick(doc, out, name)
		}
		return out
	}
	for _, name := range without {
		drop(doc, name)
	}
	return doc
}

func (c *call) wanted(param string) []string {
	var names []string
	for name := range strings.SplitSeq(c.r.URL.Query().Get(param), ",") {
		name = strings.TrimSpace(name)
		for _, res := range []resource{c.user, c.group} {
			if rest, found := cutFold(name, res.core.ID+":"); found {
				name = rest
			}
		}
		if name != "" && len(names) < 64 {
			names = append(names, name)
		}
	}
	return names
}

// leavesOut reports whether an attribute, which is costly to look up, is not wanted.
func (c *call) leavesOut(attribute string) bool {
	only := c.wanted("attributes")
	for _, name := range only {
		if first, _, _ := strings.Cut(name, "."); strings.EqualFold(first, attribute) {
			return false
		}
	}
	for _, name := range c.wanted("excludedAttributes") {
		if strings.EqualFold(name, attribute) {
			return true
		}
	}
	return len(only) > 0
}

// pick copies an attribute, or a part of one, from doc to out.
func pick(doc, out map[string]any, name string) {
	if key, inner, part := split(doc, name); key != "" {
		holder, nested := doc[key].(map[string]any)
		if part == "" || !nested {
			out[key] = doc[key]
			return
		}
		if inner != "" {
			into, _ := out[key].(map[string]any)
			if into == nil {
				into = make(map[string]any)
				out[key] = into
			}
			into[inner] = holder[inner]
		}
	}
}

// drop takes an attribute, or a part of one, out of doc. What is always returned stays.
func drop(doc map[string]any, name string) {
	key, inner, part := split(doc, name)
	switch holder, nested := doc[key].(map[string]any); {
	case key == "" || key == "id" || key == "schemas":
	case part == "":
		delete(doc, key)
	case nested && inner != "":
		delete(holder, inner)
	}
}

// split finds the key of doc that a name means in any spelling, and the key within it;
// part is what the name says of that.
func split(doc map[string]any, name string) (key, inner, part string) {
	for k := range doc {
		rest, found := cutFold(name, k)
		if !found || rest != "" && rest[0] != '.' && rest[0] != ':' {
			continue
		}
		key, part = k, strings.TrimLeft(rest, ".:")
		holder, _ := doc[k].(map[string]any)
		for i := range holder {
			if strings.EqualFold(i, part) {
				inner = i
			}
		}
		return key, inner, part
	}
	return "", "", ""
}

func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}
