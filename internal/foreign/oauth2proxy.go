package foreign

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// OAuth2Proxy drafts a configuration from oauth2-proxy's, in any of its shapes: a
// cfg file (TOML), alpha YAML, flags, environment variables.
func OAuth2Proxy(text []byte) (*Draft, error) {
	all, err := readSettings(text)
	if err != nil {
		return nil, fmt.Errorf("oauth2-proxy: %w", err)
	}
	o := &oauth2proxy{given: make(map[string]setting)}
	for _, s := range all {
		o.given[s.name] = s
	}
	o.methodName, o.kind = "sso", "oidc"
	o.apps = []app{{name: "app"}}
	for _, s := range all {
		o.take(s)
	}
	o.provider()
	o.app()
	o.who()
	return o.finish()
}

type oauth2proxy struct {
	work
	given    map[string]setting
	opened   []rule   // what nobody needs to sign in for
	networks []string // from where nobody needs to
}

// copied are settings that are ours by another name.
var copied = map[string]string{
	"oidc_issuer_url": "issuer", "client_id": "client_id", "prompt": "prompt",
	"login_url": "authorization_endpoint", "redeem_url": "token_endpoint", "profile_url": "userinfo_endpoint", "oidc_jwks_url": "jwks_uri",
}

// settled are settings that need nothing: Foregate does so always, or has no use for them.
var settled = map[string]string{
	"code_challenge_method": "", "skip_provider_button": "", "cookie_httponly": "", "cookie_csrf_per_request": "", "cookie_csrf_expire": "", "proxy_websockets": "",
	"encode_state": "", "session_cookie_minimal": "", "skip_oidc_discovery": "", "oidc_email_claim": "", "redirect_url": "", "cookie_refresh": "", "reverse_proxy": "",
	"provider": "", "azure_tenant": "", "client_secret": "", "client_secret_file": "", "api_route": "", "gcp_healthchecks": "", "silence_ping_logging": "",
	"cookie_csrf_per_request_limit": "", "session_store_type": "", "force_json_errors": "", "show_debug_on_error": "", "relative_redirect_url": "", "insecure_oidc_allow_unverified_email": "",
	"redis_connection_url": "", "redis_use_sentinel": "", "redis_use_cluster": "", "redis_sentinel_master_name": "", "redis_sentinel_connection_url": "", "redis_cluster_connection_url": "",
	"redis_password": "", "redis_username": "", "redis_ca_path": "", "pass_user_headers": "", "set_xauthrequest": "", "prefer_email_to_user": "", "ssl_upstream_insecure_skip_verify": "",
}

// checked are settings that Foregate answers in its own way.
var checked = map[string]string{
	"cookie_secret":          "not taken over: Foregate makes a secret of its own at the first start, and everybody signs in once more",
	"cookie_secret_file":     "not taken over: Foregate makes a secret of its own at the first start, and everybody signs in once more",
	"cookie_secure":          "the cookie is secure whenever people come by https; behind a TLS terminator list it in trusted_proxies",
	"cookie_samesite":        "the session's cookie is SameSite=Lax",
	"cookie_path":            "the session's cookie is for every path",
	"proxy_prefix":           "Foregate's own pages are below /sso; change links to sign_in and sign_out, or set prefix",
	"metrics_address":        "figures are at /metrics on listen.admin",
	"ping_path":              "health checks are /healthz and /readyz on listen.admin",
	"ready_path":             "health checks are /healthz and /readyz on listen.admin",
	"backend_logout_url":     "people are signed out at the provider by its end_session_endpoint, which discovery names",
	"force_https":            "with listen.https and listen.http both given, http redirects to https",
	"request_logging":        "set log.access",
	"standard_logging":       "set log.level",
	"auth_logging":           "sign-ins are in the log and in the audit trail always",
	"logging_filename":       "logs go to standard error",
	"request_logging_format": "log lines have fixed fields", "auth_logging_format": "log lines have fixed fields", "standard_logging_format": "log lines have fixed fields",
	"insecure_oidc_skip_nonce": "the nonce is checked always: a provider that leaves it out cannot be used",
}

// gone are settings without a counterpart.
var gone = map[string]string{
	"pass_access_token":                      "the provider's access token is not sent; headers.map can send the claim access_token where the application needs it (docs/operate.md)",
	"pass_authorization_header":              "the provider's ID token is not sent; use headers.assertion, a signed token of Foregate's own",
	"set_authorization_header":               "the provider's ID token is not sent; use headers.assertion, a signed token of Foregate's own",
	"pass_basic_auth":                        "no Basic credentials are sent; applications read the identity headers",
	"basic_auth_password":                    "no Basic credentials are sent; applications read the identity headers",
	"set_basic_auth":                         "no Basic credentials are sent; applications read the identity headers",
	"skip_jwt_bearer_tokens":                 "bearer tokens are not taken in place of a session",
	"extra_jwt_issuer":                       "bearer tokens are not taken in place of a session",
	"oidc_extra_audience":                    "an ID token must be for client_id itself",
	"oidc_audience_claim":                    "an ID token must be for client_id itself, in aud",
	"htpasswd_file":                          "make accounts for these people and add the method local beside this one",
	"display_htpasswd_form":                  "make accounts for these people and add the method local beside this one",
	"htpasswd_user_group":                    "make accounts for these people and add the method local beside this one",
	"custom_templates_dir":                   "pages have page.title, logo, colour, help and footer",
	"ssl_insecure_skip_verify":               "the provider's certificate is checked always: name its authority in oidc.ca",
	"insecure_oidc_skip_issuer_verification": "the issuer is checked always; for Microsoft use preset: entra with tenants",
	"signature_key":                          "requests are not signed by GAP-Signature; use headers.assertion",
	"google_admin_email":                     "Google's groups are not asked for", "google_service_account_json": "Google's groups are not asked for",
	"google_use_application_default_credentials": "Google's groups are not asked for", "google_target_principal": "Google's groups are not asked for",
	"pubjwk_url": "use oidc with private_key_jwt", "jwt_key": "use oidc with private_key_jwt", "jwt_key_file": "use oidc with private_key_jwt",
	"redis_insecure_skip_tls_verify": "Redis's certificate is checked always: name its authority in storage.redis.tls.ca",
	"rewriteTarget":                  "paths go to the application as they came",
	"loginURLParameters":             "write what the provider needs to oidc.extra_parameters",
	"providers[1]":                   "only the first provider was taken over; add the others to methods",
	"injectResponseHeaders":          "headers go to the application only, or to a proxy in front by forward auth",
	"injectRequestHeaders":           "this header is made of something else than one claim; see headers.map",
	"proxy_raw_path":                 "see raw_path of the app",
}

// take does what a setting asks for by itself; those that belong together wait for
// provider, app and who.
func (o *oauth2proxy) take(s setting) {
	a := &o.apps[0]
	if text, ok := checked[s.name]; ok {
		o.check(s, text)
		return
	}
	if text, ok := gone[s.name]; ok {
		if s.on() || len(s.values) == 0 || s.one() != "false" && s.one() != "" {
			o.missing(s, text)
		}
		return
	}
	if key, ok := copied[s.name]; ok {
		o.copy(s, key, s.one())
		return
	}
	switch s.name {
	case "scope":
		o.method.put("scopes", strings.Fields(s.one()))
	case "provider_ca_file":
		o.single(s, func(file string) { o.method.put("ca", file) })
	case "oidc_groups_claim":
		o.claims.put("groups", []string{s.one()})
	case "user_id_claim":
		if s.one() != "email" {
			o.claims.put("user", []string{s.one()})
		}
	case "acr_values":
		o.method.put("acr_values", strings.Fields(s.one()))
	case "approval_prompt":
		o.check(s, "write prompt: "+clean(s.one())+" if the provider asks for it")
	case "provider_display_name":
		o.title = "Sign in with " + clean(s.one())
	case "http_address", "https_address":
		o.listenAt(s)
	case "tls_cert_file", "tls_key_file", "tls_min_version", "tls_cipher_suite":
		o.certificate(s)
	case "cookie_name":
		o.cookieName(s)
	case "cookie_domain":
		o.cookieDomain(s)
	case "cookie_expire":
		o.lasting(s, &o.session, "lifetime")
	case "upstream":
		o.upstreams(s)
	case "upstream_timeout":
		if d, err := time.ParseDuration(s.one()); err == nil && d >= 100*time.Millisecond && d <= 24*time.Hour {
			a.timeout = d.String()
		}
	case "pass_host_header":
		if !s.on() {
			a.host = "upstream" // filled in with its host
		}
	case "skip_auth_route", "skip_auth_regex", "skip_auth_preflight", "trusted_ip":
		o.open(s)
	case "trusted_proxy_ip":
		for _, v := range s.values {
			o.trusted = append(o.trusted, prefixOf(v)...)
		}
	case "whitelist_domain":
		o.returns(s)
	case "banner":
		if s.one() != "-" {
			o.check(s, "write what people must know to page.help or page.footer of the app")
		}
	case "footer":
		if v := clean(s.one()); v != "" && v != "-" && !strings.ContainsAny(v, "<>") {
			a.page.put("footer", v)
		}
	case "custom_sign_in_logo":
		o.check(s, "name the picture, as a file, in page.logo of the app")
	case "inject":
		o.inject(s)
	default:
		o.unknown(s)
	}
}

func (o *oauth2proxy) unknown(s setting) {
	_, known := settled[s.name]
	if !known && !restricts[s.name] {
		o.missing(s, "is not known to this command: see whether somebody relies on it")
	}
}

// restricts are settings that keep people out; who turns them into ours.
var restricts = map[string]bool{
	"email_domain": true, "authenticated_emails_file": true, "allowed_email": true, "allowed_group": true, "allowed_role": true, "google_group": true,
	"entra_id_allowed_tenant": true, "github_org": true, "github_team": true, "github_repo": true, "github_users": true, "gitlab_group": true, "gitlab_project": true,
	"gitlab_projects": true, "keycloak_group": true, "bitbucket_team": true, "bitbucket_repository": true,
}

func (o *oauth2proxy) single(s setting, use func(string)) {
	if len(s.values) > 1 {
		o.check(s, "put all into one file: one was taken over")
	}
	use(s.one())
}

func (o *oauth2proxy) listenAt(s setting) {
	address, _ := strings.CutPrefix(s.one(), "http://")
	address, _ = strings.CutPrefix(address, "https://")
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" || strings.Trim(port, "0123456789") != "" {
		o.missing(s, "is not host:port; write listen yourself")
		return
	}
	o.listen.put(strings.TrimSuffix(s.name, "_address"), address)
}

func (o *oauth2proxy) certificate(s setting) {
	cert, key := o.given["tls_cert_file"], o.given["tls_key_file"]
	switch {
	case s.name == "tls_min_version" || s.name == "tls_cipher_suite":
		o.check(s, "TLS 1.2 and later, with Go's own choice of ciphers")
	case s.name == "tls_cert_file" && cert.one() != "" && key.one() != "":
		o.tls.put("certificates", []fields{{{"cert", yamlText(cert.one())}, {"key", yamlText(key.one())}}})
	}
	if o.given["https_address"].one() == "" && s.name == "tls_cert_file" {
		o.listen.put("https", ":443")
	}
}

func (o *oauth2proxy) cookieName(s setting) {
	name := strings.TrimPrefix(strings.TrimPrefix(s.one(), "__Host-"), "__Secure-")
	if cookieText.MatchString(name) {
		o.cookie.put("name", name)
	}
}

func (o *oauth2proxy) cookieDomain(s setting) {
	domain := strings.ToLower(strings.TrimPrefix(s.values[0], "."))
	if len(s.values) > 1 {
		o.check(s, "Foregate has one cookie domain; the first was taken")
	}
	if !hostText.MatchString(domain) || !strings.Contains(domain, ".") || strings.Contains(domain, ":") {
		return
	}
	if h := o.host(); h == domain || strings.HasSuffix(h, "."+domain) {
		o.cookie.put("domain", domain)
		o.check(s, "every host of the domain is sent the session's cookie; without it each host has its own, which is safer")
		return
	}
	o.check(s, "no host of the draft is below it, so it was left out")
}

func (o *oauth2proxy) lasting(s setting, to *fields, key string) {
	d, err := time.ParseDuration(s.one())
	if err != nil || d < time.Second || d > 8760*time.Hour {
		o.check(s, "was left at Foregate's default")
		return
	}
	to.put(key, d.String())
	o.check(s, "a session also ends when nobody did anything for session.idle, 20 minutes unless you say otherwise")
}

func prefixOf(text string) []string {
	if _, err := netip.ParsePrefix(text); err == nil {
		return []string{text}
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return []string{text}
	}
	return nil
}

// host is where people come to.
func (o *oauth2proxy) host() string {
	if h := hostOf(o.given["redirect_url"].one()); h != "" {
		return h
	}
	return "app.example"
}

// clean makes one line of text for people, without what could be a secret's escape.
func clean(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.ToValidUTF8(s, "")
}

// redisURL takes an address apart: host:port, user, whether TLS, whether a password.
func redisURL(text string) (address, user string, tls, password bool, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return "", "", false, false, false
	}
	address = u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "6379")
	}
	_, password = u.User.Password()
	return address, u.User.Username(), u.Scheme == "rediss", password, true
}
