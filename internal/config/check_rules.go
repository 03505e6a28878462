package config

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func (c *checker) rules(path string, a *App) {
	for i := range a.Rules {
		at := item(path, i)
		rule := &a.Rules[i]
		c.rulePath(join(at, "path"), rule.Path)
		c.httpMethods(join(at, "http_methods"), rule.HTTPMethods)
		c.methodNames(join(at, "methods"), rule.Methods, append(slices.Clone(a.Methods), c.file.Guests(a)...))
		c.conditions(at, rule)
		c.reachable(path, a.Rules, i)
	}
}

func (c *checker) rulePath(path, text string) {
	if text == "" {
		return
	}
	fault := FaultAt{Found: quoted(text), Allowed: "/x for one page, /x/** for it and all below, * within a segment"}
	switch {
	case text[0] != '/':
		fault.Problem = "does not begin with a slash, so it would match nothing"
		fault.Remedy = "write /" + shown(strings.TrimPrefix(text, "^"))
	case strings.ContainsAny(text, "?#;"):
		fault.Problem = "holds a query, a fragment or a parameter, and a rule sees only the path"
		fault.Remedy = "leave out what follows ? # or ;"
	case strings.ContainsAny(text, `%\`):
		fault.Problem = "is not in plain form"
		fault.Remedy = "write the characters themselves instead of % escapes, and / instead of \\"
	case !canonicalPath(text):
		fault.Problem = "is never the path of a request"
		fault.Remedy = "remove empty segments, . and .."
	case !wildcards(text):
		fault.Problem = "has ** within a segment"
		fault.Remedy = "write * within a segment, and ** as a segment of its own"
	default:
		return
	}
	c.fault(path, fault)
}

func canonicalPath(p string) bool {
	segments := strings.Split(p[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return false
		}
	}
	return true
}

// wildcards reports whether ** stands only as a whole segment.
func wildcards(p string) bool {
	for s := range strings.SplitSeq(p, "/") {
		if strings.Contains(s, "**") && s != "**" {
			return false
		}
	}
	return true
}

func (c *checker) httpMethods(path string, methods []string) {
	for i, m := range methods {
		fault := FaultAt{Found: quoted(m), Allowed: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or another name in capitals"}
		switch {
		case m == http.MethodConnect || m == http.MethodTrace:
			fault.Problem = "is never passed on"
			fault.Remedy = "remove it"
		case slices.Contains(methods[:i], m):
			fault.Problem = "is listed twice"
			fault.Remedy = "remove one of the two"
		case !verb.MatchString(m):
			fault.Problem = "is not an HTTP method"
			fault.Remedy = "write it in capitals"
			if upper := strings.ToUpper(m); verb.MatchString(upper) {
				fault.Remedy = "write " + upper
			}
		default:
			continue
		}
		c.fault(item(path, i), fault)
	}
}

var verb = regexp.MustCompile(`^[A-Z][A-Z-]{1,31}$`)

// conditions reports those that could never matter. With allow: anyone, people
// who are not in the networks are let in by the other conditions.
func (c *checker) conditions(path string, r *Rule) {
	useless := func(key string, n int) {
		if n == 0 || r.Allow == "signed_in" || r.Allow == "anyone" && len(r.Networks) > 0 {
			return
		}
		c.fault(join(path, key), FaultAt{
			Problem: "has no effect with allow: " + r.Allow,
			Remedy:  "write allow: signed_in, or remove " + key,
		})
	}
	useless("groups", len(r.Groups))
	useless("users", len(r.Users))
	useless("methods", len(r.Methods))
	useless("networks", len(r.Networks))
	for key, list := range map[string][]string{"groups": r.Groups, "users": r.Users} {
		for i, name := range list {
			if name == "" {
				c.fault(item(join(path, key), i), FaultAt{Problem: "is empty", Remedy: "write a name, or remove it"})
			}
		}
	}
}

// reachable reports a rule that an earlier one leaves nothing for.
func (c *checker) reachable(path string, rules []Rule, i int) {
	for j := range i {
		if covers(&rules[j], &rules[i]) {
			c.fault(item(path, i), FaultAt{
				Problem: fmt.Sprintf("is never reached: the rule in line %d decides first", c.locate(item(path, j)).line),
				Remedy:  "move it above that rule, or remove it",
			})
			return
		}
	}
}

// covers reports whether every request that b matches is matched by a.
func covers(a, b *Rule) bool {
	if len(a.HTTPMethods) > 0 {
		if len(b.HTTPMethods) == 0 {
			return false
		}
		for _, m := range b.HTTPMethods {
			if !slices.Contains(a.HTTPMethods, m) {
				return false
			}
		}
	}
	return pathCovers(a.Path, b.Path)
}

// pathCovers compares patterns segment by segment. It says no where it would
// have to think: about ** before the end, and about * within a segment.
func pathCovers(a, b string) bool {
	if a == "" || a == "/**" || a == b {
		return true
	}
	if b == "" {
		return false
	}
	as, bs := strings.Split(strings.Trim(a, "/"), "/"), strings.Split(strings.Trim(b, "/"), "/")
	for i, s := range as {
		switch {
		case s == "**":
			return i == len(as)-1
		case i >= len(bs):
			return false
		case s == bs[i] || s == "*" && bs[i] != "" && bs[i] != "**":
		default:
			return false
		}
	}
	return len(as) == len(bs)
}
