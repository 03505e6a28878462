package scim

import (
	"net/http"
	"net/url"
	"testing"

	"foregate/authn/accounts"
)

// A new user as Entra ID's default mapping sends it.
const entraUser = `{
	"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	"externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
	"userName": "alice@st-elsewhere.example",
	"active": true,
	"displayName": "Alice Archer",
	"emails": [{"primary": true, "type": "work", "value": "Alice.Archer@st-elsewhere.example"}],
	"meta": {"resourceType": "User"},
	"name": {"formatted": "Alice Archer", "familyName": "Archer", "givenName": "Alice"},
	"title": "Ward sister",
	"preferredLanguage": "en-GB",
	"roles": [],
	"phoneNumbers": [{"type": "work", "value": "+44 1632 960001"}],
	"addresses": [{"type": "work", "locality": "Riverton", "country": "GB"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "7001", "department": "Ward 7", "manager": "f2a1"}
}`

func TestEntraProvisionsAPerson(t *testing.T) {
	w := newWorld(t)

	// The test of the connection asks for somebody whom there is not.
	got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(`userName eq "7d0a3c1e-ffee-4a2b-9e60-b4e5b4a0c111"`), "")
	if got.get("totalResults") != 0.0 || got.get("Resources") == nil || got.get("schemas/0") != listSchema {
		t.Errorf("nobody: %s", got.Text)
	}

	made := w.want(201, "POST", "/Users", entraUser)
	id := made.id()
	if made.Header.Get("Location") != base+"/Users/"+id || made.get("meta/location") != base+"/Users/"+id || made.get("meta/resourceType") != "User" {
		t.Errorf("no place of its own: %v, %s", made.Header, made.Text)
	}
	for path, want := range map[string]any{
		"userName": "alice@st-elsewhere.example", "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "active": true,
		"displayName": "Alice Archer", "name/givenName": "Alice", "name/familyName": "Archer", "name/formatted": "Alice Archer", "title": "Ward sister",
		"emails/0/value": "Alice.Archer@st-elsewhere.example", "emails/0/type": "work", "emails/0/primary": true,
		"phoneNumbers/0/value": "+44 1632 960001", "addresses/0/locality": "Riverton", "preferredLanguage": "en-GB",
		enterprise + "/department": "Ward 7", enterprise + "/manager/value": "f2a1", "schemas/1": enterprise,
	} {
		if got := made.get(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	a := w.account(id)
	if a.Organisation != "st-elsewhere" || a.Kind != "staff" || a.Source != accounts.FromSCIM || a.Name != "Alice Archer" ||
		a.Email != "Alice.Archer@st-elsewhere.example" || a.Attributes["department"] != "Ward 7" || a.Attributes["employeeNumber"] != "7001" {
		t.Errorf("the account is %+v", a)
	}

	w.refused(http.StatusConflict, uniqueness, "POST", "/Users", entraUser)
	for _, filter := range []string{
		`userName eq "ALICE@st-elsewhere.example"`, `externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`,
		`emails[type eq "work"].value eq "alice.archer@st-elsewhere.example"`,
		`emails[type eq "work" and value co "archer"]`, `emails eq "ALICE.archer@st-elsewhere.example"`, `id eq "` + id + `" and active eq true`,
	} {
		got := w.send("GET", "/Users?filter="+url.QueryEscape(filter), "")
		if got.Code != 200 || got.get("totalResults") != 1.0 || got.get("Resources/0/id") != id || got.get("itemsPerPage") != 1.0 {
			t.Errorf("%s: %d %s", filter, got.Code, got.Text)
		}
	}
}

// Each PATCH is in a spelling that Entra ID or Okta is known to send.
func TestPatchesAsProvidersSpellThem(t *testing.T) {
	tests := map[string]struct {
		ops  string
		want map[string]any
	}{
		"capital op, text for a boolean": {`{"op":"Replace","path":"active","value":"False"}`, map[string]any{"active": false}},
		"a boolean":                      {`{"op":"replace","path":"active","value":false}`, map[string]any{"active": false}},
		"no path, text for a boolean":    {`{"op":"Replace","value":{"active":"False"}}`, map[string]any{"active": false}},
		"Okta deactivates":               {`{"op":"replace","value":{"active":false}}`, map[string]any{"active": false}},
		"address by its type":            {`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@b.example"}`, map[string]any{"emails/0/value": "a@b.example", "emails/1": nil}},
		"address of another type":        {`{"op":"Add","path":"emails[type eq \"home\"].value","value":"a@b.example"}`, map[string]any{"emails/1/value": "a@b.example", "emails/1/type": "home", "emails/0/primary": true}},
		"dotted keys without a path": {
			`{"op":"Replace","value":{"name.givenName":"Alicia","name.familyName":"Bowman","displayName":"Alicia Bowman","emails[type eq \"work\"].value":"c@d.example","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Ward 8"}}`,
			map[string]any{"name/givenName": "Alicia", "name/familyName": "Bowman", "displayName": "Alicia Bowman", "emails/0/value": "c@d.example", enterprise + "/department": "Ward 8"},
		},
		"extension as an object without a path": {
			`{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Ward 9"}}}`,
			map[string]any{enterprise + "/department": "Ward 9", enterprise + "/employeeNumber": "7001"},
		},
		"extension as a path":           {`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"department":"Ward 9"}}`, map[string]any{enterprise + "/department": "Ward 9"}},
		"extension taken away":          {`{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}`, map[string]any{enterprise: nil, "schemas/1": nil}},
		"attribute of the extension":    {`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Ward 9"}`, map[string]any{enterprise + "/department": "Ward 9"}},
		"manager as a text":             {`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"m-9"}`, map[string]any{enterprise + "/manager/value": "m-9"}},
		"manager taken away":            {`{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}`, map[string]any{enterprise + "/manager": nil}},
		"core attribute with its URN":   {`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"Matron"}`, map[string]any{"title": "Matron"}},
		"names in another case":         {`{"OP":"REPLACE","Path":"DISPLAYNAME","Value":"Al"}`, map[string]any{"displayName": "Al"}},
		"a name":                        {`{"op":"Replace","path":"name.familyName","value":"Bowman"}`, map[string]any{"name/familyName": "Bowman", "name/givenName": "Alice"}},
		"a whole name":                  {`{"op":"replace","path":"name","value":{"familyName":"Bowman"}}`, map[string]any{"name/familyName": "Bowman", "name/givenName": "Alice"}},
		"part of an address made":       {`{"op":"Add","path":"addresses[type eq \"home\"].locality","value":"Lakeside"}`, map[string]any{"addresses/1/locality": "Lakeside", "addresses/1/type": "home"}},
		"telephone replaced":            {`{"op":"Replace","path":"phoneNumbers[type eq \"work\"].value","value":"4711"}`, map[string]any{"phoneNumbers/0/value": "4711", "phoneNumbers/1": nil}},
		"mobile made by a replace":      {`{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"4712"}`, map[string]any{"phoneNumbers/1/value": "4712", "phoneNumbers/1/type": "mobile"}},
		"telephone taken away":          {`{"op":"Remove","path":"phoneNumbers[type eq \"work\"].value"}`, map[string]any{"phoneNumbers/0/value": nil}},
		"all telephones":                {`{"op":"remove","path":"phoneNumbers"}`, map[string]any{"phoneNumbers": nil}},
		"one telephone":                 {`{"op":"remove","path":"phoneNumbers[value eq \"+44 1632 960001\"]"}`, map[string]any{"phoneNumbers": nil}},
		"null":                          {`{"op":"replace","path":"title","value":null}`, map[string]any{"title": nil}},
		"role as Entra ID assigns one":  {`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"nurse"}`, map[string]any{"roles/0/value": "nurse", "roles/0/primary": true}},
		"roles as objects inside texts": {`{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"18d14569\",\"value\":\"nurse\",\"displayName\":\"Nurse\"}"}]}`, map[string]any{"roles/0/value": "nurse"}},
		"new primary address":           {`{"op":"add","path":"emails","value":[{"value":"n@b.example","type":"home","primary":true}]}`, map[string]any{"emails/0/primary": false, "emails/1/primary": true}},
		"what a client may not set":     {`{"op":"replace","value":{"id":"x","meta":{"version":"1"},"schemas":[],"groups":[{"value":"g"}],"nickName":"Al"}}`, map[string]any{"nickName": "Al", "groups": nil}},
		"unknown without a path":        {`{"op":"replace","value":{"shoeSize":"41","nickName":"Al"}}`, map[string]any{"nickName": "Al"}},
		"several":                       {`{"op":"replace","path":"title","value":"a"},{"op":"remove","path":"title"},{"op":"add","path":"title","value":"b"}`, map[string]any{"title": "b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.want(201, "POST", "/Users", entraUser).id()
			got := w.want(200, "PATCH", "/Users/"+id, patch(tt.ops))
			again := w.want(200, "GET", "/Users/"+id, "")
			for path, want := range tt.want {
				if have := got.get(path); have != want {
					t.Errorf("%s is %v, want %v in %s", path, have, want, got.Text)
				}
				if have := again.get(path); have != want {
					t.Errorf("read again, %s is %v, want %v in %s", path, have, want, again.Text)
				}
			}
			if got.get("userName") != "alice@st-elsewhere.example" || got.id() != id {
				t.Errorf("somebody else: %s", got.Text)
			}
		})
	}
}

func TestRoleThatReplacesAnother(t *testing.T) {
	w := newWorld(t)
	id := w.user("alice")
	for _, role := range []string{"nurse", "physician"} {
		w.want(200, "PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"`+role+`"}`))
		if a := w.account(id); len(a.Roles) != 1 || a.Roles[0] != role {
			t.Errorf("roles %q, want %s", a.Roles, role)
		}
	}
}

func TestEntraKeepsAGroup(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.user("alice"), w.user("bob")
	g := w.want(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"g-1","displayName":"Ward 7","members":[],"meta":{"resourceType":"Group"}}`)
	at := "/Groups/" + g.id()
	if g.Header.Get("Location") != base+at {
		t.Errorf("location %q", g.Header.Get("Location"))
	}
	w.refused(409, uniqueness, "POST", "/Groups", `{"displayName":"WARD 7"}`)

	members := func() int {
		list, _ := w.want(200, "GET", at, "").Body["members"].([]any)
		return len(list)
	}
	for i, step := range []struct {
		ops  string
		want int
	}{
		{`{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + alice + `"}]}`, 1},
		{`{"op":"Add","path":"members","value":[{"value":"` + alice + `"},{"value":"` + bob + `","type":"User"}]}`, 2},
		{`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + bob + `"}]}`, 1},
		{`{"op":"add","path":"members","value":"` + bob + `"}`, 2},
		{`{"op":"remove","path":"members[value eq \"` + alice + `\"]"}`, 1},
		{`{"op":"remove","path":"members[value eq \"` + alice + `\"]"}`, 1},
		{`{"op":"replace","value":{"id":"` + g.id() + `","displayName":"Ward 8"}}`, 1},
		{`{"op":"replace","path":"members","value":[{"value":"` + alice + `"},{"value":"` + bob + `"}]}`, 2},
		{`{"op":"Add","value":{"members":[{"value":"` + alice + `"}]}}`, 2},
		{`{"op":"remove","path":"members"}`, 0},
	} {
		w.want(204, "PATCH", at, patch(step.ops))
		if got := members(); got != step.want {
			t.Fatalf("step %d: %d members, want %d", i, got, step.want)
		}
	}
	w.want(200, "PUT", at, `{"displayName":"Ward 8","externalId":"g-1","members":[{"value":"`+alice+`"}]}`)
	if got := w.want(200, "GET", "/Users/"+alice, ""); got.get("groups/0/display") != "Ward 8" || got.get("groups/0/value") != g.id() {
		t.Errorf("alice is not in the group: %s", got.Text)
	}
	for filter, total := range map[string]float64{
		`displayName eq "ward 8"`: 1, `externalId eq "g-1"`: 1, `members eq "` + alice + `"`: 1, `members[value eq "` + bob + `"]`: 0,
		`displayName sw "Wa" and members.value eq "` + alice + `"`: 1, `not (displayName co "8")`: 0, `id eq "` + g.id() + `"`: 1, `id eq "x"`: 0,
	} {
		got := w.want(200, "GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(filter), "")
		if got.get("totalResults") != total || got.get("Resources/0/members") != nil {
			t.Errorf("%s: %s", filter, got.Text)
		}
	}
	if got := w.want(200, "GET", "/Groups", ""); got.get("Resources/0/members/0/value") != alice {
		t.Errorf("groups: %s", got.Text)
	}
	w.refused(400, invalidFilter, "GET", "/Groups?filter="+url.QueryEscape(`members pr`), "")
	w.refused(400, invalidValue, "PATCH", at, patch(`{"op":"add","path":"members","value":[{"value":"nobody"}]}`))
	w.refused(400, invalidValue, "PATCH", at, patch(`{"op":"add","path":"members","value":[{"value":"`+g.id()+`","type":"Group"}]}`))
	w.want(204, "DELETE", at, "")
	w.want(404, "GET", at, "")
	w.want(200, "GET", "/Users/"+alice, "")
}
