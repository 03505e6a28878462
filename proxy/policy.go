package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"foregate/authn"
)

// Verdict is what becomes of a request. The zero Verdict denies; of two verdicts
// the smaller is the stricter.
type Verdict int

const (
	Deny Verdict = iota
	SignIn
	Allow
)

func (v Verdict) String() string { return [...]string{"deny", "sign in", "allow"}[v] }

// Decision is a Verdict and why.
type Decision struct {
	Verdict Verdict
	Rule    int      // index of the rule that decided, or -1
	Reason  string   // for the log and for explain
	Methods []string // with SignIn: the methods that would satisfy the rule; nil means any of the app's
}

// Whom a rule lets through, before its further conditions.
type Whom int

const (
	Nobody   Whom = iota
	SignedIn      // a person of this app
	Anyone        // also without signing in
)

// Rule is one line of an app's rules. Path and HTTPMethods say which requests it
// is about, everything else what they must fulfil.
type Rule struct {
	Path        string   // "/admin/**": ** is any depth (and /admin itself), * one segment or a part of one; "" is every path
	HTTPMethods []string // upper case; empty is every method
	Allow       Whom
	Groups      []string // in one of them
	Users       []string // one of these names
	Roles       []string // one of these roles
	Methods     []string // signed in by one of these methods
	Networks    []netip.Prefix
	// Networks: from one of these. With Anyone, people elsewhere may sign in instead.
}

// Request is what a decision is made of.
type Request struct {
	Method string
	Path   Path
	Client netip.Addr // invalid: unknown, in no network
}

// Policy decides about one app's requests. It is pure and safe for concurrent use.
type Policy struct {
	methods []string // of the app
	kinds   []string // of accounts that the app is for; empty: all
	rules   []compiled
	byPath  bool // whether any rule looks at the path
	lower   bool // whether every pattern is its own folded form
}

type compiled struct {
	Rule
	exact, folded []string // segments of the pattern, nil for every path
}

// NewPolicy compiles rules for an app with these sign-in methods. Without a rule
// that matches, a request must be signed in. Only accounts of the kinds are let in, if
// there are any.
func NewPolicy(methods []string, rules []Rule, kinds ...string) *Policy {
	p := &Policy{methods: methods, kinds: kinds, lower: true}
	for _, r := range rules {
		c := compiled{Rule: r}
		if r.Path != "" && r.Path != "/**" {
			c.exact = segments(r.Path)
			c.folded = segments(foldPattern(r.Path))
			p.byPath = true
			p.lower = p.lower && slices.Equal(c.exact, c.folded)
		}
		p.rules = append(p.rules, c)
	}
	return p
}

// Decide says what becomes of a request of id, which is nil for a stranger. It
// asks about both readings of the path; the stricter verdict holds.
func (p *Policy) Decide(id *authn.Identity, req Request) Decision {
	d := p.decide(id, req, false)
	if !p.byPath || p.lower && req.Path.Exact == req.Path.Folded {
		return d
	}
	if folded := p.decide(id, req, true); folded.Verdict < d.Verdict || folded.Verdict == d.Verdict && d.Methods == nil {
		return folded
	}
	return d
}

func (p *Policy) decide(id *authn.Identity, req Request, folded bool) Decision {
	for i := range p.rules {
		if rule := &p.rules[i]; rule.about(req, folded) {
			d := rule.judge(id, req, p)
			d.Rule = i
			return d
		}
	}
	d := p.signedIn(id)
	d.Rule = -1
	return d
}

func (c *compiled) about(req Request, folded bool) bool {
	if len(c.HTTPMethods) > 0 && !slices.Contains(c.HTTPMethods, req.Method) {
		return false
	}
	switch {
	case c.exact == nil:
		return true
	case folded:
		return match(c.folded, req.Path.Folded)
	}
	return match(c.exact, req.Path.Exact)
}

func (c *compiled) judge(id *authn.Identity, req Request, p *Policy) Decision {
	near := len(c.Networks) == 0 || within(c.Networks, req.Client)
	switch {
	case c.Allow == Nobody:
		return Decision{Reason: "the rule allows nobody"}
	case c.Allow == Anyone && near:
		return Decision{Verdict: Allow, Reason: "the rule allows anyone"}
	case c.Allow != Anyone && !near:
		return Decision{Reason: "not from one of the rule's networks"}
	}
	if d := p.signedIn(id); d.Verdict != Allow {
		if d.Verdict == SignIn && len(c.Methods) > 0 {
			d.Methods = c.Methods
		}
		return d
	}
	switch {
	case len(c.Methods) > 0 && !slices.Contains(c.Methods, id.Method):
		return Decision{Verdict: SignIn, Methods: c.Methods, Reason: "signed in by a method that the rule does not accept"}
	case len(c.Users) > 0 && !slices.Contains(c.Users, id.User):
		return Decision{Reason: "not one of the rule's users"}
	case len(c.Groups) > 0 && !overlap(c.Groups, id.Groups):
		return Decision{Reason: "in none of the rule's groups"}
	case len(c.Roles) > 0 && !overlap(c.Roles, id.Roles):
		return Decision{Reason: "has none of the rule's roles"}
	}
	return Decision{Verdict: Allow, Reason: "fulfils the rule"}
}

func (p *Policy) signedIn(id *authn.Identity) Decision {
	switch {
	case id.Anonymous():
		return Decision{Verdict: SignIn, Reason: "not signed in"}
	case !slices.Contains(p.methods, id.Method):
		return Decision{Verdict: SignIn, Reason: fmt.Sprintf("signed in by %q, which is not a method of this app", id.Method)}
	}
	if len(p.kinds) > 0 && !id.Emergency && !slices.Contains(p.kinds, id.Kind) {
		return Decision{Reason: fmt.Sprintf("an account of the kind %q, which this app is not for", id.Kind)}
	}
	return Decision{Verdict: Allow, Reason: "signed in"}
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) { // false for the invalid address
			return true
		}
	}
	return false
}

func overlap(a, b []string) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}

func segments(p string) []string { return strings.Split(strings.Trim(p, "/"), "/") }

// foldPattern folds a rule's path as a request's is folded, keeping its stars.
func foldPattern(p string) string {
	f, ok := fold(p)
	if !ok {
		return strings.ToLower(p)
	}
	return f.path
}

// match reports whether the path has the shape of the pattern. A trailing slash
// of the path does not matter.
func match(pattern []string, p string) bool {
	p = strings.Trim(p, "/")
	for i, want := range pattern {
		if want == "**" {
			if i == len(pattern)-1 {
				return true
			}
			return matchDeep(pattern[i+1:], p)
		}
		if p == "" && want != "" {
			return false
		}
		seg, rest, more := strings.Cut(p, "/")
		if !matchSegment(want, seg) {
			return false
		}
		if p = rest; !more {
			p = ""
			left := pattern[i+1:]
			return len(left) == 0 || len(left) == 1 && left[0] == "**"
		}
	}
	return false
}

// matchDeep tries the rest of a pattern behind ** at every depth.
func matchDeep(pattern []string, p string) bool {
	for {
		if match(pattern, p) {
			return true
		}
		_, rest, more := strings.Cut(p, "/")
		if !more {
			return false
		}
		p = rest
	}
}

func matchSegment(want, seg string) bool {
	before, after, star := strings.Cut(want, "*")
	if !star {
		return want == seg
	}
	if !strings.HasPrefix(seg, before) {
		return false
	}
	seg = seg[len(before):]
	if !strings.Contains(after, "*") {
		return strings.HasSuffix(seg, after)
	}
	for i := 0; i <= len(seg); i++ {
		if matchSegment(after, seg[i:]) {
			return true
		}
	}
	return false
}
