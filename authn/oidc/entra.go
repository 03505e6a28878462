package oidc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"foregate/authn"
)

// Microsoft Entra ID. sub differs from application to application there and an
// e-mail address can be set to anything by the administrator of any tenant; what
// stays with a person is the tenant (tid) and the object in it (oid).

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// issuerOf fills the tenant into the issuer of an endpoint that tenants share.
func (md *metadata) issuerOf(tenant string) string {
	return strings.ReplaceAll(md.Issuer, tenantTemplate, tenant)
}

// checkTenant gives an Entra token its real issuer and subject. Tokens of other
// providers stay as they are.
func (m *Method) checkTenant(id *idToken, md *metadata) error {
	if m.cfg.Preset != presetEntra {
		return nil
	}
	tid, oid := strings.ToLower(id.claims.text("tid")), strings.ToLower(id.claims.text("oid"))
	if !guid.MatchString(tid) || !guid.MatchString(oid) {
		return errors.New("lacks tid or oid; is profile among the scopes?")
	}
	if len(m.cfg.Tenants) > 0 && !slices.ContainsFunc(m.cfg.Tenants, func(t string) bool { return strings.EqualFold(t, tid) }) {
		return fmt.Errorf("tenant %s is not one of tenants", tid)
	}
	issuer := md.issuerOf(tid)
	if id.claims.text("iss") != issuer {
		return fmt.Errorf("iss is not that of tenant %s", tid)
	}
	// An issuer of one tenant speaks for that tenant only.
	if !strings.Contains(strings.ToLower(issuer), "/"+tid) {
		return fmt.Errorf("tenant %s is not that of the issuer", tid)
	}
	id.issuer, id.subject = issuer, tid+":"+oid
	return nil
}

// checkOverage fails when the groups were too many for the token. Entra leaves
// them all out then and only says where they could be asked for; taken as "no
// groups", that would wrongly refuse or, with a rule that excludes a group,
// wrongly admit. It matters for every preset: Entra can be configured without one.
func checkOverage(c claims) error {
	_, named := c.at("/_claim_names/groups")
	if !named && !c.has("hasgroups") && !c.has("groups:src1") {
		return nil
	}
	return authn.Refused("You are in more groups than the sign-in service can tell us. Tell your IT department; they can change that.",
		errors.New("oidc: groups overage: in the application's token configuration choose groups assigned to the application, or app roles with claims.groups: [roles]"))
}
