package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/upstream"
)

// Question is a request that nobody made, to be explained.
type Question struct {
	URL    string          // with its host: that names the app
	Method string          // of HTTP
	Who    *authn.Identity // nil for a stranger; without roles, which the app gives
	Client netip.Addr      // invalid: unknown, in no network
}

// Explanation is what would become of a request and why, for those who write rules.
type Explanation struct {
	App     string          `json:"app,omitempty"`
	Path    string          `json:"path,omitempty"`    // as the application would be sent it
	Folded  string          `json:"folded,omitempty"`  // as rules read it besides, where that differs
	Verdict string          `json:"verdict"`           // allow, deny, sign in, own (an address of Foregate's) or refuse
	Status  int             `json:"status,omitempty"`  // with refuse
	Rule    int             `json:"rule"`              // the number of the rule that decided, from 1; 0: none
	Reason  string          `json:"reason"`            //
	Methods []string        `json:"methods,omitempty"` // with sign in: those that would do
	Roles   []string        `json:"roles,omitempty"`   // of the person in the app
	Rules   []RuleNote      `json:"rules"`             // all of the app's, in their order
	Headers []upstream.Sent `json:"headers,omitempty"` // with allow: what the application is told
}

// RuleNote says what one rule has to do with a request.
type RuleNote struct {
	Rule    int    `json:"rule"` // from 1
	Text    string `json:"text"` // the rule in one line
	About   bool   `json:"about"`
	Decides bool   `json:"decides"`
	Verdict string `json:"verdict,omitempty"` // what it says, or would say if none stood before it
	Reason  string `json:"reason"`            // why it is not about the request, or why it says so
}

// Explain decides about a request as ServeHTTP would, and says how. What cannot be
// asked is an error.
func (set *Set) Explain(prefix string, q Question) (Explanation, error) {
	r, err := q.request()
	if err != nil {
		return Explanation{}, err
	}
	app, _, err := set.route(r)
	if err != nil {
		return unserved(Explanation{}, err)
	}
	e := Explanation{App: app.Name, Rules: []RuleNote{}}
	path, err := readPath(r, app.RawPath)
	if err != nil {
		return unserved(e, err)
	}
	e.Path = path.Exact
	if path.Folded != path.Exact {
		e.Folded = path.Folded
	}
	if below(path.Exact, prefix) {
		e.Verdict, e.Reason = "own", "an address of Foregate's own: no rule is asked, and the application never sees it"
		return e, nil
	}
	app.explain(&e, q, Request{Method: q.Method, Path: path, Client: q.Client})
	return e, nil
}

// Ways are the names of the methods of the app that an address leads to; nil where it
// leads to none.
func (set *Set) Ways(address string) []string {
	r, err := Question{URL: address}.request()
	if err != nil {
		return nil
	}
	app, _, err := set.route(r)
	if err != nil {
		return nil
	}
	return app.all()
}

func (q Question) request() (*http.Request, error) {
	u, err := url.Parse(q.URL)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%q is not a whole address: write https://host/path", q.URL)
	}
	r, err := http.NewRequest(q.Method, "/", nil)
	if err != nil {
		return nil, err
	}
	if u.Path == "" {
		u.Path = "/"
	}
	r.URL, r.Host, r.RequestURI = u, u.Host, u.RequestURI()
	return r, nil
}

func unserved(e Explanation, err error) (Explanation, error) {
	var wrong *refusal
	if !errors.As(err, &wrong) {
		return e, err
	}
	e.Verdict, e.Status, e.Reason, e.Rules = "refuse", wrong.status, wrong.reason, []RuleNote{}
	return e, nil
}

func (a *App) explain(e *Explanation, q Question, req Request) {
	id := q.Who
	if !id.Anonymous() {
		who := *id
		roles, err := a.Roles.Of(&who)
		if err != nil {
			e.Verdict, e.Reason = Deny.String(), fmt.Sprintf("not let in at the sign-in, reason %s: %v", accounts.ReasonOf(err), err)
			return
		}
		who.Roles, e.Roles, id = roles, roles, &who
	}
	d := a.Policy.Decide(id, req)
	e.Verdict, e.Rule, e.Reason, e.Methods = d.Verdict.String(), d.Rule+1, d.Reason, d.Methods
	if d.Verdict == SignIn && len(e.Methods) == 0 {
		e.Methods = a.all()
	}
	e.Rules = a.Policy.notes(id, req, d.Rule)
	if d.Verdict == Allow && a.Upstream != nil {
		e.Headers = a.Upstream.Preview(id)
	}
}

// notes goes through all rules; decided is the index of the one that Decide went by.
func (p *Policy) notes(id *authn.Identity, req Request, decided int) []RuleNote {
	all := make([]RuleNote, 0, len(p.rules))
	for i := range p.rules {
		rule := &p.rules[i]
		n := RuleNote{Rule: i + 1, Text: rule.String(), Decides: i == decided}
		n.About = rule.about(req, false) || rule.about(req, true)
		if n.About {
			d := rule.judge(id, req, p)
			n.Verdict, n.Reason = d.Verdict.String(), d.Reason
		} else {
			n.Reason = rule.elsewhere(req)
		}
		all = append(all, n)
	}
	return all
}

// elsewhere is why a rule is not about a request.
func (c *compiled) elsewhere(req Request) string {
	if len(c.HTTPMethods) > 0 && !slices.Contains(c.HTTPMethods, req.Method) {
		return "is about " + strings.Join(c.HTTPMethods, ", ") + " alone"
	}
	return "is about other paths"
}

// String is the rule in one line, in the words of the configuration.
func (r *Rule) String() string {
	parts := []string{"every path"}
	if r.Path != "" {
		parts[0] = r.Path
	}
	if len(r.HTTPMethods) > 0 {
		parts = append(parts, strings.Join(r.HTTPMethods, ", "))
	}
	parts = append(parts, "allow "+[...]string{Nobody: "nobody", SignedIn: "signed_in", Anyone: "anyone"}[r.Allow])
	list := func(name string, of []string) {
		if len(of) > 0 {
			parts = append(parts, name+" "+strings.Join(of, ", "))
		}
	}
	list("groups", r.Groups)
	list("users", r.Users)
	list("roles", r.Roles)
	list("methods", r.Methods)
	var networks []string
	for _, n := range r.Networks {
		networks = append(networks, n.String())
	}
	list("networks", networks)
	return strings.Join(parts, "; ")
}
