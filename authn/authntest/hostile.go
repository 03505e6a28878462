package authntest

import (
	"net/http"
	"net/url"
	"strings"

	"foregate/authn"
)

// hostile is a request that nobody's honest browser sends.
type hostile struct {
	name  string
	build func(p parameters) *http.Request
}

var hostiles = [...]hostile{
	{"get nothing", func(parameters) *http.Request { return Get(url.Values{}) }},
	{"post nothing", func(parameters) *http.Request { return Post(url.Values{}) }},
	{"form never parsed", func(parameters) *http.Request { return Post(nil) }},
	{"get names without values", func(p parameters) *http.Request { return Get(p.all()) }},
	{"post names without values", func(p parameters) *http.Request { return Post(p.all()) }},
	{"get empty", func(p parameters) *http.Request { return Get(p.all("")) }},
	{"post empty", func(p parameters) *http.Request { return Post(p.all("")) }},
	{"get garbage", func(p parameters) *http.Request { return Get(p.all(canary)) }},
	{"post garbage", func(p parameters) *http.Request { return Post(p.all(canary)) }},
	{"get garbage for this attempt", func(p parameters) *http.Request { return Get(p.bound(canary)) }},
	{"post garbage for this attempt", postGarbage},
	{"post markup and verbs", func(p parameters) *http.Request { return Post(p.bound(`%s%!d"><script>` + canary)) }},
	{"post control characters", func(p parameters) *http.Request { return Post(p.bound("\x00\r\n\x1b[2J\u202e" + canary)) }},
	{"post broken UTF-8", func(p parameters) *http.Request { return Post(p.bound("\xff\xfe\xc0" + canary)) }},
	{"get duplicated", func(p parameters) *http.Request { return Get(p.all(canary, canary+"2")) }},
	{"post duplicated", func(p parameters) *http.Request { return Post(p.all(canary, canary+"2")) }},
	{"get 16 KiB", func(p parameters) *http.Request { return Get(p.bound(canary + strings.Repeat("A", 16<<10))) }},
	{"post a megabyte", func(p parameters) *http.Request { return Post(p.bound(canary + strings.Repeat("A", 1<<20))) }},
}

func postGarbage(p parameters) *http.Request { return Post(p.bound(canary)) }

// parameters are the names that a method may read, and which of them hold secrets.
type parameters struct {
	attempt string // ID
	secret  map[string]bool
}

// parametersOf gives the names that OAuth, SAML, partners' tokens and forms use,
// and those of the form that the method showed.
func parametersOf(a *authn.Attempt, shown authn.Reply) parameters {
	p := parameters{attempt: a.ID, secret: map[string]bool{"password": true}}
	for _, name := range []string{
		"code", "state", "error", "error_description", "iss", "id_token", "session_state",
		"SAMLResponse", "SAMLRequest", "RelayState", "SigAlg", "Signature",
		"token", "username", "email", "answer",
	} {
		p.secret[name] = false
	}
	if f, ok := shown.(authn.Form); ok {
		for _, field := range f.Fields {
			p.secret[field.Name] = field.Kind == "password" || field.Kind == "code"
		}
	}
	return p
}

// all gives every parameter these values; in secrets the canary is another one.
func (p parameters) all(values ...string) url.Values {
	all := make(url.Values)
	for name, secret := range p.secret {
		all[name] = nil
		for _, v := range values {
			if secret {
				v = strings.ReplaceAll(v, canary, secretCanary)
			}
			all[name] = append(all[name], v)
		}
	}
	return all
}

// bound is all with this attempt's own ID where a provider repeats it, so that a
// method reads on.
func (p parameters) bound(value string) url.Values {
	all := p.all(value)
	all.Set("state", p.attempt)
	all.Set("RelayState", p.attempt)
	return all
}
