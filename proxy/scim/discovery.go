package scim

import (
	"net/http"
	"strings"

	"github.com/elimity-com/scim/schema"
)

// discover answers what this service can do (RFC 7644, section 4).
func (c *call) discover(kind, id string) (answer, error) {
	var all []map[string]any
	switch kind {
	case "ServiceProviderConfig":
		if id != "" {
			return answer{}, notFound()
		}
		return answer{status: http.StatusOK, body: c.serviceConfig()}, nil
	case "ResourceTypes":
		all = []map[string]any{c.typeOf(&c.user), c.typeOf(&c.group)}
	case "Schemas":
		for _, s := range []schema.Schema{c.user.core, *c.user.more, c.group.core} {
			doc := s.ToMap()
			doc["meta"] = map[string]any{"resourceType": "Schema", "location": c.at.Base + "/Schemas/" + s.ID}
			all = append(all, doc)
		}
	}
	if id == "" {
		if c.r.URL.Query().Get("filter") != "" {
			return answer{}, &problem{status: http.StatusForbidden, detail: "/" + kind + " cannot be filtered."} // section 4
		}
		return answer{status: http.StatusOK, body: list(all, len(all), 1)}, nil
	}
	for _, doc := range all {
		if name, _ := doc["id"].(string); strings.EqualFold(name, id) {
			return answer{status: http.StatusOK, body: doc}, nil
		}
	}
	return answer{}, notFound()
}

// serviceConfig implements RFC 7643, section 5.
func (c *call) serviceConfig() map[string]any {
	off := map[string]any{"supported": false}
	return map[string]any{
		"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         map[string]any{"supported": true, "maxResults": maxPage},
		"changePassword": off,
		"sort":           off,
		"etag":           map[string]any{"supported": true},
		"authenticationSchemes": []map[string]any{{
			"type": "oauthbearertoken", "name": "Bearer token", "primary": true, "specUri": "https://www.rfc-editor.org/info/rfc6750",
			"description": "The token of the organisation.",
		}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": c.at.Base + "/ServiceProviderConfig"},
	}
}

// typeOf implements RFC 7643, section 6.
func (c *call) typeOf(res *resource) map[string]any {
	doc := map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
		"id":      res.name, "name": res.name, "endpoint": res.endpoint, "schema": res.core.ID,
		"description": res.core.Description.Value(),
		"meta":        map[string]any{"resourceType": "ResourceType", "location": c.at.Base + "/ResourceTypes/" + res.name},
	}
	if res.more != nil {
		doc["schemaExtensions"] = []map[string]any{{"schema": res.more.ID, "required": false}}
	}
	return doc
}

// list is a page of resources (RFC 7644, section 3.4.2).
func list(page []map[string]any, total, start int) map[string]any {
	if page == nil {
		page = []map[string]any{}
	}
	return map[string]any{
		"schemas": []string{listSchema}, "totalResults": total, "itemsPerPage": len(page), "startIndex": start, "Resources": page,
	}
}
