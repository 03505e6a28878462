package foreign

import (
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func sortedKeys(q url.Values) []string { return slices.Sorted(maps.Keys(q)) }

func withPort(address, port string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(address, port)
}

// section reads who may see a part of a site. Apache lets later sections win, so the
// rules are put the other way round.
func (m *openidc) section(s *site, d *directive) {
	g := &guard{}
	for _, one := range d.inner {
		switch {
		case g.take(m, one):
		case one.name == "proxypass" && d.name == "<location":
			m.proxyPass(s, one, d.arg(0), one.arg(0))
		default:
			m.take(s, one)
		}
	}
	if !g.told {
		return
	}
	s.guarded = s.guarded || g.signIn
	r, why := g.rule()
	if why != "" {
		m.missing(d.as(), why)
	}
	path, ok := pathOf(d)
	if !ok {
		if r.allow == "anyone" {
			m.missing(d.as(), "is no plain path: write a rule for it with allow: anyone; until then people must sign in there")
			return
		}
		m.missing(d.as(), "is no plain path: write a rule for it; it holds for the whole host until then")
		path = ""
	}
	r.path = path
	s.rules = slices.Insert(s.rules, 0, r)
}

// pathOf is where a section holds, as the path of a rule; "" is everywhere.
func pathOf(d *directive) (string, bool) {
	path, expression := d.arg(0), d.name == "<locationmatch"
	if path == "~" {
		path, expression = d.arg(1), true
	}
	switch {
	case d.name != "<location" && d.name != "<locationmatch":
		return "", false
	case expression && (path == "^/" || path == "/" || path == ".*" || path == "^/.*"):
		return "", true
	case expression:
		return plainPath(path)
	case path == "/":
		return "", true
	}
	path = strings.TrimSuffix(path, "/") + "/**"
	return path, rulePath.MatchString(path)
}

// guard is what a section says of who may come in.
type guard struct {
	told, signIn, everybody, nobody, anyUser bool
	groups, users, networks                  []string
	why                                      string // it cannot be said in our words
}

func (g *guard) take(m *openidc, d *directive) bool {
	switch d.name {
	case "authtype":
		switch strings.ToLower(d.arg(0)) {
		case "openid-connect", "auth-openidc":
			g.signIn = true
		case "none":
		default:
			g.told, g.why = true, "another kind of sign-in than OpenID Connect"
		}
	case "require":
		g.require(m, d)
	case "<requireany":
		for _, one := range d.inner {
			if one.name != "require" {
				g.told, g.why = true, "conditions within conditions"
				continue
			}
			g.require(m, one)
		}
	case "<requireall", "<requirenone", "satisfy", "order", "deny":
		g.told, g.why = true, "conditions that must hold together"
	case "allow", "authname", "authmerging":
	default:
		return false
	}
	return true
}

func (g *guard) require(m *openidc, d *directive) {
	g.told = true
	rest := d.args[min(1, len(d.args)):]
	switch kind := strings.ToLower(d.arg(0)); kind {
	case "valid-user":
		g.anyUser = true
	case "user":
		g.users = append(g.users, rest...)
	case "all":
		if strings.EqualFold(d.arg(1), "granted") {
			g.everybody = true
		} else {
			g.nobody = true
		}
	case "ip":
		for _, one := range rest {
			p := prefixOf(one)
			if p == nil {
				g.why = "a network that is not written in full"
			}
			g.networks = append(g.networks, p...)
		}
	case "claim":
		for _, one := range rest {
			claim, value, ok := strings.Cut(one, ":")
			if !ok || claim != "groups" && claim != "roles" && claim != "realm_access.roles" || strings.Contains(claim, "~") {
				g.why = "a claim that is neither groups nor roles, or an expression"
				continue
			}
			// Two claims would become one list, and a group would do where a role was asked for.
			if m.groupsFrom == "" {
				m.groupsFrom = claim
			}
			if claim != m.groupsFrom {
				g.why = "another claim than " + m.groupsFrom
				continue
			}
			g.groups = append(g.groups, value)
		}
	default:
		g.why = "a condition that Foregate does not have"
	}
}

// rule is what the guard is in our words. What cannot be said keeps everybody out.
func (g *guard) rule() (rule, string) {
	kinds := 0
	for _, list := range [][]string{g.groups, g.users, g.networks} {
		if len(list) > 0 {
			kinds++
		}
	}
	switch {
	case g.why != "":
		return rule{allow: "nobody"}, g.why + ": nobody may come in until you write the rule"
	case g.everybody:
		return rule{allow: "anyone"}, ""
	case g.anyUser && len(g.networks) > 0:
		return rule{allow: "anyone", networks: g.networks}, ""
	case g.anyUser:
		return rule{allow: "signed_in"}, ""
	case kinds > 1:
		return rule{allow: "nobody"}, "either of several kinds of conditions: nobody may come in until you write the rule"
	case len(g.networks) > 0 && g.signIn:
		return rule{allow: "signed_in", networks: g.networks}, "people must be in the network and signed in; with allow: anyone the network is enough"
	case len(g.networks) > 0:
		return rule{allow: "nobody"}, "only a network counts, without signing in: nobody may come in until you write the rule"
	case kinds == 1:
		return rule{allow: "signed_in", groups: g.groups, users: g.users}, ""
	case g.signIn && !g.nobody:
		return rule{allow: "signed_in"}, ""
	}
	return rule{allow: "nobody"}, ""
}

var claimInHeader = regexp.MustCompile(`^%\{([A-Za-z_]+)\}e$`)

// ours are the names that Foregate has for claims.
var ours = map[string]string{"sub": "subject", "iss": "issuer"}

func (m *openidc) settle() error {
	if !m.method.has("issuer") {
		m.method.put("issuer", "https://idp.example")
		m.missing(setting{name: "OIDCProviderMetadataURL"}, "is not there: write the provider's issuer in place of https://idp.example")
	}
	if !m.method.has("client_id") {
		m.method.put("client_id", "foregate")
		m.missing(setting{name: "OIDCClientID"}, "is not there: write the name under which the provider knows Foregate")
	}
	m.session.put("idle", m.idle)
	if m.groupsFrom != "" && m.groupsFrom != "groups" {
		m.claims.put("groups", []string{m.groupsFrom})
	}
	if len(m.tls) > 0 {
		m.settleTLS()
	}
	for i := range m.apps {
		m.settleApp(&m.apps[i], i)
	}
	if domain := ""; m.cookie.has("domain") {
		for _, f := range m.cookie {
			if f.key == "domain" {
				domain = f.value.Value
			}
		}
		m.settleDomain(domain)
	}
	host := m.apps[0].hosts[0]
	m.check(setting{name: "OIDCRedirectURI"}, "register https://"+host+"/sso/callback/"+m.methodName+" at the provider, as redirect address, and so for each host")
	slices.SortStableFunc(m.Missing, compareNotes)
	slices.SortStableFunc(m.Check, compareNotes)
	return nil
}

func (m *openidc) settleDomain(domain string) {
	for _, a := range m.apps {
		for _, h := range a.hosts {
			if h != domain && !strings.HasSuffix(h, "."+domain) || !strings.Contains(domain, ".") || !hostText.MatchString(domain) {
				m.cookie = slices.DeleteFunc(m.cookie, func(f field) bool { return f.key == "domain" })
				m.check(setting{name: "OIDCCookieDomain"}, "not every host is below it, so it was left out")
				return
			}
		}
	}
	m.check(setting{name: "OIDCCookieDomain"}, "every host of the domain is sent the session's cookie; without it each host has its own, which is safer")
}

// settleTLS pairs certificates with keys in the order of the file.
func (m *openidc) settleTLS() {
	var certs, keys []field
	for _, f := range m.tls {
		if f.key == "cert" {
			certs = append(certs, f)
		} else {
			keys = append(keys, f)
		}
	}
	var pairs []fields
	for i := range min(len(certs), len(keys)) {
		pair := fields{certs[i], keys[i]}
		if !slices.ContainsFunc(pairs, func(p fields) bool { return p[0].value.Value == pair[0].value.Value }) {
			pairs = append(pairs, pair)
		}
	}
	m.tls = nil
	if len(pairs) == 0 || len(certs) != len(keys) {
		m.missing(setting{name: "SSLCertificateFile"}, "certificates and keys do not pair up: write tls.certificates by hand")
		return
	}
	m.tls.put("certificates", pairs)
	m.listen.put("https", ":443")
	m.check(setting{name: "SSLCertificateFile"}, "Foregate listens on :443 itself; behind Apache write listen.http and trusted_proxies instead")
}

func (m *openidc) settleApp(a *app, i int) {
	if len(a.hosts) == 0 && m.redirect != nil {
		if h := hostOf(m.redirect.arg(0)); h != "" {
			a.hosts = []string{h}
		}
	}
	if len(a.hosts) == 0 {
		a.hosts = []string{"app.example"}
		if i > 0 {
			a.hosts[0] = "app" + string(rune('0'+i%10)) + ".example"
		}
		m.missing(setting{name: "ServerName"}, "no host is named: write the one that people come to in place of "+a.hosts[0])
	}
	slices.Sort(a.hosts[1:])
	a.hosts = slices.Compact(a.hosts)
	a.name = strings.Trim(nameText.ReplaceAllString(a.hosts[0], "-"), "-")
	switch {
	case a.upstream == "":
		a.upstream, a.host = "http://127.0.0.1:9000", ""
		m.missing(setting{name: "ProxyPass"}, "no application is named for "+a.hosts[0]+": write its address in place of http://127.0.0.1:9000")
	case a.host == "-":
		a.host = ""
	default:
		a.host = hostOf(a.upstream)
	}
	m.settleRules(a)
	m.settleHeaders(a)
}

var nameText = regexp.MustCompile(`[^a-z0-9]+`)

// settleRules drops rules that an earlier one hides, as they had no effect before.
func (m *openidc) settleRules(a *app) {
	var kept []rule
	for _, r := range a.rules {
		if slices.ContainsFunc(kept, func(k rule) bool { return covers(k.path, r.path) }) {
			m.check(setting{name: "Location " + r.path}, "a later section holds for the same addresses, so it was left out")
			continue
		}
		kept = append(kept, r)
	}
	if !slices.ContainsFunc(kept, func(r rule) bool { return r.path == "" }) {
		kept = append(kept, rule{allow: "signed_in"})
		m.check(setting{name: "Location"}, "at "+a.hosts[0]+" people must sign in everywhere but where a rule says otherwise; before, what no section names was open to anybody")
	}
	a.rules = kept
}

func covers(above, path string) bool {
	if above == "" || above == path {
		return true
	}
	base, all := strings.CutSuffix(above, "/**")
	return all && (path == base || strings.HasPrefix(path, base+"/"))
}

// settleHeaders sends what the module sent: claims by the prefix, and headers that
// Apache made of them.
func (m *openidc) settleHeaders(a *app) {
	a.preset = "none"
	put := func(d *directive, name, claim string) {
		if !headerText.MatchString(name) {
			m.missing(d.as(), "the header "+clean(name)+" cannot be sent; names are letters, digits and dashes")
			return
		}
		if known, ok := ours[claim]; ok {
			claim = known
		}
		a.headers.put(name, fields{{"claim", yamlText(claim)}})
	}
	if m.seen["oidcpassclaimsas"] != "none" && m.seen["oidcpassclaimsas"] != "environment" {
		for _, claim := range []string{"sub", "email", "name", "preferred_username", "groups"} {
			put(&directive{name: "oidcclaimprefix"}, strings.ReplaceAll(m.prefix+claim, "_", "-"), claim)
		}
		m.check(setting{name: "OIDCClaimPrefix"}, "claims are sent as "+strings.ReplaceAll(m.prefix, "_", "-")+"email and so on: PHP, CGI and WSGI read them as before, others by the new name; add further claims to headers.map")
	}
	if m.authn != "" {
		put(&directive{name: "oidcauthnheader"}, strings.ReplaceAll(m.authn, "_", "-"), "user")
	}
	for _, d := range m.headers {
		m.requestHeader(d, put)
	}
}

func (m *openidc) requestHeader(d *directive, put func(*directive, string, string)) {
	verb := strings.ToLower(d.arg(0))
	if verb == "unset" {
		return // identity headers of a client never get through
	}
	match := claimInHeader.FindStringSubmatch(d.arg(2))
	switch {
	case verb == "set" && match != nil && strings.HasPrefix(match[1], m.claimName):
		put(d, d.arg(1), strings.TrimPrefix(match[1], m.claimName))
	case verb == "set" && match != nil && match[1] == "REMOTE_USER", verb == "set" && d.arg(2) == "expr=%{REMOTE_USER}":
		put(d, d.arg(1), "user")
	default:
		m.missing(d.as(), "the header "+clean(d.arg(1))+" is not sent: see headers.map")
	}
}

var openidcChecked = map[string]string{
	"oidccryptopassphrase":                   "not taken over: Foregate makes a secret of its own at the first start, and everybody signs in once more",
	"oidcunauthaction":                       "people's pages are sent to sign in, scripts get 401, by themselves",
	"oidcunautzaction":                       "who may not come in gets a page with a support code",
	"oidcdefaulturl":                         "people come back to where they were going",
	"oidcdefaultloggedouturl":                "after signing out people see Foregate's page",
	"oidcsessiontype":                        "sessions are kept in a file, or in Redis with storage.redis",
	"oidccachetype":                          "sessions are kept in a file, or in Redis with storage.redis",
	"oidcstripcookies":                       "Foregate's own cookies never reach the application, all others do",
	"oidcxforwardedheaders":                  "list the addresses of the proxies in front in trusted_proxies",
	"oidcpkcemethod":                         "PKCE with S256 is used always",
	"oidciddtokeniatslack":                   "see oidc.clock_tolerance",
	"oidcpassidtokenas":                      "the provider's tokens are not sent; use headers.assertion",
	"oidcuserinforefreshinterval":            "what the provider says is renewed with refresh tokens, see oidc.refresh",
	"oidcproviderbackchannellogoutsupported": "back-channel logout is at /sso/backchannel/sso",
	"oidcinfohook":                           "GET /sso/session says who is signed in",
	"oidcpassuserinfoas":                     "claims are sent one by one, see headers.map",
}

var openidcGone = map[string]string{
	"oidcsslvalidateserver":          "the provider's certificate is checked always: name its authority in oidc.ca",
	"oidcmetadatadir":                "write a method for each provider by hand",
	"oidcdiscoverurl":                "with several methods Foregate asks which one",
	"oidcoauthintrospectionendpoint": "bearer tokens are not taken in place of a session", "oidcoauthverifyjwksuri": "bearer tokens are not taken in place of a session",
	"oidcoauthclientid": "bearer tokens are not taken in place of a session", "oidcoauthclientsecret": "bearer tokens are not taken in place of a session",
	"oidcoauthremoteuserclaim": "bearer tokens are not taken in place of a session",
	"oidcprivatekeyfiles":      "encrypted ID tokens are not taken", "oidcpublickeyfiles": "encrypted ID tokens are not taken",
	"oidcmemcacheservers": "use storage.redis", "oidccachefiledir": "the file is in storage.path",
	"oidcoutgoingproxy":           "set HTTPS_PROXY in Foregate's environment",
	"oidcclienttokenendpointcert": "a certificate of the client is not shown to the provider", "oidcclienttokenendpointkey": "a certificate of the client is not shown to the provider",
	"oidcuserinfoclaimsexpr": "no expressions over claims", "oidcfilterclaimsexpr": "no expressions over claims",
	"oidcresponsetype":      "only the code flow is used",
	"oidcwhitelistedclaims": "only claims that headers.map names are sent", "oidcblacklistedclaims": "only claims that headers.map names are sent",
	"oidcclaimdelimiter": "lists are joined with a comma",
}

// openidcSettled needs nothing: it is handled elsewhere, or is always so.
var openidcSettled = map[string]bool{
	"oidcpassclaimsas": true, "oidcstatemaxnumberofcookies": true, "oidcstatetimeout": true, "oidccookiepath": true, "oidccookiehttponly": true, "oidccookiesamesite": true,
	"oidchttptimeoutlong": true, "oidchttptimeoutshort": true, "oidcjwksrefreshinterval": true, "oidcprovidermetadatarefreshinterval": true, "oidchtmlerrortemplate": true,
	"oidcpasscookies": true, "oidcsessioncachefallbacktocookie": true, "oidcrefreshaccesstokenbeforeexpiry": true, "oidccacheencrypt": true, "oidccacheshmmax": true,
	"oidccacheshmentrysizemax": true, "oidcclientname": true, "oidcpreservepost": true, "oidcredirecturlsallowed": true, "oidcstateinputheaders": true,
}

// spelling is how the module's manual writes what is said of most.
var spelling = map[string]string{
	"oidcclientsecret": "OIDCClientSecret", "oidcclientid": "OIDCClientID", "oidccryptopassphrase": "OIDCCryptoPassphrase", "oidcredirecturi": "OIDCRedirectURI",
	"oidcprovidermetadataurl": "OIDCProviderMetadataURL", "oidcsslvalidateserver": "OIDCSSLValidateServer", "oidcrediscachepassword": "OIDCRedisCachePassword",
	"proxypass": "ProxyPass", "requestheader": "RequestHeader", "location": "Location", "locationmatch": "LocationMatch", "virtualhost": "VirtualHost",
	"oidcunauthaction": "OIDCUnAuthAction", "oidccachetype": "OIDCCacheType", "oidcclaimprefix": "OIDCClaimPrefix", "oidcauthnheader": "OIDCAuthNHeader",
	"oidcremoteuserclaim": "OIDCRemoteUserClaim", "oidcstripcookies": "OIDCStripCookies", "include": "Include", "rewriterule": "RewriteRule", "rewritecond": "RewriteCond",
}
