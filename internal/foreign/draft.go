// Package foreign reads the configuration of other gateways and drafts one of
// Foregate's that does the same.
//
// oauth2-proxy's comes in four shapes (shapes.go), which become one list of settings;
// oauth2proxy.go turns each into ours. mod_auth_openidc's is Apache's
// (apache.go, directives.go). What cannot be carried over is never dropped in silence: it is
// in Missing, what must be looked at in Check. A setting that keeps people out and has
// no counterpart leaves them out: a draft lets in nobody whom the original did not.
//
// No secret of the original gets into a draft: where one stood there is a reference
// to an environment variable, and Secrets says which.
package foreign

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Draft is a configuration of Foregate, and what a person must know of it.
type Draft struct {
	YAML    []byte
	Missing []Note   // has no counterpart
	Check   []Note   // was carried over, and must be looked at
	Secrets []Secret // that are to be put where the draft expects them
}

// Note is about one setting of the original.
type Note struct {
	Setting string
	Line    int // 0: not known
	Text    string
}

func (n Note) String() string {
	if n.Line == 0 {
		return n.Setting + ": " + n.Text
	}
	return fmt.Sprintf("line %d: %s: %s", n.Line, n.Setting, n.Text)
}

// nameOf is a setting's name, unless it is none: what stands in its place by mistake
// may be a secret.
func nameOf(s setting) string {
	if !settingText.MatchString(s.name) {
		return "a setting whose name cannot be read"
	}
	return s.name
}

var settingText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\[\]/* -]{0,79}$`)

// Secret is a value of the original that the draft refers to by Env.
type Secret struct {
	Setting string
	Env     string
}

// NewSecret is the Setting of a Secret that the original has none of: the command
// that makes one.
const NewSecret = "foregate keys new"

const maxSize = 1 << 20

// app, method and rule are what both originals have in common.
type app struct {
	name     string
	hosts    []string
	upstream string
	branches []branch
	ca       string
	timeout  string
	host     string
	rules    []rule
	preset   string
	headers  fields
	returns  []string
	page     fields
}

// branch is a part of an application that listens somewhere else.
type branch struct{ path, address, rewrite string }

type rule struct {
	path     string
	verbs    []string
	allow    string
	groups   []string
	users    []string
	networks []string
}

// work is a draft in the making.
type work struct {
	Draft
	listen, tls, storage, redis, session, cookie fields
	trusted                                      []string
	method, claims, admit                        fields
	methodName, title, kind                      string
	apps                                         []app
}

func (w *work) missing(s setting, text string) {
	w.Missing = append(w.Missing, Note{nameOf(s), s.line, text})
}

func (w *work) check(s setting, text string) {
	w.Check = append(w.Check, Note{nameOf(s), s.line, text})
}

// copy takes a value as it is. An address with a password in it is not one.
func (w *work) copy(s setting, key, value string) {
	if strings.Contains(value, "://") && strings.Contains(value, "@") {
		w.missing(s, "an address with a user name or a password in it: write it without")
		return
	}
	w.method.put(key, value)
}

// secret is a reference to a value that a person must put into the environment.
func (w *work) secret(s setting, env string) *yaml.Node {
	for _, known := range w.Secrets {
		if known.Env == env {
			return ref("env", env)
		}
	}
	w.Secrets = append(w.Secrets, Secret{nameOf(s), env})
	return ref("env", env)
}

// finish writes the draft down.
func (w *work) finish() (*Draft, error) {
	root := fields{}
	root.put("listen", w.listen)
	root.put("tls", w.tls)
	root.put("trusted_proxies", w.trusted)
	w.storage.put("redis", w.redis)
	if len(w.redis) > 0 { // replicas need the same one
		w.session.put("secrets", &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{w.secret(setting{name: NewSecret}, "FOREGATE_SESSION_SECRET")}})
	}
	root.put("storage", w.storage)
	w.session.put("cookie", w.cookie)
	root.put("session", w.session)
	m := fields{}
	m.put("name", w.methodName)
	m.put("title", w.title)
	w.method.put("claims", w.claims)
	if w.kind == "local" {
		m = append(m, field{"local", yamlMap(nil)})
	} else {
		m.put(w.kind, w.method)
	}
	m.put("admit", w.admit)
	root.put("methods", []fields{m})
	var apps []fields
	for _, a := range w.apps {
		apps = append(apps, a.fields(w.methodName))
	}
	root.put("apps", apps)
	text, err := yaml.Dump(yamlMap(root))
	if err != nil {
		return nil, fmt.Errorf("foreign: write the draft: %w", err)
	}
	w.YAML = text
	return &w.Draft, nil
}

func (a app) fields(method string) fields {
	var f, up, headers fields
	f.put("name", a.name)
	f.put("hosts", a.hosts)
	up.put("url", a.upstream)
	if strings.HasPrefix(a.upstream, "https:") {
		up.put("ca", a.ca)
	}
	up.put("host", a.host)
	up.put("response_timeout", a.timeout)
	f.put("upstream", up)
	var branches []fields
	for _, b := range a.branches {
		var one fields
		one.put("path", b.path)
		one.put("url", b.address)
		one.put("rewrite", b.rewrite)
		if strings.HasPrefix(b.address, "https:") {
			one.put("ca", a.ca)
		}
		one.put("response_timeout", a.timeout)
		branches = append(branches, one)
	}
	f.put("upstreams", branches)
	f.put("methods", []string{method})
	var rules []fields
	for _, r := range a.rules {
		var one fields
		one.put("path", r.path)
		one.put("http_methods", r.verbs)
		one.put("allow", r.allow)
		one.put("groups", r.groups)
		one.put("users", r.users)
		one.put("networks", r.networks)
		rules = append(rules, one)
	}
	f.put("rules", rules)
	headers.put("preset", a.preset)
	headers.put("map", a.headers)
	f.put("headers", headers)
	f.put("return_hosts", a.returns)
	f.put("page", a.page)
	return f
}

// field is a key with its value; fields keep their order.
type field struct {
	key   string
	value *yaml.Node
}

type fields []field

// put adds a key, unless its value is empty.
func (f *fields) put(key string, value any) {
	var n *yaml.Node
	switch v := value.(type) {
	case *yaml.Node:
		n = v
	case string:
		if v == "" {
			return
		}
		n = yamlText(v)
	case bool:
		n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(v)}
	case int:
		n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(v)}
	case []string:
		if len(v) == 0 {
			return
		}
		n = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, yamlText(s))
		}
	case fields:
		if len(v) == 0 {
			return
		}
		n = yamlMap(v)
	case []fields:
		if len(v) == 0 {
			return
		}
		n = &yaml.Node{Kind: yaml.SequenceNode}
		for _, one := range v {
			n.Content = append(n.Content, yamlMap(one))
		}
	}
	for i := range *f {
		if (*f)[i].key == key { // the last one counts, as in the originals
			(*f)[i].value = n
			return
		}
	}
	*f = append(*f, field{key, n})
}

func (f fields) has(key string) bool {
	for _, one := range f {
		if one.key == key {
			return true
		}
	}
	return false
}

func yamlText(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func yamlMap(f fields) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if len(f) == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, one := range f {
		n.Content = append(n.Content, yamlText(one.key), one.value)
	}
	return n
}

// ref is {file: path} or {env: NAME}.
func ref(kind, value string) *yaml.Node {
	n := yamlMap(fields{{kind, yamlText(value)}})
	n.Style = yaml.FlowStyle
	return n
}

var hostText = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// hostOf is the host of an address, or "".
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	h := strings.ToLower(u.Host)
	if name, port, err := net.SplitHostPort(h); err == nil && (port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http") {
		h = name
	}
	if !hostText.MatchString(h) {
		return ""
	}
	return h
}

// upstreamOf is an address that can be an upstream's, or "".
func upstreamOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	return strings.TrimSuffix(u.String(), "/")
}

// branchOf is a part of an application below path, or false where that cannot be said
// so, or is taken.
func (a *app) branchOf(path, address, rewrite string) bool {
	path, rewrite = strings.TrimSuffix(path, "/"), strings.TrimSuffix(rewrite, "/")
	address = upstreamOf(address)
	taken := slices.ContainsFunc(a.branches, func(b branch) bool { return b.path == path })
	if path == "" || taken || address == "" || !rulePath.MatchString(path) || strings.Contains(path+rewrite, "*") || rewrite != "" && !rulePath.MatchString(rewrite) {
		return false
	}
	if rewrite == path {
		rewrite = ""
	}
	a.branches = append(a.branches, branch{path, address, rewrite})
	return true
}

// plainPath turns the commonest regular expressions for paths into a path of a rule.
// Of others it says no: a wider rule would let people in.
func plainPath(expression string) (string, bool) {
	s, anchored := strings.CutPrefix(expression, "^")
	if !anchored || !strings.HasPrefix(s, "/") {
		return "", false
	}
	below := true
	if cut, ok := strings.CutSuffix(s, "$"); ok {
		s, below = cut, false
	}
	for _, end := range []string{"/.*", "/.+", "/*", "(/.*)?", ".*"} {
		if cut, ok := strings.CutSuffix(s, end); ok {
			s, below = cut, true
			if end == ".*" && !strings.HasSuffix(s, "/") {
				return "", false // ^/public.* is /public-but-not-quite too
			}
			break
		}
	}
	s = strings.ReplaceAll(s, `\.`, "\x00")
	if strings.ContainsAny(s, `\.*+?()[]{}|^$%;#`) {
		return "", false
	}
	s = strings.ReplaceAll(s, "\x00", ".")
	if !below {
		return s, rulePath.MatchString(s)
	}
	s = strings.TrimSuffix(s, "/") + "/**"
	return s, rulePath.MatchString(s)
}

var rulePath = regexp.MustCompile(`^/(([A-Za-z0-9_~!$&'()+,=:@-][A-Za-z0-9_.~!$&'()+,=:@-]*/)*([A-Za-z0-9_~-][A-Za-z0-9_.~-]*|\*\*)?)$`)
