package admin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
)

// who may use each door, written down once more: v viewer, d desk, o owner, of all
// organisations; V, D, O of the organisation of the person in the address.
var whoMay = map[string]string{
	"GET /{$}": "vdoVDO", "GET /people": "vdoVDO", "GET /people/{id}": "vdoVDO", "GET /audit": "vdoVDO", "GET /usage": "vdoVDO",
	"GET /sessions": "vdo", "GET /methods": "vdo", "GET /configuration": "vdo",
	"POST /methods/{method}/try": "do",
	"GET /sessions/end":          "do", "POST /sessions/end": "do",
	"GET /people/new": "oO", "POST /people/new": "oO", "GET /people/import": "oO", "POST /people/import": "oO",
	"GET /people/{id}/edit": "oO", "POST /people/{id}/edit": "oO",
	"GET /people/{id}/disable": "doDO", "POST /people/{id}/disable": "doDO", "GET /people/{id}/enable": "doDO", "POST /people/{id}/enable": "doDO",
	"GET /people/{id}/exempt": "doDO", "POST /people/{id}/exempt": "doDO", "GET /people/{id}/not-exempt": "doDO", "POST /people/{id}/not-exempt": "doDO",
	"GET /people/{id}/unlink": "doDO", "POST /people/{id}/unlink": "doDO",
	"GET /people/{id}/end-session": "doDO", "POST /people/{id}/end-session": "doDO", "GET /people/{id}/end-sessions": "doDO", "POST /people/{id}/end-sessions": "doDO",
	"GET /people/{id}/link": "oO", "POST /people/{id}/link": "oO", "GET /people/{id}/roles": "oO", "POST /people/{id}/roles": "oO",
	"GET /people/{id}/login": "oO", "POST /people/{id}/login": "oO", "GET /people/{id}/remove-login": "oO", "POST /people/{id}/remove-login": "oO",
	"GET /people/{id}/reset-totp": "oO", "POST /people/{id}/reset-totp": "oO", "GET /people/{id}/delete": "oO", "POST /people/{id}/delete": "oO",
}

var letters = map[string]string{"v": "viewer", "d": "desk", "o": "owner", "V": "elsewhere-viewer", "D": "elsewhere-desk", "O": "elsewhere-owner"}

// addressOf fills the person into a pattern.
func addressOf(pattern string, a accounts.Account) (method, address string) {
	method, address, _ = strings.Cut(pattern, " ")
	address = strings.ReplaceAll(strings.ReplaceAll(address, "{$}", ""), "{id}", a.ID)
	address = strings.ReplaceAll(address, "{method}", "entra")
	return method, address
}

func TestEveryDoorOpensForThoseOfTheTableOnly(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	before := stateOf(t, h, a)
	browsers := map[string]*somebody{"": h.as("")}
	for _, name := range letters {
		browsers[name] = h.as(name)
	}
	var patterns []string
	for _, d := range doors() {
		patterns = append(patterns, d.pattern)
		method, address := addressOf(d.pattern, a)
		may, written := whoMay[d.pattern]
		if !written {
			t.Errorf("%s is not in the table", d.pattern)
		}
		for letter, name := range letters {
			if strings.Contains(may, letter) {
				if method == "GET" {
					if res := browsers[name].get(address); res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized {
						t.Errorf("%s may not %s", name, d.pattern)
					}
				}
				continue
			}
			var res response
			if method == "GET" {
				res = browsers[name].get(address)
			} else {
				res = browsers[name].post(address, everyField(a))
			}
			res.want(t, http.StatusForbidden, "Your role does not let you do this")
		}
		if method == "GET" {
			res := browsers[""].get(address)
			res.leads(t, "/sign-in?"+url.Values{"rd": {address}}.Encode())
		} else {
			browsers[""].post(address, everyField(a)).leads(t, "/sign-in?rd=%2F")
		}
		if diff := cmp.Diff(before, stateOf(t, h, a)); diff != "" {
			t.Fatalf("after %s (-want +got):\n%s", d.pattern, diff)
		}
	}
	if len(patterns) != len(whoMay) {
		t.Errorf("%d doors, and %d in the table", len(patterns), len(whoMay))
	}
}

// everyField is a form that would do anything if it were let.
func everyField(a accounts.Account) url.Values {
	return url.Values{
		"issuer": {issuer}, "subject": {"subject of " + a.ID}, "method": {"entra"}, "roles": {"administrator"}, "session": {"any"}, "all": {"true"}, "user": {a.Username},
		"name": {"Mallory"}, "username": {"mallory"}, "email": {"mallory@elsewhere.example"}, "organisation": {"other"},
	}
}

type state struct {
	Account accounts.Account
	Links   []accounts.Link
	Open    int
	Total   int
}

func stateOf(t *testing.T, h *house, a accounts.Account) state {
	t.Helper()
	account, err := h.people.Get(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	links, err := h.people.Links(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	total, err := h.people.Count(t.Context(), accounts.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return state{account, links, h.open(a), total}
}

// TestDeskOfOneOrganisationSeesNothingOfAnother looks for the words of another
// organisation's person on every page and in every file that its people may open.
func TestDeskOfOneOrganisationSeesNothingOfAnother(t *testing.T) {
	h := openHouse(t)
	mine := h.add(alice())
	foreign := bob()
	foreign.Username, foreign.Email, foreign.Name, foreign.Kind = "zq-foreign", "zq-foreign@zq-hospital.example", "Zq-foreign Person", "zq-kind"
	foreign.Organisation, foreign.ExternalID, foreign.Attributes = "zq-hospital", "zq-id", map[string]any{"zq-name": "zq-value"}
	other := h.add(foreign)
	nobodys := h.add(accounts.Account{Username: "zq-nobodys", Name: "Zq-nobodys"})
	for _, a := range []accounts.Account{mine, other, nobodys} {
		h.begin(a)
	}
	// What happened to the own person elsewhere, before they belonged here, is not shown either.
	past := accounts.Event{Actor: "zq-admin", Action: "change", Account: mine.ID, Organisation: "zq-hospital", Result: "ok"}
	if err := h.people.Audit.Append(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	if err := h.people.Usage.Count(t.Context(), accounts.Visit{Organisation: "zq-hospital", Method: "zq-method", User: "zq-user"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"elsewhere-viewer", "elsewhere-desk", "elsewhere-owner"} {
		b := h.as(name)
		queries := []string{"", "?q=zq-", "?organisation=zq-hospital", "?organisation=-", "?username=zq-foreign", "?account=" + other.ID, "?kind=zq-kind", "?from=2020-01-01", "?user=zq-foreign"}
		for _, d := range doors() {
			method, address := addressOf(d.pattern, mine)
			if method != "GET" {
				continue
			}
			for _, query := range queries {
				noTrace(t, b, address+query)
			}
			if _, foreignAddress := addressOf(d.pattern, other); foreignAddress != address {
				for _, id := range []accounts.Account{other, nobodys} {
					_, at := addressOf(d.pattern, id)
					if res := noTrace(t, b, at); d.opens(h.whois(name)) && res.StatusCode != http.StatusNotFound {
						t.Errorf("%s: %s: %d, want 404", name, at, res.StatusCode)
					}
				}
			}
		}
		for _, file := range []string{"/export/audit", "/usage", "/export/accounts", "/accounts", "/audit"} {
			for _, query := range queries {
				noTrace(t, b, base+file+query)
			}
		}
		// And the own person is there, so that the test can fail.
		b.get("/people").want(t, http.StatusOK, "Alice Archer")
		b.get("/people/"+mine.ID).want(t, http.StatusOK, "Alice Archer", "192.0.2.10")
	}
}

func (h *house) whois(name string) Who {
	for _, one := range staff {
		if one.Name == name {
			return one.who()
		}
	}
	return Who{}
}

func noTrace(t *testing.T, b *somebody, address string) response {
	t.Helper()
	res := b.get(address)
	body := res.body
	if u := res.Request.URL; u.RawQuery != "" { // what was asked for may be said again
		body = strings.ReplaceAll(body, `value="`+u.Query().Get("q")+`"`, "")
		for _, values := range u.Query() {
			body = strings.ReplaceAll(body, `value="`+values[0]+`"`, "")
			body = strings.ReplaceAll(body, "="+url.QueryEscape(values[0]), "")
		}
	}
	if at := strings.Index(strings.ToLower(body), "zq-"); at >= 0 {
		t.Errorf("%s: %s shows %q", b.name, address, body[max(0, at-60):min(len(body), at+60)])
	}
	return res
}

func TestDeskOfOneOrganisationChangesNothingOfAnother(t *testing.T) {
	h := openHouse(t)
	other := h.add(bob())
	h.begin(other)
	h.begin(other)
	before := stateOf(t, h, other)
	owner := h.as("elsewhere-owner")
	for _, d := range doors() {
		method, address := addressOf(d.pattern, other)
		if method != "POST" || !strings.Contains(d.pattern, "{id}") {
			continue
		}
		owner.post(address, everyField(other)).want(t, http.StatusNotFound, "not yours to see")
	}
	owner.post("/sessions/end", url.Values{"user": {"bob"}}).want(t, http.StatusForbidden)
	if diff := cmp.Diff(before, stateOf(t, h, other)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Nor by way of an own person: whose identity it is decides, not the address.
	mine := h.add(alice())
	owner.post("/people/"+mine.ID+"/unlink", everyField(other)).want(t, http.StatusNotFound)
	owner.post("/people/"+mine.ID+"/link", everyField(other)).want(t, http.StatusUnprocessableEntity)
	owner.post("/people/"+mine.ID+"/edit", url.Values{"username": {"bob"}}).want(t, http.StatusUnprocessableEntity)
	owner.post("/people/new", url.Values{"username": {"carol"}, "email": {"bob@hospital.example"}}).want(t, http.StatusUnprocessableEntity)
	if diff := cmp.Diff(before.Links, stateOf(t, h, other).Links); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What an owner of one organisation makes is of that organisation, whatever the form says.
	res := owner.post("/people/new", url.Values{"username": {"dora"}, "organisation": {"hospital"}})
	made, err := h.people.ByUsername(t.Context(), "dora")
	if err != nil || made.Organisation != "st-elsewhere" {
		t.Errorf("%d: %+v, %v", res.StatusCode, made, err)
	}
}

// TestPagesShowNoButtonThatTheRoleMayNotPress compares what pages lead to with the table.
func TestPagesShowNoButtonThatTheRoleMayNotPress(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	h.begin(a)
	h.giveTOTP(a)
	h.giveLogin(a)
	h.begin(a)
	h.begin(a)
	seen := map[string]int{}
	for letter, name := range letters {
		b := h.as(name)
		for _, page := range []string{"/people", "/people/" + a.ID, "/sessions", "/audit", "/usage", "/methods", "/configuration"} {
			res := b.get(page)
			for _, d := range doors() {
				_, address := addressOf(d.pattern, a)
				if address == "/" || !strings.Contains(res.body, `="`+address+`"`) && !strings.Contains(res.body, `="`+address+`?`) {
					continue
				}
				seen[name]++
				if page == address {
					continue // the form of the page itself
				}
				if !strings.Contains(whoMay[d.pattern], letter) {
					t.Errorf("%s: %s leads to %s", name, page, d.pattern)
				}
			}
		}
	}
	if !(seen["viewer"] < seen["desk"] && seen["desk"] < seen["owner"]) || seen["elsewhere-viewer"] == 0 {
		t.Errorf("ways that were seen: %v", seen)
	}
}

func cmpState(a, b state) string { return cmp.Diff(a, b) }

// TestConsoleAndAPIAgreeOnWhoMay do the same thing.
func TestConsoleAndAPIAgreeOnWhoMay(t *testing.T) {
	same := map[string]string{
		"GET /people": "GET /accounts", "GET /people/{id}": "GET /accounts/{account}", "GET /audit": "GET /audit", "GET /usage": "GET /usage",
		"GET /sessions": "GET /sessions", "GET /methods": "GET /methods", "GET /configuration": "GET /config", "POST /sessions/end": "POST /sessions/revoke",
		"POST /methods/{method}/try": "POST /methods/{method}/try",
		"POST /people/new":           "POST /accounts", "POST /people/{id}/edit": "PATCH /accounts/{account}", "POST /people/import": "POST /import/accounts",
		"POST /people/{id}/disable": "POST /accounts/{account}/disable", "POST /people/{id}/enable": "POST /accounts/{account}/enable",
		"POST /people/{id}/exempt": "POST /accounts/{account}/exempt", "POST /people/{id}/not-exempt": "POST /accounts/{account}/exempt",
		"POST /people/{id}/unlink": "POST /accounts/{account}/unlink", "POST /people/{id}/link": "POST /accounts/{account}/link",
		"POST /people/{id}/end-session": "POST /accounts/{account}/sessions/end", "POST /people/{id}/end-sessions": "POST /accounts/{account}/sessions/end",
		"POST /people/{id}/login": "PUT /accounts/{account}/logins/{app}", "POST /people/{id}/remove-login": "DELETE /accounts/{account}/logins/{app}",
		"POST /people/{id}/roles": "PUT /accounts/{account}/roles", "POST /people/{id}/reset-totp": "DELETE /accounts/{account}/totp", "POST /people/{id}/delete": "DELETE /accounts/{account}",
	}
	type rule struct {
		Least Role
		Whole bool
	}
	api := map[string]rule{}
	for _, rt := range routes {
		api[rt.method+" "+rt.path] = rule{rt.least, rt.whole}
	}
	compared := 0
	for _, d := range doors() {
		name, ok := same[d.pattern]
		if !ok {
			if strings.HasPrefix(d.pattern, "POST ") {
				t.Errorf("%s has no like in the API", d.pattern)
			}
			continue
		}
		compared++
		if want, found := api[name]; !found || want != (rule{d.least, d.whole}) {
			t.Errorf("%s: %+v, and %s: %+v", d.pattern, rule{d.least, d.whole}, name, want)
		}
	}
	if compared != len(same) {
		t.Errorf("%d of %d were compared", compared, len(same))
	}
}
