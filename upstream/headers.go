package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"foregate/authn"
)

// AssertionHeader carries the signed assertion.
const AssertionHeader = "X-Foregate-Assertion"

// Headers says which identity headers an application gets.
//
// Preset is "forwarded" (also when empty), "remote", "auth-request" or "none".
// Map adds to it by header name, or says otherwise for a name of the preset.
type Headers struct {
	Preset string
	Map    map[string]Source
}

// Source is what a header is filled from: either a claim or a fixed value.
//
// Claim is user, email, name, groups, roles, preferred_username, subject,
// issuer, method, acr, amr, or any further claim of the identity. Groups, roles,
// amr and other lists are joined with ",". A header whose claim has no value is
// absent. A fixed Value is sent for everybody who is signed in and for nobody
// else, so that an application may take it for proof that somebody is.
type Source struct {
	Claim string
	Value string
}

type header struct {
	name   string // canonical
	source Source
}

func presets() []string { return []string{"forwarded", "remote", "auth-request", "none"} }

func preset(name string) ([]header, bool) {
	six := []string{"User", "Email", "Preferred-Username", "Groups", "Name", "Roles"}
	four := []string{"User", "Email", "Name", "Groups"}
	switch name {
	case "", "forwarded":
		return named("X-Forwarded-", six), true
	case "remote":
		return named("Remote-", four), true
	case "auth-request":
		return named("X-Auth-Request-", six), true
	case "none":
		return []header{}, true
	}
	return []header{}, false
}

func named(prefix string, parts []string) []header {
	list := make([]header, len(parts))
	for i, part := range parts {
		claim := strings.ReplaceAll(strings.ToLower(part), "-", "_")
		list[i] = header{prefix + part, Source{Claim: claim}}
	}
	return list
}

// list returns the preset with the map laid over it, sorted by name.
func (h Headers) list() []header {
	list, _ := preset(h.Preset)
	for name, source := range h.Map {
		list = slices.DeleteFunc(list, func(old header) bool { return sameName(old.name, name) })
		list = append(list, header{http.CanonicalHeaderKey(name), source})
	}
	slices.SortFunc(list, func(a, b header) int { return strings.Compare(a.name, b.name) })
	return list
}

// Names returns the canonical names of all identity headers, sorted.
func (h Headers) Names() []string {
	list := h.list()
	names := make([]string, len(list))
	for i, one := range list {
		names[i] = one.name
	}
	return names
}

// Validate returns nil, or all faults joined, each an *authn.Fault with the path
// "preset", "map.Header" or "map.Header.value".
func (h Headers) Validate() error {
	var faults []error
	fault := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	if _, ok := preset(h.Preset); !ok {
		fault("preset", fmt.Sprintf("there is no preset %q", h.Preset), "write one of "+strings.Join(presets(), ", "))
	}
	seen := make(map[string]string)
	for _, name := range sortedNames(h.Map) {
		path := "map." + name
		if problem := badName(name); problem != "" {
			fault(path, problem, "choose another header name")
			continue
		}
		if first, ok := seen[fold(name)]; ok {
			fault(path, fmt.Sprintf("%q and %q are one header to many applications", first, name), "keep one of them")
		}
		seen[fold(name)] = name
		if source := h.Map[name]; (source.Claim == "") == (source.Value == "") {
			fault(path, "the header needs either a claim or a value", "write {claim: email} or {value: text}")
		} else if encode(source.Value, "") != strings.ReplaceAll(source.Value, "%", "%25") {
			fault(path+".value", "the value has characters that a header cannot carry", "use ASCII, with no space at the ends")
		}
	}
	return errors.Join(faults...)
}

func sortedNames(m map[string]Source) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// isToken reports whether s may be a field name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// badName says why a header cannot carry identity, or "".
func badName(name string) string {
	switch {
	case !isToken(name) || fold(name) == "":
		return fmt.Sprintf("%q is not a header name", name)
	case len(name) > maxName:
		return fmt.Sprintf("header name %q is longer than %d characters", name, maxName)
	}
	for _, taken := range []string{
		"Host", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Content-Type", "Expect", "Cookie", "Set-Cookie", "Accept-Encoding",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id", "Forwarded",
		AssertionHeader,
	} {
		if sameName(name, taken) {
			return fmt.Sprintf("%q has a meaning of its own", name)
		}
	}
	return ""
}
