package foreign

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	cookieText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	headerText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	domainText = regexp.MustCompile(`^\.?[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	tenantText = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
)

// presetsOf are the providers whose sign-in is OpenID Connect; the issuer is for
// those that have only one.
var presetsOf = map[string]struct{ preset, issuer, title string }{
	"": {"google", "", "Google"}, "google": {"google", "", "Google"}, "oidc": {"", "", ""}, "keycloak-oidc": {"keycloak", "", "Keycloak"},
	"azure": {"entra", "", "Microsoft"}, "entra-id": {"entra", "", "Microsoft"}, "adfs": {"adfs", "", ""},
	"gitlab": {"", "https://gitlab.com", "GitLab"}, "login.gov": {"", "https://secure.login.gov", "Login.gov"}, "cidaas": {"", "", ""},
}

func (o *oauth2proxy) provider() {
	s := o.given["provider"]
	name := s.one()
	p, ok := presetsOf[name]
	if !ok {
		o.kind, o.methodName = "local", "local"
		o.missing(s, "people cannot sign in by this provider, since it does not speak OpenID Connect: name one that does; until then the draft has accounts of Foregate's own")
		return
	}
	o.method.put("preset", p.preset)
	if !o.method.has("issuer") {
		o.method.put("issuer", p.issuer)
	}
	if p.preset == "entra" {
		o.entra()
	}
	if o.title == "" && p.title != "" {
		o.title = "Sign in with " + p.title
	}
	if !o.method.has("issuer") && p.preset != "google" {
		o.method.put("issuer", "https://idp.example")
		o.missing(setting{name: "oidc_issuer_url"}, "is not there: write the provider's issuer in place of https://idp.example")
	}
	if !o.method.has("client_id") {
		o.method.put("client_id", "foregate")
		o.missing(setting{name: "client_id"}, "is not there: write the name under which the provider knows Foregate")
	}
	if s := o.given["insecure_oidc_allow_unverified_email"]; (name == "oidc" || name == "keycloak-oidc") && (s.name == "" || !s.on()) {
		o.method.put("require_verified_email", true)
		o.check(setting{name: "insecure_oidc_allow_unverified_email"}, "people whose address the provider has not verified are refused, also where it does not say; if it never says, remove require_verified_email")
	}
	o.clientSecret()
	o.address()
	o.redis_()
}

func (o *oauth2proxy) entra() {
	tenant := o.given["azure_tenant"].one()
	if o.method.has("issuer") {
		return
	}
	if !tenantText.MatchString(tenant) || tenant == "common" || tenant == "organizations" {
		o.missing(setting{name: "azure_tenant"}, "write your tenant ID in place of 00000000-0000-0000-0000-000000000000 into the issuer")
		tenant = "00000000-0000-0000-0000-000000000000"
	}
	o.method.put("issuer", "https://login.microsoftonline.com/"+tenant+"/v2.0")
}

func (o *oauth2proxy) clientSecret() {
	file, plain := o.given["client_secret_file"], o.given["client_secret"]
	if file.one() != "" {
		o.method.put("client_secret", ref("file", file.one()))
		return
	}
	o.method.put("client_secret", o.secret(setting{"client_secret", plain.line, nil}, "FOREGATE_CLIENT_SECRET"))
}

// address tells what must be registered at the provider.
func (o *oauth2proxy) address() {
	s := o.given["redirect_url"]
	s.name = "redirect_url"
	if hostOf(s.one()) == "" {
		o.missing(s, "is not there or not a whole address: write the host that people come to in place of app.example")
	}
	o.check(s, "register https://"+o.host()+"/sso/callback/"+o.methodName+" at the provider, as redirect address")
}

func (o *oauth2proxy) redis_() {
	if o.given["session_store_type"].one() != "redis" {
		return
	}
	urls := slices.Concat(o.given["redis_sentinel_connection_url"].values, o.given["redis_cluster_connection_url"].values, o.given["redis_connection_url"].values)
	var addresses []string
	encrypted, password, user := false, o.given["redis_password"].one() != "", o.given["redis_username"].one()
	for _, u := range urls {
		address, name, tls, secret, ok := redisURL(u)
		if !ok {
			continue
		}
		addresses, encrypted, password = append(addresses, address), encrypted || tls, password || secret
		if user == "" {
			user = name
		}
	}
	if len(addresses) == 0 {
		o.missing(setting{name: "redis_connection_url"}, "is no redis:// address; sessions are kept in a file of this machine")
		return
	}
	o.redis.put("addresses", addresses)
	switch {
	case o.given["redis_use_sentinel"].name != "" && o.given["redis_use_sentinel"].on():
		o.redis.put("sentinel", o.given["redis_sentinel_master_name"].one())
	case o.given["redis_use_cluster"].name != "" && o.given["redis_use_cluster"].on():
		o.redis.put("cluster", true)
	}
	if password {
		if user != "default" {
			o.redis.put("username", user)
		}
		o.redis.put("password", o.secret(setting{name: "redis_password"}, "FOREGATE_REDIS_PASSWORD"))
	}
	if encrypted {
		var t fields
		t.put("enabled", true)
		t.put("ca", o.given["redis_ca_path"].one())
		o.redis.put("tls", t)
	}
}

// app puts hosts, upstream, rules and headers together.
func (o *oauth2proxy) app() {
	a := &o.apps[0]
	a.hosts = []string{o.host()}
	if a.upstream == "" {
		a.upstream = "http://127.0.0.1:9000"
		o.missing(setting{name: "upstream"}, "no application is named: write its address in place of http://127.0.0.1:9000; behind nginx's auth_request that is where nginx sends people now")
	}
	if a.host == "upstream" {
		a.host = hostOf(a.upstream)
	}
	if s := o.given["ssl_upstream_insecure_skip_verify"]; s.name != "" && s.on() {
		o.missing(s, "the application's certificate is checked always: name its authority in upstream.ca")
	}
	if s := o.given["reverse_proxy"]; s.name != "" && s.on() && len(o.trusted) == 0 {
		o.check(s, "list the addresses of the proxies in front in trusted_proxies; until then they are taken for the people themselves")
	}
	o.headers(a)
	// From the trusted networks without signing in, from elsewhere by signing in: one rule
	// says both, and nothing is reached behind it.
	a.rules = append(a.rules, o.opened...)
	if len(o.networks) > 0 {
		a.rules = append(a.rules, rule{allow: "anyone", networks: o.networks})
	} else {
		a.rules = append(a.rules, rule{allow: "signed_in"})
	}
}

func (o *oauth2proxy) headers(a *app) {
	pass, set := o.given["pass_user_headers"], o.given["set_xauthrequest"]
	switch {
	case set.name != "" && set.on():
		a.preset = "auth-request"
		o.check(set, "the names are X-Auth-Request-User, -Email, -Preferred-Username, -Groups, -Name and -Roles")
	case pass.name != "" && !pass.on():
		a.preset = "none"
	}
	if s := o.given["prefer_email_to_user"]; s.name != "" && s.on() {
		o.claims.put("user", []string{"email"})
	}
}

// open lets anybody pass where the original did.
func (o *oauth2proxy) open(s setting) {
	switch s.name {
	case "skip_auth_preflight":
		if s.on() {
			o.opened = append(o.opened, rule{verbs: []string{"OPTIONS"}, allow: "anyone"})
			o.check(s, "every OPTIONS request passes, as before; narrow the rule to the paths that need it")
		}
		return
	case "trusted_ip":
		for _, v := range s.values {
			o.networks = append(o.networks, prefixOf(v)...)
		}
		if len(o.networks) > 0 {
			o.check(s, "people from these addresses pass without signing in, as before")
		}
		return
	}
	for _, v := range s.values {
		method, expression, both := strings.Cut(v, "=")
		if !both || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			method, expression = "", v
			if both && strings.HasPrefix(v, "!=") {
				o.missing(s, "all paths but some pass without signing in: write a rule for each by hand")
				continue
			}
		}
		path, ok := plainPath(expression)
		if !ok {
			o.missing(s, "the expression "+clean(expression)+" is no plain path: write a rule for it with allow: anyone; until then people must sign in there")
			continue
		}
		r := rule{path: path, allow: "anyone"}
		if method != "" {
			r.verbs = []string{method}
		}
		o.opened = append(o.opened, r)
	}
}

// upstreams takes the one for the whole host.
func (o *oauth2proxy) upstreams(s setting) {
	for _, v := range s.values {
		u, err := url.Parse(v)
		address := ""
		if err == nil && (u.Path == "" || u.Path == "/") {
			u.Path, u.RawPath = "", ""
			address = upstreamOf(u.String())
		}
		if address != "" && o.apps[0].upstream == "" {
			o.apps[0].upstream = address
			continue
		}
		// A path that ends with a slash is all below it, and is kept; another is one page.
		if err == nil && strings.HasSuffix(u.Path, "/") && len(u.Path) > 1 {
			path := u.Path
			u.Path, u.RawPath = "", ""
			if o.apps[0].branchOf(path, u.String(), "") {
				continue
			}
		}
		switch {
		case err == nil && (u.Scheme == "static" || u.Scheme == "file" || u.Scheme == ""):
			o.missing(s, "a fixed answer or a folder is no application: leave it to the web server behind")
		default:
			o.missing(s, "an upstream that is no part of the host by a plain path: see upstreams of the app")
		}
	}
}

func (o *oauth2proxy) returns(s setting) {
	for _, v := range s.values {
		v = strings.ToLower(v)
		if v = strings.TrimPrefix(v, "*"); domainText.MatchString(v) {
			o.apps[0].returns = append(o.apps[0].returns, v)
		} else {
			o.check(s, "one of the domains was left out: write it to return_hosts if a sign-in must lead there")
		}
	}
}

func (o *oauth2proxy) inject(s setting) {
	name, claim := s.values[0], s.values[1]
	known := map[string]string{"user": "user", "email": "email", "groups": "groups", "preferred_username": "preferred_username"}
	if known[claim] == "" || !headerText.MatchString(name) || strings.EqualFold(name, "Authorization") {
		o.missing(s, "the header "+clean(name)+" of the claim "+clean(claim)+" is not sent: see headers.map and headers.assertion")
		return
	}
	a := &o.apps[0]
	a.preset = "none"
	var source fields
	source.put("claim", known[claim])
	a.headers.put(name, source)
}

// who keeps out whom the original kept out. What cannot be said in our words asks
// for an account, of which there is none yet.
func (o *oauth2proxy) who() {
	if s := o.given["allowed_group"]; len(s.values) > 0 {
		o.admit.put("groups", s.values)
	}
	google := o.given["provider"].one() == "google" || o.given["provider"].name == ""
	closed := ""
	for name := range restricts {
		s, there := o.given[name]
		switch {
		case !there || name == "allowed_group" || len(s.values) == 0:
		case name == "email_domain" && slices.Contains(s.values, "*"):
		case name == "email_domain" && google && o.kind == "oidc" && plainDomains(s.values):
			o.method.put("hosted_domains", s.values)
			o.check(s, "people need an account of Google Workspace in one of these domains; an address there is not enough")
		case name == "entra_id_allowed_tenant":
			o.method.put("tenants", s.values)
		case name == "allowed_role" && o.given["provider"].one() == "keycloak-oidc":
			o.check(s, "roles of the realm count as groups")
			o.admit.put("groups", slices.Concat(o.given["allowed_group"].values, s.values))
		default:
			if closed == "" || name < closed {
				closed = name
			}
			o.missing(s, "only people who have an account come in (admit.account: existing): make the accounts of those who may, with foregate accounts import")
		}
	}
	if closed != "" && o.kind == "oidc" {
		o.admit.put("account", "existing")
		o.admit.put("match", "email")
		o.admit.put("verify", "none")
	}
	slices.SortFunc(o.Missing, compareNotes)
	slices.SortFunc(o.Check, compareNotes)
}

func plainDomains(list []string) bool {
	return !slices.ContainsFunc(list, func(d string) bool { return !domainText.MatchString(d) || strings.HasPrefix(d, ".") })
}

func compareNotes(a, b Note) int {
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return strings.Compare(a.Setting+a.Text, b.Setting+b.Text)
}
