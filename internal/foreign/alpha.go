package foreign

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// alphaNames are the settings that keys of the YAML stand for, by their path.
// Numbers of lists are left out of it.
var alphaNames = map[string]string{
	"providers.provider": "provider", "providers.clientID": "client_id", "providers.clientSecret": "client_secret",
	"providers.clientSecretFile": "client_secret_file", "providers.name": "provider_display_name", "providers.scope": "scope",
	"providers.allowedGroups": "allowed_group", "providers.caFiles": "provider_ca_file", "providers.code_challenge_method": "code_challenge_method",
	"providers.loginURL": "login_url", "providers.redeemURL": "redeem_url", "providers.profileURL": "profile_url", "providers.backendLogoutURL": "backend_logout_url",
	"providers.oidcConfig.issuerURL": "oidc_issuer_url", "providers.oidcConfig.jwksURL": "oidc_jwks_url", "providers.oidcConfig.skipDiscovery": "skip_oidc_discovery",
	"providers.oidcConfig.emailClaim": "oidc_email_claim", "providers.oidcConfig.groupsClaim": "oidc_groups_claim", "providers.oidcConfig.userIDClaim": "user_id_claim",
	"providers.oidcConfig.insecureAllowUnverifiedEmail": "insecure_oidc_allow_unverified_email", "providers.oidcConfig.insecureSkipNonce": "insecure_oidc_skip_nonce",
	"providers.oidcConfig.insecureSkipIssuerVerification": "insecure_oidc_skip_issuer_verification", "providers.oidcConfig.audienceClaims": "oidc_audience_claim",
	"providers.oidcConfig.extraAudiences": "oidc_extra_audience",
	"providers.azureConfig.tenant":        "azure_tenant", "providers.microsoftEntraIDConfig.allowedTenants": "entra_id_allowed_tenant",
	"providers.keycloakConfig.roles": "allowed_role", "providers.keycloakConfig.groups": "allowed_group", "providers.googleConfig.group": "google_group",
	"upstreamConfig.proxyRawPath": "proxy_raw_path", "server.BindAddress": "http_address", "server.SecureBindAddress": "https_address",
	"server.TLS.Cert.fromFile": "tls_cert_file", "server.TLS.Key.fromFile": "tls_key_file", "metricsServer.BindAddress": "metrics_address",
}

// alphaLists are read by hand: their items belong together.
var alphaLists = []string{"upstreamConfig.upstreams", "injectRequestHeaders", "injectResponseHeaders", "providers.loginURLParameters"}

type alpha struct{ all []setting }

func readAlpha(text []byte) ([]setting, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) == 0 {
		return nil, errors.New("this is not YAML")
	}
	a := new(alpha)
	a.walk("", doc.Content[0], 0)
	return a.all, nil
}

const deepest = 20

func (a *alpha) walk(path string, n *yaml.Node, depth int) {
	if depth > deepest {
		return
	}
	switch {
	case slices.Contains(alphaLists, path):
		a.list(path, n)
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			a.walk(strings.TrimPrefix(path+"."+n.Content[i].Value, "."), n.Content[i+1], depth+1)
		}
	case n.Kind == yaml.SequenceNode && path == "providers":
		for i, item := range n.Content {
			if i == 1 {
				a.all = append(a.all, setting{"providers[1]", item.Line, nil})
			}
			if i == 0 {
				a.walk(path, item, depth+1)
			}
		}
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			a.walk(path, item, depth+1)
		}
	case n.Kind == yaml.ScalarNode && path != "providers.id":
		name, ok := alphaNames[path]
		if !ok {
			name = path
		}
		a.add(name, n.Line, n.Value)
	}
}

func (a *alpha) add(name string, line int, value string) {
	for i := range a.all {
		if a.all[i].name == name {
			a.all[i].values = append(a.all[i].values, value)
			return
		}
	}
	a.all = append(a.all, setting{name, line, []string{value}})
}

func (a *alpha) list(path string, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		return
	}
	for _, item := range n.Content {
		switch path {
		case "upstreamConfig.upstreams":
			a.upstream(item)
		case "injectRequestHeaders", "injectResponseHeaders":
			a.header(path, item)
		default:
			a.all = append(a.all, setting{"loginURLParameters", item.Line, nil})
		}
	}
}

// upstream becomes an address whose path is the upstream's, as a flag would have it.
func (a *alpha) upstream(n *yaml.Node) {
	var u struct {
		Path       string `yaml:"path"`
		URI        string `yaml:"uri"`
		Rewrite    string `yaml:"rewriteTarget"`
		Static     bool   `yaml:"static"`
		StaticCode int    `yaml:"staticCode"`
		Insecure   bool   `yaml:"insecureSkipTLSVerify"`
		PassHost   *bool  `yaml:"passHostHeader"`
		Timeout    string `yaml:"timeout"`
	}
	if n.Decode(&u) != nil {
		a.all = append(a.all, setting{"upstreamConfig.upstreams", n.Line, nil})
		return
	}
	if at, err := url.Parse(u.URI); err == nil && !u.Static && at.Scheme != "file" && strings.Trim(at.Path, "/") != "" {
		a.all = append(a.all, setting{"upstreamConfig.upstreams", n.Line, nil}) // a path before a path
		return
	}
	address := u.URI
	if u.Static {
		address = "static://" + strconv.Itoa(u.StaticCode)
	} else if !strings.HasPrefix(u.URI, "file:") {
		address = strings.TrimSuffix(u.URI, "/") + u.Path
	}
	a.add("upstream", n.Line, address)
	if u.Rewrite != "" {
		a.all = append(a.all, setting{"rewriteTarget", n.Line, []string{u.Rewrite}})
	}
	if u.Insecure {
		a.add("ssl_upstream_insecure_skip_verify", n.Line, "true")
	}
	if u.PassHost != nil {
		a.add("pass_host_header", n.Line, strconv.FormatBool(*u.PassHost))
	}
	if u.Timeout != "" {
		a.add("upstream_timeout", n.Line, u.Timeout)
	}
}

// header becomes "inject" with the header's name and its claim.
func (a *alpha) header(path string, n *yaml.Node) {
	var h struct {
		Name   string `yaml:"name"`
		Values []struct {
			Claim  string    `yaml:"claim"`
			Prefix string    `yaml:"prefix"`
			Basic  yaml.Node `yaml:"basicAuthPassword"`
		} `yaml:"values"`
	}
	if n.Decode(&h) != nil || len(h.Values) != 1 || h.Values[0].Claim == "" || h.Values[0].Prefix != "" || h.Values[0].Basic.Kind != 0 || path == "injectResponseHeaders" {
		a.all = append(a.all, setting{path, n.Line, []string{h.Name}})
		return
	}
	a.all = append(a.all, setting{"inject", n.Line, []string{h.Name, h.Values[0].Claim}})
}
