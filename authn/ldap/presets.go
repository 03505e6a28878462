package ldap

import "strings"

const (
	presetAD      = "active-directory"
	presetFreeIPA = "freeipa"

	fromInChain  = "in_chain"
	fromMemberOf = "member_of"
	fromMembers  = "members"
	fromNone     = "none"

	nestingWalk = "walk"
	nestingNone = "none"

	nameCN = "cn"
	nameDN = "dn"
)

// preset is what is known about a kind of directory. It fills keys that were left
// empty and never overrides what an administrator wrote.
type preset struct {
	filter      string
	names       Names
	attributes  Attributes
	from        string
	nesting     string
	groupFilter string
}

// presets is read only.
var presets = map[string]preset{
	presetAD: {
		// objectCategory leaves out computers, which are users in objectClass.
		filter: "(&(objectCategory=person)(objectClass=user))",
		names:  Names{Attributes: []string{"sAMAccountName"}, AddressAttributes: []string{"userPrincipalName"}},
		attributes: Attributes{
			Key: "objectGUID", User: []string{"sAMAccountName"},
			Keep: []string{"sAMAccountName", "sn", "givenName", "mail", "userAccountControl"},
		},
		from: fromInChain, nesting: nestingWalk,
		groupFilter: "(objectClass=group)",
	},
	"openldap": {
		filter: "(|(objectClass=person)(objectClass=posixAccount))",
		names:  Names{Attributes: []string{"uid"}, AddressAttributes: []string{"mail"}},
		attributes: Attributes{
			Key: "entryUUID", User: []string{"uid"},
			Keep: []string{"uid", "sn", "givenName", "mail"},
		},
		// Its overlay memberof is not always there, and knows no groups in groups.
		from: fromMembers, nesting: nestingWalk,
		groupFilter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
	},
	// The MemberOf plug-in of 389 DS and FreeIPA writes the groups above too.
	"389ds": {
		filter: "(|(objectClass=person)(objectClass=posixAccount))",
		names:  Names{Attributes: []string{"uid"}, AddressAttributes: []string{"mail"}},
		attributes: Attributes{
			Key: "nsUniqueId", User: []string{"uid"},
			Keep: []string{"uid", "sn", "givenName", "mail"},
		},
		from: fromMemberOf, nesting: nestingNone,
		groupFilter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
	},
	presetFreeIPA: {
		filter: "(objectClass=posixAccount)",
		names:  Names{Attributes: []string{"uid"}, AddressAttributes: []string{"krbPrincipalName", "mail"}},
		attributes: Attributes{
			Key: "ipaUniqueID", User: []string{"uid"},
			Keep: []string{"uid", "sn", "givenName", "mail"},
		},
		from: fromMemberOf, nesting: nestingNone,
		groupFilter: "(objectClass=ipaUserGroup)",
	},
}

func (c *Config) apply(p preset) {
	fill(&c.Filter, p.filter)
	fillList(&c.Names.Attributes, p.names.Attributes)
	fillList(&c.Names.AddressAttributes, p.names.AddressAttributes)
	fill(&c.Attributes.Key, p.attributes.Key)
	fillList(&c.Attributes.User, p.attributes.User)
	fillList(&c.Attributes.Email, []string{"mail"})
	fillList(&c.Attributes.Name, []string{"displayName", "cn"})
	fillList(&c.Attributes.Keep, p.attributes.Keep)
	fill(&c.Groups.From, p.from)
	fill(&c.Groups.Nesting, p.nesting)
	fill(&c.Groups.Filter, p.groupFilter)
	if c.Preset == presetFreeIPA && c.BaseDN != "" {
		// memberOf names roles, permissions and sudo rules beside the groups.
		base := c.BaseDN
		if !strings.HasPrefix(strings.ToLower(base), "cn=accounts,") {
			base = "cn=accounts," + base
		}
		fill(&c.Groups.BaseDN, "cn=groups,"+base)
	}
	fill(&c.Groups.BaseDN, c.BaseDN)
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
