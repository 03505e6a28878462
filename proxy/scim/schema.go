package scim

import (
	"slices"

	"github.com/elimity-com/scim/schema"
)

const (
	errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"
	listSchema  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	enterprise  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// resource is a kind of resource: what is published of it, and what documents are
// checked against.
type resource struct {
	name     string // "User"
	endpoint string // "/Users"
	core     schema.Schema
	more     *schema.Schema // an extension, may be nil

	checked schema.Schema // core and the common attributes that a client may set
}

// notKept are the attributes of RFC 7643, section 4.1, that nobody needs to sign in: what
// is not needed is not stored. A password is not for a provider to set.
var notKept = []string{"password", "ims", "photos", "entitlements", "x509Certificates"}

func userResource() resource {
	core, more := schema.CoreUserSchema(), schema.ExtensionEnterpriseUser()
	core.Attributes = slices.DeleteFunc(core.Attributes, func(a schema.CoreAttribute) bool { return slices.Contains(notKept, a.Name()) })
	return resource{name: "User", endpoint: "/Users", core: core, more: &more, checked: withExternalID(core)}
}

func groupResource() resource {
	core := schema.CoreGroupSchema()
	return resource{name: "Group", endpoint: "/Groups", core: core, checked: withExternalID(core)}
}

func withExternalID(core schema.Schema) schema.Schema {
	core.Attributes = append(slices.Clone(core.Attributes), schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{
		Name: schema.CommonAttributeExternalID, CaseExact: true,
	})))
	return core
}

// check returns what of a document in canonical spelling fits the schema; what a client
// may not set is left out.
func (res *resource) check(doc map[string]any) (map[string]any, error) {
	out, fault := res.checked.Validate(doc)
	if fault != nil {
		return nil, misfit(fault.ScimType == invalidSyntax, res.name)
	}
	if res.more == nil || doc[res.more.ID] == nil {
		return out, nil
	}
	more, fault := res.more.Validate(doc[res.more.ID])
	if fault != nil {
		return nil, misfit(fault.ScimType == invalidSyntax, res.more.ID)
	}
	out[res.more.ID] = more
	return out, nil
}

func misfit(syntax bool, what string) error {
	if syntax {
		return wrong(invalidSyntax, "This is no %s: it is not an object, or an attribute is there twice.", what)
	}
	return wrong(invalidValue, "This is no %s of its schema: an attribute that is required is missing, or one is of the wrong type. /Schemas has the types.", what)
}
