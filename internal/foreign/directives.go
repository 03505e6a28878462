package foreign

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ModAuthOpenIDC drafts a configuration from Apache's, as far as mod_auth_openidc
// and the proxying around it are concerned.
func ModAuthOpenIDC(text []byte) (*Draft, error) {
	all, err := readApache(text)
	if err != nil {
		return nil, fmt.Errorf("mod_auth_openidc: %w", err)
	}
	m := &openidc{seen: make(map[string]string)}
	m.methodName, m.kind = "sso", "oidc"
	m.idle = "5m0s" // OIDCSessionInactivityTimeout
	m.prefix, m.claimName = "OIDC_CLAIM_", "OIDC_CLAIM_"
	if !speaksOpenID(all) {
		return nil, fmt.Errorf("mod_auth_openidc: there is no OIDC directive in it; give the file that has them")
	}
	m.read(all)
	if err := m.settle(); err != nil {
		return nil, err
	}
	return m.finish()
}

func speaksOpenID(list []*directive) bool {
	for _, d := range list {
		if strings.HasPrefix(d.name, "oidc") || speaksOpenID(d.inner) {
			return true
		}
	}
	return false
}

type openidc struct {
	work
	seen      map[string]string // directive → what it said first
	redirect  *directive
	idle      string
	prefix    string
	claimName string
	headers   []*directive // RequestHeader
	authn     string       // OIDCAuthNHeader

	groupsFrom string // the claim that conditions ask for
}

// read takes the directives outside of hosts, and each host for an app.
func (m *openidc) read(all []*directive) {
	var hosts []*directive
	rest := &directive{}
	for _, d := range all {
		if d.name == "<virtualhost" {
			hosts = append(hosts, d)
			continue
		}
		rest.inner = append(rest.inner, d)
	}
	outside := m.site(rest)
	for _, d := range hosts {
		a := m.site(d)
		if !a.guarded {
			m.check(d.as(), "asks nobody to sign in, or only redirects, so it was left out")
			continue
		}
		if a.upstream == "" {
			a.upstream = outside.upstream
		}
		a.rules = append(a.rules, outside.rules...)
		m.apps = append(m.apps, a.app)
	}
	if len(m.apps) == 0 {
		m.apps = []app{outside.app}
	}
}

// site is a host in the making.
type site struct {
	app
	guarded bool
}

func (m *openidc) site(d *directive) *site {
	s := &site{}
	for _, one := range d.inner {
		m.take(s, one)
	}
	return s
}

func (m *openidc) take(s *site, d *directive) {
	if strings.HasPrefix(d.name, "oidc") {
		m.oidc(d)
		return
	}
	switch d.name {
	case "servername", "serveralias":
		for _, name := range d.args {
			name = strings.ToLower(name)
			if _, rest, ok := strings.Cut(name, "://"); ok {
				name = rest
			}
			name = strings.TrimSuffix(strings.TrimSuffix(name, ":443"), ":80")
			if !hostText.MatchString(name) {
				m.missing(d.as(), "each host must be named: "+clean(name)+" was left out")
				continue
			}
			s.hosts = append(s.hosts, name)
		}
	case "proxypass":
		m.proxyPass(s, d, d.arg(0), d.arg(1))
	case "proxypassmatch", "rewriterule", "rewritecond", "<proxy", "<proxymatch", "alias", "scriptalias", "wsgiscriptalias", "documentroot", "fallbackresource":
		m.missing(d.as(), "Foregate sends a host's requests to one application: leave this to the web server behind it")
	case "sslcertificatefile", "sslcertificatekeyfile", "sslcertificatechainfile":
		m.certificate(d)
	case "requestheader":
		m.headers = append(m.headers, d)
	case "include", "includeoptional":
		m.missing(d.as(), "what is in that file was not read: run this command on the whole configuration")
	case "<location", "<directory", "<locationmatch", "<directorymatch", "<files", "<filesmatch", "<if", "<else", "<elseif":
		m.section(s, d)
	case "proxypreservehost", "sslproxycacertificatefile", "sslproxyengine", "sslproxyverify":
		m.proxying(s, d)
	}
}

func (m *openidc) proxying(s *site, d *directive) {
	switch {
	case d.name == "sslproxycacertificatefile":
		s.ca = d.arg(0)
	case d.name == "sslproxyverify" && strings.EqualFold(d.arg(0), "none"):
		m.missing(d.as(), "the application's certificate is checked always: name its authority in upstream.ca")
	}
	if d.name == "proxypreservehost" {
		s.preserve(d)
	}
}

// preserve: Apache sends the application's own name unless told otherwise.
func (s *site) preserve(d *directive) {
	if strings.EqualFold(d.arg(0), "on") {
		s.host = "-"
	}
}

func (m *openidc) proxyPass(s *site, d *directive, path, address string) {
	if address == "!" || address == "" {
		m.missing(d.as(), "Foregate sends all of a host to one application")
		return
	}
	u, err := url.Parse(address)
	if err == nil && (u.Scheme == "ws" || u.Scheme == "wss") {
		return // WebSockets pass by themselves
	}
	// Apache puts the one path in place of the other.
	if err == nil && path != "/" {
		to := u.Path
		u.Path, u.RawPath = "", ""
		if strings.HasSuffix(path, "/") == strings.HasSuffix(to, "/") && to != "" && strings.Trim(to, "/") != "" && s.branchOf(path, u.String(), to) {
			return
		}
	}
	if err != nil || path != "/" || u.Path != "" && u.Path != "/" || upstreamOf(address) == "" || s.upstream != "" {
		m.missing(d.as(), "an upstream that is no part of the host by a plain path, or of another kind than http: see upstreams of the app")
		return
	}
	s.upstream = upstreamOf(address)
}

func (m *openidc) certificate(d *directive) {
	switch d.name {
	case "sslcertificatechainfile":
		m.missing(d.as(), "append its content to the certificate's file")
	case "sslcertificatefile":
		m.tls = append(m.tls, field{"cert", yamlText(d.arg(0))})
	default:
		m.tls = append(m.tls, field{"key", yamlText(d.arg(0))})
	}
}

// oidc takes a directive of the module. A host of its own may say something else than
// another; then the first counts, and a person is told.
func (m *openidc) oidc(d *directive) {
	said := strings.Join(d.args, " ")
	if before, ok := m.seen[d.name]; ok && before != said {
		m.missing(d.as(), "is given twice with different values: the first was taken; make a second method for the other")
		return
	}
	m.seen[d.name] = said
	if text, ok := openidcChecked[d.name]; ok {
		m.check(d.as(), text)
		return
	}
	if text, ok := openidcGone[d.name]; ok {
		m.missing(d.as(), text)
		return
	}
	if key, ok := openidcCopied[d.name]; ok {
		m.copy(d.as(), key, d.arg(0))
		return
	}
	m.value(d)
}

var openidcCopied = map[string]string{
	"oidcclientid": "client_id", "oidcproviderissuer": "issuer", "oidcproviderauthorizationendpoint": "authorization_endpoint",
	"oidcprovidertokenendpoint": "token_endpoint", "oidcprovideruserinfoendpoint": "userinfo_endpoint", "oidcproviderjwksuri": "jwks_uri",
	"oidcproviderendsessionendpoint": "end_session_endpoint", "oidccabundlepath": "ca",
}

func (m *openidc) value(d *directive) {
	v := d.arg(0)
	switch d.name {
	case "oidcprovidermetadataurl":
		m.metadata(d)
	case "oidcclientsecret":
		m.clientSecret(d)
	case "oidcredirecturi":
		m.redirect = d
	case "oidcscope":
		m.method.put("scopes", strings.Fields(v))
	case "oidcresponsemode":
		if v == "query" || v == "form_post" {
			m.method.put("response_mode", v)
		} else {
			m.missing(d.as(), "only query and form_post are used")
		}
	case "oidcprovidertokenendpointauth":
		m.clientAuth(d)
	case "oidcremoteuserclaim":
		m.remoteUser(d)
	case "oidcauthnheader":
		m.authn = v
	case "oidcclaimprefix":
		m.prefix = v
	case "oidcsessioninactivitytimeout", "oidcsessionmaxduration":
		m.lasting(d)
	case "oidccookiedomain":
		m.cookie.put("domain", strings.TrimPrefix(strings.ToLower(v), "."))
	case "oidccookie":
		if cookieText.MatchString(v) {
			m.cookie.put("name", v)
		}
	case "oidcproviderauthrequestparams", "oidcauthrequestparams":
		m.parameters(d)
	case "oidcrediscacheserver":
		m.redis.put("addresses", []string{withPort(v, "6379")})
	case "oidcrediscachepassword":
		m.redis.put("password", m.secret(d.as(), "FOREGATE_REDIS_PASSWORD"))
	case "oidcrediscacheusername":
		m.redis.put("username", v)
	case "oidcrediscachedatabase":
		if n, err := strconv.Atoi(v); err == nil && n > 0 && n <= 1024 {
			m.redis.put("database", n)
		}
	default:
		if !openidcSettled[d.name] {
			m.missing(d.as(), "is not known to this command: see whether somebody relies on it")
		}
	}
}

func (m *openidc) metadata(d *directive) {
	const discovery = "/.well-known/openid-configuration"
	issuer, ok := strings.CutSuffix(d.arg(0), discovery)
	if !ok {
		m.check(d.as(), "the address does not end with "+discovery+": compare issuer with what the document says")
	}
	m.copy(d.as(), "issuer", issuer)
	m.check(d.as(), "issuer must be what the document there calls itself, to the letter; foregate validate --online says so")
}

func (m *openidc) clientSecret(d *directive) {
	if file, ok := strings.CutPrefix(d.arg(0), "exec:"); ok {
		if cat := strings.Fields(file); len(cat) == 2 && strings.HasSuffix(cat[0], "cat") {
			m.method.put("client_secret", ref("file", cat[1]))
			return
		}
		m.missing(d.as(), "no program is run: put what it prints into the environment variable")
	}
	m.method.put("client_secret", m.secret(d.as(), "FOREGATE_CLIENT_SECRET"))
}

func (m *openidc) clientAuth(d *directive) {
	switch d.arg(0) {
	case "client_secret_basic":
		m.method.put("client_auth", "basic")
	case "client_secret_post":
		m.method.put("client_auth", "post")
	default:
		m.missing(d.as(), "write client_auth and private_key by hand")
	}
}

func (m *openidc) remoteUser(d *directive) {
	claim, qualified := strings.CutSuffix(d.arg(0), "@")
	m.claims.put("user", []string{claim})
	if qualified || len(d.args) > 1 {
		m.missing(d.as(), "the name goes to the application as the claim has it, without the issuer behind an @ and without an expression")
	}
}

func (m *openidc) lasting(d *directive) {
	seconds, err := strconv.ParseInt(d.arg(0), 10, 32)
	if err != nil || seconds < 1 || seconds > 8760*3600 {
		m.check(d.as(), "was left at Foregate's default")
		return
	}
	length := (time.Duration(seconds) * time.Second).String()
	if d.name == "oidcsessionmaxduration" {
		m.session.put("lifetime", length)
		return
	}
	m.idle = length
}

func (m *openidc) parameters(d *directive) {
	q, err := url.ParseQuery(d.arg(0))
	if err != nil {
		m.missing(d.as(), "is no query; write extra_parameters by hand")
		return
	}
	var f fields
	for _, name := range sortedKeys(q) {
		switch v := q.Get(name); name {
		case "prompt":
			m.method.put("prompt", v)
		case "acr_values":
			m.method.put("acr_values", strings.Fields(v))
		case "scope", "state", "nonce", "client_id", "redirect_uri", "response_type", "response_mode", "code_challenge", "code_challenge_method", "max_age", "login_hint":
			m.check(d.as(), "the parameter "+name+" is Foregate's own and was left out")
		default:
			f.put(name, v)
		}
	}
	m.method.put("extra_parameters", f)
}
