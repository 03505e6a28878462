package scim

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"foregate/authn/accounts"
)

func TestTokensOfOrganisations(t *testing.T) {
	w := newWorld(t)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer " + token + "x", "Bearer " + token[1:], "Basic " + token, token, "Bearer " + strings.ToUpper(token)} {
		got := w.refused(401, "", "GET", "/Users", "", "Authorization", header)
		if got.Header.Get("WWW-Authenticate") == "" || got.get("status") != "401" {
			t.Errorf("%q: %v %s", header, got.Header, got.Text)
		}
	}
	w.want(200, "GET", "/Users", "", "Authorization", "bearer "+token)
	w.want(200, "GET", "/Users", "", "Authorization", "Bearer "+otherToken)
	for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/nothing"} {
		w.refused(401, "", "GET", path, "", "Authorization", "")
	}
}

func TestWrongTokensAreHeldUpAndTheRightOneIsNot(t *testing.T) {
	w := newWorld(t)
	statuses := make(map[int]int)
	for range wrongTokens + 5 {
		got := w.send("GET", "/Users", "", "Authorization", "Bearer wrong")
		statuses[got.Code]++
		if got.Code == 429 && got.Header.Get("Retry-After") != "600" {
			t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
		}
	}
	if statuses[401] != wrongTokens || statuses[429] != 5 {
		t.Errorf("answers %v", statuses)
	}
	w.want(200, "GET", "/Users", "")
}

func TestNothingOfAnotherOrganisationCanBeSeen(t *testing.T) {
	w := newWorld(t)
	other := []string{"Authorization", "Bearer " + otherToken}
	theirs := w.want(201, "POST", "/Users", `{"userName":"eve","externalId":"x-1"}`, other...).id()
	group := w.want(201, "POST", "/Groups", `{"displayName":"Theirs","externalId":"y-1"}`, other...).id()
	mine := w.user("alice")
	own := w.want(201, "POST", "/Groups", `{"displayName":"Theirs","externalId":"y-1"}`).id()

	for _, id := range []string{theirs, "nobody", "..", "%00", "a%20b", strings.Repeat("a", 65)} {
		w.refused(404, "", "GET", "/Users/"+id, "")
		w.refused(404, "", "PUT", "/Users/"+id, `{"userName":"stolen"}`)
		w.refused(404, "", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`))
		w.refused(404, "", "DELETE", "/Users/"+id, "")
	}
	for _, id := range []string{group, mine} {
		w.refused(404, "", "GET", "/Groups/"+id, "")
		w.refused(404, "", "PUT", "/Groups/"+id, `{"displayName":"stolen"}`)
		w.refused(404, "", "PATCH", "/Groups/"+id, patch(`{"op":"replace","path":"displayName","value":"stolen"}`))
		w.refused(404, "", "DELETE", "/Groups/"+id, "")
	}
	for _, query := range []string{"/Users?filter=" + url.QueryEscape(`id eq "`+theirs+`"`), "/Users?filter=" + url.QueryEscape(`userName eq "eve"`),
		"/Users?filter=" + url.QueryEscape(`userName sw "e"`), "/Users?filter=" + url.QueryEscape(`externalId eq "x-1"`),
		"/Users?filter=" + url.QueryEscape(`groups.value eq "`+group+`"`), "/Groups?filter=" + url.QueryEscape(`id eq "`+group+`"`),
		"/Groups?filter=" + url.QueryEscape(`members.value eq "`+theirs+`"`)} {
		if got := w.want(200, "GET", query, ""); got.get("totalResults") != 0.0 {
			t.Errorf("%s: %s", query, got.Text)
		}
	}
	if got := w.want(200, "GET", "/Users", ""); got.get("totalResults") != 1.0 {
		t.Errorf("users: %s", got.Text)
	}
	w.refused(400, invalidValue, "PATCH", "/Groups/"+own, patch(`{"op":"add","path":"members","value":[{"value":"`+theirs+`"}]}`))
	w.refused(400, invalidValue, "POST", "/Groups", `{"displayName":"x","members":[{"value":"`+theirs+`"}]}`)

	// A name is taken, and the answer does not say by whom.
	got := w.refused(409, uniqueness, "POST", "/Users", `{"userName":"EVE"}`)
	again := w.refused(409, uniqueness, "POST", "/Users", `{"userName":"Alice"}`)
	if got.Text != again.Text {
		t.Errorf("the answers differ:\n%s\n%s", got.Text, again.Text)
	}
	w.refused(409, uniqueness, "PATCH", "/Users/"+mine, patch(`{"op":"replace","path":"userName","value":"eve"}`))
	w.want(201, "POST", "/Users", `{"userName":"bob","externalId":"x-1"}`) // theirs is another's
	if a := w.account(theirs); a.Username != "eve" || a.Status != accounts.Active || a.Organisation != "hospital" {
		t.Errorf("changed: %+v", a)
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.user("alice")
	user, group := "/Users/"+id, "/Groups/"+w.want(201, "POST", "/Groups", `{"displayName":"Ward"}`).id()
	tests := []struct {
		status           int
		kind             string
		method, at, body string
	}{
		{400, invalidSyntax, "POST", "/Users", `{`},
		{400, invalidSyntax, "POST", "/Users", `[]`},
		{400, invalidSyntax, "POST", "/Users", `null`},
		{400, invalidSyntax, "POST", "/Users", `"alice"`},
		{400, invalidSyntax, "POST", "/Users", `{"userName":"a"}{"userName":"b"}`},
		{400, invalidSyntax, "POST", "/Users", `{"userName":"a","USERNAME":"b"}`},
		{400, invalidSyntax, "POST", "/Users", strings.Repeat(`{"name":`, 20_000)},
		{400, invalidValue, "POST", "/Users", `{}`},
		{400, invalidValue, "POST", "/Users", `{"userName":""}`},
		{400, invalidValue, "POST", "/Users", `{"userName":null}`},
		{400, invalidValue, "POST", "/Users", `{"userName":7}`},
		{400, invalidValue, "POST", "/Users", `{"userName":["a"]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":{"value":"a"}}`},
		{400, invalidValue, "POST", "/Users", `{"userName":" a "}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"a\u0000b"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"a\u202eb"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"` + strings.Repeat("a", 257) + `"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","active":"yes"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","active":1}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","externalId":5}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","externalId":"a\u0000"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","emails":"no address"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","emails":[{"value":"Bob <b@b.example>"}]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","emails":[{"value":7}]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","emails":[7]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","emails":[{"value":"a@b.example","primary":true},{"value":"c@b.example","primary":"True"}]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","name":"Bob"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","name":[]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","title":"a\u0000b"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","title":"` + strings.Repeat("a", 40_000) + `"}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","roles":[{"value":"administrator"}]}`},
		{400, invalidSyntax, "POST", "/Users", `{"userName":"b","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":[]}`},
		{400, invalidValue, "POST", "/Users", `{"userName":"b","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":7}}`},
		{400, invalidValue, "PUT", user, `{}`},
		{400, invalidSyntax, "PUT", user, ``},
		{400, invalidSyntax, "PATCH", user, `{}`},
		{400, invalidSyntax, "PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`},
		{400, invalidSyntax, "PATCH", user, patch(``)},
		{400, invalidSyntax, "PATCH", user, patch(`7`)},
		{400, invalidSyntax, "PATCH", user, patch(`{"op":"move","path":"title","value":"a"}`)},
		{400, invalidSyntax, "PATCH", user, patch(`{"op":7}`)},
		{400, invalidSyntax, "PATCH", user, patch(strings.Repeat(`{"op":"add","path":"title","value":"a"},`, maxOperations) + `{"op":"add","path":"title","value":"a"}`)},
		{400, invalidSyntax, "PATCH", user, patch(strings.TrimSuffix(strings.Repeat(`{"op":"remove","path":"phoneNumbers[value eq \"`+strings.Repeat("1", 900)+`\"]"},`, 200), ","))},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","value":{` + manyTypes(maxSpread+1) + `}}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":7,"value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"shoeSize","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"title.value","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"name.nick","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"emails[","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"emails[shoe eq \"a\"].value","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"title[value eq \"a\"]","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"urn:x:title","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"` + strings.Repeat("a", 2000) + `","value":"a"}`)},
		{400, invalidPath, "PATCH", user, patch(`{"op":"add","path":"emails[` + strings.Repeat("(", 20) + `type eq \"a\"` + strings.Repeat(")", 20) + `]","value":{"value":"a@b.example"}}`)},
		{400, mutability, "PATCH", user, patch(`{"op":"replace","path":"id","value":"a"}`)},
		{400, mutability, "PATCH", user, patch(`{"op":"replace","path":"meta.version","value":"a"}`)},
		{400, mutability, "PATCH", user, patch(`{"op":"replace","path":"groups","value":[]}`)},
		{400, noTarget, "PATCH", user, patch(`{"op":"remove"}`)},
		{400, noTarget, "PATCH", user, patch(`{"op":"replace","path":"emails[type co \"w\"].value","value":"a@b.example"}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"add","path":"title"}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","value":"a"}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","path":"title","value":{"a":"b"}}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","path":"active","value":"maybe"}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"remove","path":"userName"}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","path":"emails[type eq \"work\"]","value":"a"},{"op":"replace","path":"emails[type eq \"work\"].value","value":7}`)},
		{400, invalidValue, "PATCH", user, patch(`{"op":"replace","path":"title","value":"kept?"},{"op":"replace","path":"active","value":"maybe"}`)},
		{400, invalidValue, "POST", "/Groups", `{}`},
		{400, invalidValue, "POST", "/Groups", `{"displayName":""}`},
		{400, invalidValue, "POST", "/Groups", `{"displayName":7}`},
		{400, invalidValue, "POST", "/Groups", `{"displayName":"a","members":[{"value":"a\u0000"}]}`},
		{400, invalidValue, "POST", "/Groups", `{"displayName":"a","members":[{}]}`},
		{400, invalidValue, "PATCH", group, patch(`{"op":"remove","path":"displayName"}`)},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`userName`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`userName eq`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`shoeSize eq "a"`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`userName eq "a" or`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`userName eq "a\u0000"`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`active gt true`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`emails[emails[type eq "a"]]`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`title[value eq "a"]`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`password eq "a"`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`not (groups pr)`), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(strings.Repeat("(", 9)+`userName pr`+strings.Repeat(")", 9)), ""},
		{400, invalidFilter, "GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+strings.Repeat("a", 1024)+`"`), ""},
		{400, invalidFilter, "GET", "/Users?filter=%ff", ""},
		{400, invalidValue, "GET", "/Users?count=many", ""},
		{400, invalidValue, "GET", "/Users?startIndex=99999999999999999999", ""},
		{404, "", "GET", "/", ""},
		{404, "", "GET", "", ""},
		{404, "", "GET", "/Users/a/b", ""},
		{404, "", "GET", "/users", ""},
		{404, "", "GET", "/Schemas/x", ""},
		{404, "", "GET", "/ServiceProviderConfig/x", ""},
		{405, "", "DELETE", "/Users", ""},
		{405, "", "POST", user, `{}`},
		{405, "", "POST", "/Schemas", `{}`},
		{501, "", "GET", "/Me", ""},
		{501, "", "POST", "/Bulk", `{}`},
	}
	before := w.account(id)
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %s %.40s %.60s", i, tt.method, tt.at, tt.body), func(t *testing.T) {
			here := &world{Handler: w.Handler, t: t}
			headers := []string{"Content-Type", "application/json"}
			here.refused(tt.status, tt.kind, tt.method, tt.at, tt.body, headers...)
		})
	}
	if after := w.account(id); !after.Changed.Equal(before.Changed) || after.Attributes["title"] != nil {
		t.Errorf("something was changed: %+v", after)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/xml"} {
		w.refused(415, "", "POST", "/Users", `{"userName":"b"}`, "Content-Type", kind)
	}
	w.refused(413, "", "POST", "/Users", `{"userName":"b","title":"`+strings.Repeat("a", 1<<20)+`"}`)
	if got := w.want(200, "GET", "/Users", ""); got.get("totalResults") != 1.0 {
		t.Errorf("something was made: %s", got.Text)
	}
}

// manyTypes are telephones of so many types, as attributes without a path.
func manyTypes(n int) string {
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf(`"phoneNumbers[type eq \"%d\"].value":"1"`, i))
	}
	return strings.Join(keys, ",")
}

func TestNamesThatLookAlikeAreTheSame(t *testing.T) {
	w := newWorld(t)
	id := w.want(201, "POST", "/Users", `{"userName":"Jose\u0301.Núñez","displayName":"José Núñez 👩‍⚕️"}`).id()
	for _, name := range []string{`josé.núñez`, `JOSÉ.NÚÑEZ`, `ｊｏｓé.núñez`} {
		w.refused(409, uniqueness, "POST", "/Users", `{"userName":"`+name+`"}`)
		if got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`), ""); got.get("Resources/0/id") != id {
			t.Errorf("%s is not found: %s", name, got.Text)
		}
	}
	if name := w.account(id).Name; name != "José Núñez 👩⚕️" {
		t.Errorf("name %q", name)
	}
	if got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(`userName eq "Jose\u0301.N\u00FA\u00F1ez"`), ""); got.get("Resources/0/id") != id {
		t.Errorf("escaped: %s", got.Text)
	}
	w.want(201, "POST", "/Users", `{"userName":"quo\"te\\"}`)
	if got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(`userName eq "quo\"te\\"`), ""); got.get("totalResults") != 1.0 {
		t.Errorf("quotes: %s", got.Text)
	}
}

func TestPatchesAtTheSameMomentAreAllKept(t *testing.T) {
	w := newWorld(t)
	id := w.want(201, "POST", "/Users", entraUser).id()
	group := w.want(201, "POST", "/Groups", `{"displayName":"Ward"}`).id()
	var people []string
	for i := range 12 {
		people = append(people, w.user(fmt.Sprintf("nurse%d", i)))
	}
	kinds := []string{"home", "other", "mobile", "fax", "pager", "a", "b", "c", "d", "e", "f", "g"}
	var all sync.WaitGroup
	for i := range people {
		all.Add(2)
		go func() {
			defer all.Done()
			one := w.send("PATCH", "/Users/"+id, patch(`{"op":"add","path":"phoneNumbers[type eq \"`+kinds[i]+`\"].value","value":"`+kinds[i]+`"}`))
			if one.Code != 200 {
				t.Errorf("user: %d %s", one.Code, one.Text)
			}
		}()
		go func() {
			defer all.Done()
			one := w.send("PATCH", "/Groups/"+group, patch(`{"op":"Add","path":"members","value":[{"value":"`+people[i]+`"}]}`))
			if one.Code != 204 {
				t.Errorf("group: %d %s", one.Code, one.Text)
			}
		}()
	}
	all.Wait()
	got := w.want(200, "GET", "/Users/"+id, "")
	if phones, _ := got.Body["phoneNumbers"].([]any); len(phones) != 13 {
		t.Errorf("%d telephones: %s", len(phones), got.Text)
	}
	got = w.want(200, "GET", "/Groups/"+group, "")
	if members, _ := got.Body["members"].([]any); len(members) != 12 {
		t.Errorf("%d members: %s", len(members), got.Text)
	}

	// Of many who make the same user one does.
	made := make(chan int, 8)
	for range cap(made) {
		go func() { made <- w.send("POST", "/Users", `{"userName":"carol"}`).Code }()
	}
	codes := make(map[int]int)
	for range cap(made) {
		codes[<-made]++
	}
	if codes[201] != 1 || codes[409] != 7 {
		t.Errorf("answers %v", codes)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	made := w.want(201, "POST", "/Users", `{"userName":"alice"}`)
	at, tag := "/Users/"+made.id(), made.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || made.get("meta/version") != tag {
		t.Errorf("version %q, %s", tag, made.Text)
	}
	if got := w.want(304, "GET", at, "", "If-None-Match", tag); got.Text != "" {
		t.Errorf("304 with %s", got.Text)
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := map[string]string{"PUT": `{"userName":"alice"}`, "PATCH": patch(`{"op":"add","path":"title","value":"x"}`)}[method]
		w.refused(412, "", method, at, body, "If-Match", `W/"1"`)
	}
	w.want(200, "PATCH", at, patch(`{"op":"add","path":"title","value":"x"}`), "If-Match", `W/"1", `+tag)
	group := w.want(201, "POST", "/Groups", `{"displayName":"Ward"}`)
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := map[string]string{"PUT": `{"displayName":"b"}`, "PATCH": patch(`{"op":"replace","path":"displayName","value":"x"}`)}[method]
		w.refused(412, "", method, "/Groups/"+group.id(), body, "If-Match", `W/"1"`)
	}
	w.want(304, "GET", "/Groups/"+group.id(), "", "If-None-Match", group.Header.Get("ETag"))
	w.want(204, "DELETE", "/Groups/"+group.id(), "", "If-Match", "*")
}

func TestDeactivationIsRepeatedUntilSessionsHaveEnded(t *testing.T) {
	w := newWorld(t)
	id := w.want(201, "POST", "/Users", entraUser).id()
	off := patch(`{"op":"Replace","path":"active","value":"False"}`)
	w.fail = errors.New("the store is down")
	if got := w.refused(503, "", "PATCH", "/Users/"+id, off); got.Header.Get("Retry-After") == "" || strings.Contains(got.Text, "store") {
		t.Errorf("answer %v %s", got.Header, got.Text)
	}
	w.refused(503, "", "DELETE", "/Users/"+id, "")
	if a := w.account(id); a.Status != accounts.Disabled {
		t.Errorf("status %s", a.Status)
	}
	w.fail = nil
	w.told()
	w.want(200, "PATCH", "/Users/"+id, off)
	if told := w.told(); len(told) != 1 || told[0].Account.ID != id || told[0].Refresh {
		t.Errorf("told %+v", told)
	}
	w.want(204, "DELETE", "/Users/"+id, "")
	if told := w.told(); len(told) == 0 {
		t.Error("nobody was told of the deletion")
	}
	w.refused(404, "", "DELETE", "/Users/"+id, "")
}

func TestReplaceTakesAwayWhatItDoesNotSay(t *testing.T) {
	w := newWorld(t)
	id := w.want(201, "POST", "/Users", entraUser).id()
	keep := func(a *accounts.Account) error {
		a.Roles, a.Attributes["staff_number"], a.Exempt = []string{"auditor", "nurse"}, "9", true
		return nil
	}
	if _, err := w.Accounts.Update(t.Context(), accounts.Context{}, id, keep); err != nil {
		t.Fatal(err)
	}
	w.want(200, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`))
	got := w.want(200, "PUT", "/Users/"+id, `{"userName":"alice","roles":[{"value":"physician"}],"name":{"givenName":"Alice","familyName":"Archer"}}`)
	for path, want := range map[string]any{"active": false, "emails": nil, "title": nil, enterprise: nil, "externalId": nil, "displayName": "Alice Archer"} {
		if have := got.get(path); have != want {
			t.Errorf("%s is %v, want %v: %s", path, have, want, got.Text)
		}
	}
	a := w.account(id)
	if fmt.Sprint(a.Roles) != "[auditor physician]" || a.Attributes["staff_number"] != "9" || !a.Exempt || a.Kind != "staff" {
		t.Errorf("what is not the organisation's to give: %+v", a)
	}
	// The other organisation may give no roles, and takes none away.
	other := []string{"Authorization", "Bearer " + otherToken}
	id = w.want(201, "POST", "/Users", `{"userName":"eve","roles":[{"value":"administrator"}]}`, other...).id()
	if _, err := w.Accounts.Update(t.Context(), accounts.Context{}, id, func(a *accounts.Account) error { a.Roles = []string{"clerk"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if got := w.want(200, "PUT", "/Users/"+id, `{"userName":"eve"}`, other...); got.get("roles") != nil || w.account(id).Roles[0] != "clerk" {
		t.Errorf("roles: %s, %v", got.Text, w.account(id).Roles)
	}
}

func TestAddressesOfOtherDomainsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.Organisations[0].Domains = []string{"st-elsewhere.example", ".clinic.example"}
	for address, ok := range map[string]bool{
		"a@st-elsewhere.example": true, "B@ST-ELSEWHERE.example": true, "a@east.clinic.example": true, "a@clinic.example": false,
		"a@hospital.example": false, "a@notst-elsewhere.example": false, "a@evil.example.st-elsewhere.example": false,
	} {
		got := w.send("POST", "/Users", `{"userName":"`+address+`","emails":[{"value":"`+address+`"}]}`)
		if (got.Code == 201) != ok {
			t.Errorf("%s: %d %s", address, got.Code, got.Text)
		}
	}
	// An account that has such an address already can still be changed.
	a, err := w.Accounts.Create(t.Context(), accounts.Context{}, accounts.Account{Email: "a@hospital.example", Organisation: "st-elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	w.want(200, "PATCH", "/Users/"+a.ID, patch(`{"op":"replace","path":"title","value":"x"}`))
	if a := w.account(a.ID); a.Username != "" || a.Email != "a@hospital.example" {
		t.Errorf("account %+v", a)
	}
	w.refused(400, invalidValue, "PATCH", "/Users/"+a.ID, patch(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"b@hospital.example"}`))
}

func TestGroupsThatOpenSomethingAreNotTheOrganisationsToFill(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.user("alice"), w.user("bob")
	early := "/Groups/" + w.want(201, "POST", "/Groups", `{"displayName":"Night-Admins","members":[{"value":"`+alice+`"},{"value":"`+bob+`"}]}`).id()
	other := "/Groups/" + w.want(201, "POST", "/Groups", `{"displayName":"Ward 7"}`).id()
	w.Organisations[0].Closed = []string{"Careplan-Admins", "night-admins"}

	for _, name := range []string{"Careplan-Admins", "careplan-ADMINS", "Ｃareplan-Admins", " Careplan-Admins "} {
		w.refused(400, invalidValue, "POST", "/Groups", `{"displayName":"`+name+`"}`)
		w.refused(400, invalidValue, "PATCH", other, patch(`{"op":"replace","path":"displayName","value":"`+name+`"}`))
		w.refused(400, invalidValue, "PUT", other, `{"displayName":"`+name+`"}`)
	}
	// Of one that was there before the name meant anything people can be taken out.
	w.want(204, "PATCH", early, patch(`{"op":"remove","path":"members[value eq \"`+bob+`\"]"}`))
	w.refused(400, invalidValue, "PATCH", early, patch(`{"op":"add","path":"members","value":[{"value":"`+bob+`"}]}`))
	w.want(204, "PATCH", early, patch(`{"op":"replace","path":"displayName","value":"Night shift"}`))
	w.refused(400, invalidValue, "PATCH", early, patch(`{"op":"replace","path":"displayName","value":"Night-Admins"}`))
	w.want(201, "POST", "/Groups", `{"displayName":"Careplan-Admins-2"}`)
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	got := w.want(200, "GET", "/ServiceProviderConfig", "")
	for path, want := range map[string]any{
		"patch/supported": true, "filter/supported": true, "filter/maxResults": 200.0, "bulk/supported": false, "sort/supported": false,
		"etag/supported": true, "changePassword/supported": false, "authenticationSchemes/0/type": "oauthbearertoken", "meta/location": base + "/ServiceProviderConfig",
	} {
		if have := got.get(path); have != want {
			t.Errorf("%s is %v, want %v", path, have, want)
		}
	}
	types := w.want(200, "GET", "/ResourceTypes", "")
	if types.get("totalResults") != 2.0 || types.get("Resources/0/endpoint") != "/Users" || types.get("Resources/0/schemaExtensions/0/schema") != enterprise {
		t.Errorf("types %s", types.Text)
	}
	schemas := w.want(200, "GET", "/Schemas", "")
	if schemas.get("totalResults") != 3.0 || strings.Contains(schemas.Text, "password") || !strings.Contains(schemas.Text, `"userName"`) {
		t.Errorf("schemas %s", schemas.Text)
	}
	for _, path := range []string{"/Schemas/" + enterprise, "/Schemas/" + w.Handler.group.core.ID, "/ResourceTypes/User"} {
		w.want(200, "GET", path, "")
	}
	w.refused(403, "", "GET", "/Schemas?filter=id+pr", "")
}

func TestOnlyWhatIsAskedForIsAnswered(t *testing.T) {
	w := newWorld(t)
	id := w.want(201, "POST", "/Users", entraUser).id()
	for query, want := range map[string]int{
		"attributes=userName": 3, "attributes=userName,NAME.givenname": 4, "attributes=urn:ietf:params:scim:schemas:core:2.0:User:userName": 3,
		"attributes=" + enterprise + ":department": 3, "attributes=shoeSize": 2, "excludedAttributes=emails,id,name.givenName": 14 - 1,
	} {
		got := w.want(200, "GET", "/Users/"+id+"?"+query, "")
		if len(got.Body) != want || got.Body["id"] != id {
			t.Errorf("%s: %d attributes, want %d: %s", query, len(got.Body), want, got.Text)
		}
	}
	got := w.want(200, "GET", "/Users?attributes=name.givenName,"+enterprise+":department", "")
	if got.get("Resources/0/name/givenName") != "Alice" || got.get("Resources/0/name/familyName") != nil || got.get("Resources/0/"+enterprise+"/department") != "Ward 7" ||
		got.get("Resources/0/"+enterprise+"/employeeNumber") != nil {
		t.Errorf("%s", got.Text)
	}
}

func TestNestedFilters(t *testing.T) {
	w := newWorld(t)
	w.want(201, "POST", "/Users", entraUser)
	w.want(201, "POST", "/Users", `{"userName":"bob","title":"Porter","active":false,"emails":[{"value":"bob@b.example","type":"home"},{"value":"bob@work.example","type":"work"}]}`)
	w.want(201, "POST", "/Users", `{"userName":"carol"}`)
	for filter, want := range map[string]float64{
		`userName pr`: 3, `title pr`: 2, `not (title pr)`: 1, `title eq null`: 1, `title ne "porter"`: 2, `TITLE EQ "PORTER"`: 1,
		`active eq false`: 1, `active eq "False"`: 1, `active ne true`: 1, `active eq true and active eq false`: 0,
		`userName sw "b" or userName ew "l"`: 2, `userName co "o" and not (userName eq "bob")`: 1,
		`(userName eq "bob" or userName eq "carol") and (active eq true or title pr)`: 2,
		`emails[type eq "home" and value co "bob"] or name.givenName eq "alice"`:      2,
		`emails[type eq "home" and value co "work"]`:                                  0,
		`emails[not (type eq "home")]`:                                                2,
		`emails.value ew "work.example"`:                                              1, `emails co "b.example"`: 1, `emails pr`: 2,
		`meta.lastModified gt "2001-01-01T00:00:00Z"`: 3, `meta.created lt "2001-01-01T00:00:00.5+02:00"`: 0, `meta.created gt "yesterday"`: 0,
		`meta.resourceType eq "User"`: 3, `schemas eq "` + enterprise + `"`: 1,
		enterprise + `:department eq "ward 7"`: 1, enterprise + `:manager.value eq "f2a1"`: 1,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bob"`: 1, `userName gt "b" and userName le "bob"`: 1, `userName ge "c"`: 1,
		`externalId co "0A21"`: 0, `externalId co "0a21"`: 1, `userName eq 7`: 0, `userName eq ""`: 0,
		`((((((((userName eq "bob"))))))))`: 1, `id pr`: 3, `phoneNumbers.type eq "work"`: 1,
	} {
		if got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(filter), ""); got.get("totalResults") != want {
			t.Errorf("%s: %v, want %v", filter, got.get("totalResults"), want)
		}
	}
}

func TestDatabaseThatDoesNotAnswerIsNotTheProvidersFault(t *testing.T) {
	db := sqlite(t)
	w := worldOn(t, db)
	id := w.user("alice")
	_ = db.Writer.Close()
	_ = db.Reader.Close()
	for _, method := range []string{"GET", "DELETE"} {
		got := w.refused(503, "", method, "/Users/"+id, "")
		if got.Header.Get("Retry-After") == "" || strings.Contains(got.Text, "sql") {
			t.Errorf("%s: %v %s", method, got.Header, got.Text)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "bob"`, `emails[type eq "work"].value eq "a"`, `not (title pr) and (a or b)`, `emails[type eq "home" and not (value co "x")]`,
		enterprise + `:manager.value eq "\u00e9"`, `((((((((a pr))))))))`, `meta.created gt "2001-01-01T00:00:00Z"`, `a[b[c[d[e eq 1.5e3]]]]`, `members[value eq "a"].display`,
	} {
		f.Add(seed)
	}
	user, group := userResource(), groupResource()
	org := Organisation{Roles: []string{"nurse"}}
	a := accounts.Account{ID: "a1", Username: "bob", Email: "bob@b.example", Roles: []string{"nurse"}, Attributes: map[string]any{
		"title": "x", "emails": []any{map[string]any{"value": "bob@b.example", "type": "work", "primary": true}}, "manager": map[string]any{"value": "m"},
	}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, res := range []*resource{&user, &group} {
			doc := org.userDocument(&a)
			if e, err := res.parseFilter(text); err == nil {
				_ = res.passes(doc, e, nil)
				for _, part := range conjuncts(e) {
					_, _ = res.exactly(part)
				}
			}
			for _, op := range []string{"add", "replace", "remove"} {
				for _, value := range []any{"x", true, map[string]any{text: "x", "value": text}, []any{text, nil}} {
					ops, err := res.operation(map[string]any{"op": op, "path": text, "value": value})
					if err == nil && ops.apply(res, doc) == nil {
						if doc, err := res.check(doc); err == nil {
							b := a
							_ = org.store(doc, &b)
						}
					}
				}
				if ops, err := res.operation(map[string]any{"op": op, "value": map[string]any{text: "x"}}); err == nil {
					_ = ops.apply(res, doc)
				}
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add(entraUser)
	f.Add(patch(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"False"}`))
	f.Add(`{"displayName":"x","members":[{"value":"a"},7,null,"b"]}`)
	h := New(Config{})
	org := Organisation{Roles: []string{"nurse"}}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, base, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		c := &call{Handler: h, r: r, ctx: r.Context(), org: &org, at: At{Client: netip.IPv4Unspecified()}}
		for _, res := range []*resource{&h.user, &h.group} {
			r.Body = http.NoBody
			if doc, err := c.sent(res); err == nil {
				t.Errorf("an empty body is %v", doc)
			}
			r.Body = httptest.NewRequest(http.MethodPost, base, strings.NewReader(body)).Body
			if doc, err := c.sent(res); err == nil {
				var a accounts.Account
				_ = org.store(doc, &a)
				again := org.userDocument(&a)
				_ = org.storeGroup(doc, &accounts.Group{})
				_ = again
			}
			r.Body = httptest.NewRequest(http.MethodPost, base, strings.NewReader(body)).Body
			if ops, err := c.operations(res); err == nil {
				_ = ops.apply(res, map[string]any{"emails": []any{map[string]any{"value": "a"}}, "name": map[string]any{}})
			}
		}
	})
}
