package saml

// nameID in a list of attribute names is the assertion's NameID.
const nameID = "NameID"

// presets are the attribute names that providers use. The row without a name
// holds those of the standard directory schemas (SAML 2.0 X.500/LDAP Attribute
// Profile) and the short names that SimpleSAMLphp and Keycloak send.
var presets = map[string]Attributes{
	"": {
		Subject:           []string{nameID},
		User:              []string{"urn:oid:0.9.2342.19200300.100.1.1", "uid", nameID},
		Email:             []string{"urn:oid:0.9.2342.19200300.100.1.3", "mail", "email"},
		Name:              []string{"urn:oid:2.16.840.1.113730.3.1.241", "displayName", "urn:oid:2.5.4.3", "cn"},
		GivenName:         []string{"urn:oid:2.5.4.42", "givenName"},
		FamilyName:        []string{"urn:oid:2.5.4.4", "sn"},
		PreferredUsername: []string{"urn:oid:0.9.2342.19200300.100.1.1", "uid"},
		Groups:            []string{"urn:oid:1.3.6.1.4.1.5923.1.5.1.1", "isMemberOf", "groups"},
	},
	// AD FS sends what its rules say; these are the claim types that its rule
	// templates offer.
	"adfs": {
		User: []string{
			"http://schemas.microsoft.com/ws/2008/06/identity/claims/windowsaccountname",
			"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
			nameID,
		},
		Email:             []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"},
		Name:              []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"},
		GivenName:         []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"},
		FamilyName:        []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"},
		PreferredUsername: []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"},
		Groups: []string{
			"http://schemas.xmlsoap.org/claims/Group",
			"http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
		},
	},
	// Entra ID. The object ID is the only name that a person keeps; the user
	// principal name changes with a marriage. Groups are GUIDs unless the
	// enterprise application says otherwise.
	"entra": {
		Subject:           []string{"http://schemas.microsoft.com/identity/claims/objectidentifier"},
		User:              []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"},
		Email:             []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"},
		Name:              []string{"http://schemas.microsoft.com/identity/claims/displayname"},
		GivenName:         []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"},
		FamilyName:        []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"},
		PreferredUsername: []string{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"},
		Groups: []string{
			"http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
			"http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
		},
	},
	// Shibboleth and OpenAthens: eduPerson. The subject identifiers of SAML V2.0
	// Subject Identifier Attributes Profile come before the older ones.
	"shibboleth": {
		Subject: []string{
			"urn:oasis:names:tc:SAML:attribute:subject-id",
			"urn:oasis:names:tc:SAML:attribute:pairwise-id",
			"urn:oid:1.3.6.1.4.1.5923.1.1.1.13", // eduPersonUniqueId
			nameID,
			"urn:oid:1.3.6.1.4.1.5923.1.1.1.10", // eduPersonTargetedID
		},
		User: []string{
			"urn:oid:1.3.6.1.4.1.5923.1.1.1.6", // eduPersonPrincipalName
			"urn:oasis:names:tc:SAML:attribute:subject-id",
			"urn:oasis:names:tc:SAML:attribute:pairwise-id",
			nameID,
		},
		Groups: []string{
			"urn:oid:1.3.6.1.4.1.5923.1.5.1.1", // isMemberOf
			"urn:oid:1.3.6.1.4.1.5923.1.1.1.7", // eduPersonEntitlement
			"urn:oid:1.3.6.1.4.1.5923.1.1.1.9", // eduPersonScopedAffiliation
		},
	},
	"keycloak": {
		User:              []string{"username", "uid", "urn:oid:0.9.2342.19200300.100.1.1", nameID},
		Email:             []string{"email", "urn:oid:1.2.840.113549.1.9.1"},
		GivenName:         []string{"firstName", "urn:oid:2.5.4.42"},
		FamilyName:        []string{"lastName", "urn:oid:2.5.4.4"},
		PreferredUsername: []string{"username"},
		Groups:            []string{"groups", "member", "Role"},
	},
}
