package saml

import (
	"regexp"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

const (
	maxScopes  = 100
	maxPattern = 200 // bytes of a scope that is a regular expression

	scopedAffiliation = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"
	entitlement       = "urn:oid:1.3.6.1.4.1.5923.1.1.1.7"
)

// scope is a domain for whose people a provider speaks, as its federation has registered it
// (shibmd:Scope of the Shibboleth Metadata Profile).
type scope struct {
	domain  string
	pattern *regexp.Regexp // in place of domain
}

// scopedAttributes have values of the form something@scope.
var scopedAttributes = []string{
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "eduPersonPrincipalName",
	scopedAffiliation, "eduPersonScopedAffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.13", "eduPersonUniqueId",
	"urn:oasis:names:tc:SAML:attribute:subject-id",
	"urn:oasis:names:tc:SAML:attribute:pairwise-id",
}

// fillScopes reads the scopes of the role, and those of the whole entity.
func (p *provider) fillScopes(entity, role *etree.Element) {
	for _, el := range []*etree.Element{role, entity} {
		for _, ext := range children(el, nsMetadata, "Extensions") {
			for _, s := range children(ext, nsScope, "Scope") {
				if one, ok := scopeOf(s); ok && len(p.scopes) < maxScopes {
					p.scopes = append(p.scopes, one)
				}
			}
		}
	}
}

func scopeOf(el *etree.Element) (scope, bool) {
	s := text(el)
	if s == "" || len(s) > maxPattern {
		return scope{}, false
	}
	if r := attr(el, "regexp"); r != "true" && r != "1" {
		return scope{domain: s}, true
	}
	// The whole domain has to fit, whatever the pattern says of its ends. The matching
	// takes time that grows with the domain alone.
	pattern, err := regexp.Compile(`^(?:` + s + `)$`)
	return scope{pattern: pattern}, err == nil
}

// vouches reports whether the provider may speak for a domain.
func (p *provider) vouches(domain string) bool {
	return domain != "" && len(domain) <= 255 && slices.ContainsFunc(p.scopes, func(s scope) bool {
		if s.pattern != nil {
			return s.pattern.MatchString(domain)
		}
		return strings.EqualFold(s.domain, domain)
	})
}

// domainOf is what stands after the only @; empty where there is none, or several.
func domainOf(s string) string {
	local, domain, _ := strings.Cut(s, "@")
	if local == "" || strings.Contains(domain, "@") {
		return ""
	}
	return domain
}

// keepScoped takes away the values with a scope that is not the provider's. A provider
// whose metadata registers none is asked about none, except in a federation: there it
// could speak for the others' people.
func (f facts) keepScoped(p *provider, federation bool) (dropped []string) {
	if len(p.scopes) == 0 && !federation {
		return nil
	}
	for _, name := range scopedAttributes {
		kept := slices.DeleteFunc(slices.Clone(f.attributes[name]), func(v string) bool { return !p.vouches(domainOf(v)) })
		if len(kept) < len(f.attributes[name]) {
			dropped = append(dropped, name)
			f.attributes[name] = kept
		}
	}
	return dropped
}
