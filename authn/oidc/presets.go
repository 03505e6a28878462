package oidc

// A preset is what is known about a provider. It fills keys that were left
// empty and never overrides what an administrator wrote.
type preset struct {
	issuer     string
	auth       string
	keyAlg     string
	mode       string
	userInfo   string
	scopes     []string
	algorithms []string
	acrValues  []string
	hosts      []string
	extra      map[string]string
	require    map[string]string
	claims     Claims
}

const (
	presetEntra  = "entra"
	presetGoogle = "google"
)

// presets is read only. The row without a name holds the general defaults.
var presets = map[string]preset{
	"": {
		auth:       authBasic,
		mode:       modeQuery,
		userInfo:   infoAuto,
		scopes:     []string{"openid", "profile", "email"},
		algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
		claims: Claims{
			User:              []string{"preferred_username", "email", "sub"},
			Email:             []string{"email"},
			EmailVerified:     "email_verified",
			Name:              []string{"name"},
			PreferredUsername: []string{"preferred_username"},
			Groups:            []string{"groups"},
		},
	},
	// Microsoft Entra ID. The person's key is tid and oid, see entra.go. It never
	// sends email_verified; xms_edov is the optional claim that says as much.
	presetEntra: {
		mode:       modeFormPost,
		algorithms: []string{"RS256"},
		hosts:      []string{"graph.microsoft.com"},
		claims:     Claims{User: []string{"preferred_username", "upn", "oid"}, EmailVerified: "xms_edov"},
	},
	presetGoogle: {
		issuer:     "https://accounts.google.com",
		algorithms: []string{"RS256"},
		hosts:      []string{"oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"},
		claims:     Claims{User: []string{"email", "sub"}, PreferredUsername: []string{"email"}},
	},
	// AD FS 2016 and later. Without allatclaims it keeps the rules' claims out of
	// the ID token, and its userinfo endpoint knows nothing but sub.
	"adfs": {
		mode:     modeFormPost,
		userInfo: infoNever,
		scopes:   []string{"openid", "allatclaims"},
		claims: Claims{
			User:              []string{"upn", "unique_name", "sub"},
			PreferredUsername: []string{"upn", "unique_name"},
			Name:              []string{"name", "unique_name"},
			Groups:            []string{"group", "groups"},
		},
	},
	"keycloak": {
		claims: Claims{Groups: []string{"groups", "realm_access.roles"}},
	},
	// NHS login: patients and citizens. It has no end-session endpoint.
	"nhs-login": {
		auth:       authPrivateKey,
		keyAlg:     "RS512",
		algorithms: []string{"RS512"},
		extra:      map[string]string{"vtr": `["P9.Cp.Cd","P9.Cp.Ck","P9.Cm"]`},
		require: map[string]string{
			"identity_proofing_level": "P9",
			"vot":                     "P9.Cp.Cd P9.Cp.Ck P9.Cm",
		},
		claims: Claims{User: []string{"sub"}},
	},
	// NHS Care Identity Service 2: staff, with smartcard or another AAL3 authenticator.
	"nhs-cis2": {
		auth:      authPrivateKey,
		keyAlg:    "RS512",
		userInfo:  infoAlways,
		scopes:    []string{"openid", "profile", "email", "nhsperson", "nationalrbacaccess", "selectedrole"},
		acrValues: []string{"AAL3_ANY"},
		require:   map[string]string{"authentication_assurance_level": "3"},
		claims: Claims{
			User:              []string{"uid", "nhsid_useruid", "sub"},
			PreferredUsername: []string{"uid", "nhsid_useruid"},
			Groups:            []string{"nhsid_nrbac_roles.role_code"},
		},
	},
}

func apply(c *Config, p preset) {
	fill(&c.Issuer, p.issuer)
	fill(&c.ClientAuth, p.auth)
	fill(&c.PrivateKeyAlg, p.keyAlg)
	fill(&c.ResponseMode, p.mode)
	fill(&c.UserInfo, p.userInfo)
	fillList(&c.Scopes, p.scopes)
	fillList(&c.Algorithms, p.algorithms)
	fillList(&c.ACRValues, p.acrValues)
	fillList(&c.EndpointHosts, p.hosts)
	fillMap(&c.ExtraParameters, p.extra)
	fillMap(&c.RequireClaims, p.require)
	fillList(&c.Claims.User, p.claims.User)
	fillList(&c.Claims.Email, p.claims.Email)
	fill(&c.Claims.EmailVerified, p.claims.EmailVerified)
	fillList(&c.Claims.Name, p.claims.Name)
	fillList(&c.Claims.PreferredUsername, p.claims.PreferredUsername)
	fillList(&c.Claims.Groups, p.claims.Groups)
}

func fill(key *string, value string) {
	if *key == "" {
		*key = value
	}
}

func fillList(key *[]string, value []string) {
	if len(*key) == 0 {
		*key = value
	}
}

func fillMap(key *map[string]string, value map[string]string) {
	if len(*key) == 0 {
		*key = value
	}
}
