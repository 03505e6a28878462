package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/accounts"
)

func TestLoginIsSetAndNeverShown(t *testing.T) {
	w := newWorld(t)
	var kept AccountDetail
	w.got(owner, "PUT", "/accounts/alice/logins/formulary", `{"user":"HT11-AARCHER","password":"HT11-secret"}`, &accounts.Account{})
	w.got(owner, "GET", "/accounts/alice", "", &kept)
	if len(kept.Logins) != 1 || kept.Logins[0].App != "formulary" || kept.Logins[0].Changed.IsZero() {
		t.Errorf("kept %+v", kept.Logins)
	}
	l, err := w.accounts.Login(t.Context(), &authn.Identity{Issuer: accounts.Issuer, Subject: w.alice.ID}, "formulary")
	if err != nil || l.User != "HT11-AARCHER" || l.Password.Reveal() != "HT11-secret" {
		t.Errorf("got %q, %v", l.User, err)
	}
	shown := w.log.String()
	for _, target := range []string{"/accounts/alice", "/accounts", "/audit", "/export/accounts", "/export/accounts?format=json", "/export/audit"} {
		shown += w.as(owner, "GET", target, "").Body.String()
	}
	if strings.Contains(shown, "HT11") || !strings.Contains(shown, "login_set") {
		t.Error("the name or the password is shown, or the audit trail does not tell")
	}
}

// TestEachChangeIsInTheTrail goes through the life of an account.
func TestEachChangeIsInTheTrail(t *testing.T) {
	w := newWorld(t)
	var dave accounts.Account
	w.got(owner, "POST", "/accounts", `{"username":"dave","email":"dave@hospital.example","name":"Dave Dunn","roles":["nurse"],"attributes":{"ward":"7","beds":[1,2]}}`, &dave)
	if dave.ID == "" || dave.Status != accounts.Active || dave.Source != accounts.FromCreate || dave.Roles[0] != "nurse" || dave.Attributes["ward"] != "7" {
		t.Fatalf("made %+v", dave)
	}
	path := "/accounts/" + dave.ID
	steps := []struct {
		method, path, body string
		check              func(a accounts.Account) bool
	}{
		{"PATCH", "", `{"name":"David Dunn","attributes":{"beds":null,"badge":"00123"}}`, func(a accounts.Account) bool {
			return a.Name == "David Dunn" && a.Email == dave.Email && cmp.Equal(a.Attributes, map[string]any{"ward": "7", "badge": "00123"})
		}},
		{"POST", "/disable", `{}`, func(a accounts.Account) bool { return a.Status == accounts.Disabled }},
		{"POST", "/enable", ``, func(a accounts.Account) bool { return a.Status == accounts.Active }},
		{"POST", "/exempt", `{"exempt":true}`, func(a accounts.Account) bool { return a.Exempt }},
		{"POST", "/exempt", `{"exempt":false}`, func(a accounts.Account) bool { return !a.Exempt }},
		{"PUT", "/roles", `{"roles":["manager","nurse"]}`, func(a accounts.Account) bool { return slices.Equal(a.Roles, []string{"manager", "nurse"}) }},
		{"PUT", "/roles", `{"roles":[]}`, func(a accounts.Account) bool { return len(a.Roles) == 0 }},
		{"PUT", "/password", `{"password":"` + password + `"}`, func(accounts.Account) bool { return true }},
		{"DELETE", "/password", ``, func(accounts.Account) bool { return true }},
		{"DELETE", "/totp", ``, func(accounts.Account) bool { return true }},
		{"PUT", "/logins/formulary", `{"user":"DDUNN","password":"HT11-secret"}`, func(accounts.Account) bool { return true }},
		{"DELETE", "/logins/formulary", ``, func(accounts.Account) bool { return true }},
	}
	for _, step := range steps {
		var got accounts.Account
		w.got(owner, step.method, path+step.path, step.body, &got)
		if !step.check(got) || got.ID != dave.ID {
			t.Errorf("%s %s %s: %+v", step.method, step.path, step.body, got)
		}
	}
	var detail AccountDetail
	w.got(owner, "POST", path+"/link", `{"method":"entra","issuer":"https://idp.example","subject":"d-1"}`, &detail)
	if len(detail.Links) != 1 || detail.Links[0].MadeBy != "owner" {
		t.Errorf("links %+v", detail.Links)
	}
	w.got(owner, "POST", path+"/unlink", `{"issuer":"https://idp.example","subject":"d-1"}`, &detail)
	if len(detail.Links) != 0 {
		t.Errorf("links %+v", detail.Links)
	}
	var gone accounts.Account
	w.got(owner, "DELETE", path, "", &gone)
	w.refused(owner, 404, "", "GET", path, "")
	want := []string{"create", "change", "disable", "enable", "exempt", "exempt", "set_roles", "set_roles", "set_password", "set_password", "totp_remove", "login_set", "login_remove", "link", "unlink", "delete"}
	events, err := w.accounts.Audit.List(t.Context(), accounts.Filter{Account: dave.ID, Limit: 100})
	try(t, err)
	var got []string
	for _, e := range slices.Backward(events) {
		got = append(got, e.Action)
		if e.Actor != "owner" || e.RequestID == "" || e.Client.String() != "192.0.2.1" {
			t.Errorf("the line does not say who, from where or by which request: %+v", e)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	if strings.Contains(w.log.String(), password) || strings.Contains(fmt.Sprint(events), password) {
		t.Error("the password is in the log or the trail")
	}
}

func TestDetailShowsEverythingOfOnePerson(t *testing.T) {
	w := newWorld(t)
	w.withPassword(w.alice)
	try(t, w.accounts.Link(t.Context(), accounts.Context{Actor: "test"}, accounts.Link{Account: w.alice.ID, Method: "entra", Issuer: "https://idp.example", Subject: "a-1"}))
	w.signIn("https://idp.example", "a-1", "alice")
	w.signIn(accounts.Issuer, w.alice.ID, "alice")
	w.signIn("https://idp.example", "b-1", "alice") // somebody else, with the same name
	for _, name := range []string{w.alice.ID, "alice", "ALICE", "alice@hospital.example"} {
		var d AccountDetail
		w.got(deskOf(""), "GET", "/accounts/"+name, "", &d)
		if d.Account.ID != w.alice.ID || len(d.Links) != 1 || len(d.Sessions) != 2 || !d.Factors.Password || d.Factors.TOTP || len(d.History) != 3 || d.History[0].Action != "link" {
			t.Errorf("%s: %+v", name, d)
		}
	}
	var list SessionList
	w.got(deskOf(""), "GET", "/accounts/alice/sessions", "", &list)
	var ended RevokedInfo
	w.got(deskOf(""), "POST", "/accounts/alice/sessions/end", `{"handle":"`+list.Sessions[0].Handle+`"}`, &ended)
	if ended.Revoked != 1 {
		t.Errorf("one session: %+v", ended)
	}
	w.refused(deskOf(""), 404, "", "POST", "/accounts/alice/sessions/end", `{"handle":"`+list.Sessions[0].Handle+`"}`)
	w.got(deskOf(""), "POST", "/accounts/alice/sessions/end", `{}`, &ended)
	if ended.Revoked != 1 {
		t.Errorf("all others: %+v", ended)
	}
	var all SessionList
	w.got(owner, "GET", "/sessions", "", &all)
	if len(all.Sessions) != 1 {
		t.Errorf("left: %+v", all)
	}
	if lines := w.trailOf(w.alice.ID); strings.Count(strings.Join(lines, ";"), "end_sessions ok") != 2 {
		t.Errorf("trail %q", lines)
	}
}

func deskOf(organisation string) Who {
	return Who{Actor: "desk", Role: Desk, Organisation: organisation}
}

func TestWrongOrdersAreExplained(t *testing.T) {
	w := newWorld(t)
	w.create(accounts.Account{Username: "alice2", Email: "alice@hospital.example"})
	for _, test := range []struct {
		status                      int
		words, method, target, body string
	}{
		{409, "accounts have this address", "GET", "/accounts/alice@hospital.example", ""},
		{404, "there is none", "GET", "/accounts/nobody", ""},
		{409, "taken", "POST", "/accounts", `{"username":"ALICE"}`},
		{422, `"field":"email"`, "POST", "/accounts", `{"username":"x","email":"not an address"}`},
		{422, `"field":"status"`, "PATCH", "/accounts/alice", `{"status":"gone"}`},
		{400, "needs a user name", "POST", "/accounts", `{"name":"Nobody"}`},
		{400, "unknown field", "POST", "/accounts", `{"usernam":"x"}`},
		{400, "unknown field", "PATCH", "/accounts/alice", `{"id":"x"}`},
		{400, "read the request", "PATCH", "/accounts/alice", `{"exempt":"yes"}`},
		{400, "exempt: true or false", "POST", "/accounts/alice/exempt", `{}`},
		{400, "send roles", "PUT", "/accounts/alice/roles", `{}`},
		{400, "those that are: formulary, rota", "PUT", "/accounts/alice/logins/other", `{"user":"a","password":"b"}`},
		{422, `"field":"user"`, "PUT", "/accounts/alice/logins/rota", `{"user":"a:b","password":"b"}`},
		{422, `"field":"password"`, "PUT", "/accounts/alice/logins/rota", `{"user":"a"}`},
		{404, "are kept for this application", "DELETE", "/accounts/alice/logins/rota", ""},
		{400, "password is empty", "PUT", "/accounts/alice/password", `{}`},
		{400, "method, issuer and subject", "POST", "/accounts/alice/link", `{"method":"entra"}`},
		{404, "", "POST", "/accounts/alice/unlink", `{"issuer":"x","subject":"y"}`},
		{400, "limit is a number", "GET", "/accounts?limit=0", ""},
		{400, "limit is a number", "GET", "/accounts?limit=1001", ""},
		{400, "no place in the list", "GET", "/accounts?after=%00", ""},
		{400, "active or disabled", "GET", "/accounts?status=gone", ""},
		{400, "since is a time", "GET", "/audit?since=yesterday", ""},
		{400, "next of a page", "GET", "/audit?before=x", ""},
		{400, "by is", "GET", "/usage?by=week", ""},
		{400, "from is", "GET", "/usage?from=2026-13-01", ""},
		{400, "format is", "GET", "/usage?format=pdf", ""},
		{400, "format is", "GET", "/config?format=toml", ""},
		{400, "ask for json", "GET", "/export/accounts?status=active", ""},
		{413, "too large", "POST", "/accounts", `{"name":"` + strings.Repeat("x", maxOrder) + `"}`},
	} {
		w.refused(owner, test.status, test.words, test.method, test.target, test.body)
	}
	if lines := w.trailOf(w.alice.ID); len(lines) != 1 {
		t.Errorf("something was changed: %q", lines)
	}
}

// TestIdentityOfAnotherAccountIsNotTakenAway: the account of the path and the identity
// of the body must belong together.
func TestIdentityOfAnotherAccountIsNotTakenAway(t *testing.T) {
	w := newWorld(t)
	try(t, w.accounts.Link(t.Context(), accounts.Context{}, accounts.Link{Account: w.alice.ID, Method: "entra", Issuer: "https://idp.example", Subject: "a-1"}))
	for _, who := range []Who{owner, deskOfOne} {
		w.refused(who, 404, "", "POST", "/accounts/bob/unlink", `{"issuer":"https://idp.example","subject":"a-1"}`)
	}
	if links, err := w.accounts.Links(t.Context(), w.alice.ID); err != nil || len(links) != 1 {
		t.Errorf("%v, %v", links, err)
	}
}

func TestWithoutAccountsTheRestGoesOn(t *testing.T) {
	w := newWorld(t)
	w.api.Accounts = nil
	w.refused(owner, http.StatusNotFound, "keeps no accounts", "GET", "/accounts", "")
	var list SessionList
	w.got(owner, "GET", "/sessions", "", &list)
	var ended RevokedInfo
	w.got(owner, "POST", "/sessions/revoke", `{"all":true}`, &ended)
}

func TestMethodsAndConfigurationAreShown(t *testing.T) {
	w := newWorld(t)
	var list MethodList
	w.got(owner, "GET", "/methods", "", &list)
	if len(list.Methods) != 1 || list.Methods[0].Kind != "oidc" {
		t.Errorf("%+v", list)
	}
	rec := w.as(owner, "GET", "/config", "")
	if rec.Body.String() != "session:\n  idle: 20m\n" || !strings.HasPrefix(rec.Header().Get("Content-Type"), "application/yaml") {
		t.Errorf("%s %v", rec.Body, rec.Header())
	}
	var tree struct{ Session struct{ Idle string } }
	w.got(owner, "GET", "/config?format=json", "", &tree)
	if tree.Session.Idle != "20m" {
		t.Errorf("%+v", tree)
	}
}

func TestOutcomesOfAMethodAreRemembered(t *testing.T) {
	m := NewMetrics("test")
	m.SignIn("entra", "ok")
	m.SignIn("entra", "ok")
	m.SignInFailed("entra", "unavailable", fmt.Errorf("no answer\x1b[31m %s", strings.Repeat("x", 2*faultSize)))
	s := MethodState{Name: "entra"}
	m.State(&s)
	if s.SignIns["ok"] != 2 || s.SignIns["unavailable"] != 1 || s.LastFault.IsZero() || len(s.LastError) != faultSize || strings.Contains(s.LastError, "\x1b") {
		t.Errorf("%+v", s)
	}
	other := MethodState{Name: "local"}
	if m.State(&other); len(other.SignIns) != 0 || other.LastError != "" {
		t.Errorf("%+v", other)
	}
}
