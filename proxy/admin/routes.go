package admin

import (
	"fmt"
	"net/http"

	"foregate/authn/accounts"
)

// base is the path of the API.
const base = "/api/v1"

// route is one thing that can be asked for: the whole of what the API can do is in the
// table below, and nowhere else is decided who may ask for it.
type route struct {
	method, path string
	words        string // what it does, for the description
	least        Role
	open         bool // who has not signed in may ask too; least counts nothing
	whole        bool // only for who is not limited to one organisation
	people       bool // is about accounts
	file         bool // takes a CSV file
	endless      bool // goes on until the client leaves
	query        []param
	body, gives  any    // zero values of what is read and answered; nil: nothing
	kind         string // media type of the answer; empty: JSON
	do           func(*API, *call) (any, error)
}

// param is one parameter of a query.
type param struct{ name, words string }

var (
	pageParams = []param{
		{"after", "next of the page before"},
		{"limit", "how many at most, 1 to 1000; 50 unless given"},
	}
	accountParams = []param{
		{"text", "words; each is part of the user name, the e-mail address or the name"},
		{"username", "exactly, in any spelling"},
		{"email", "exactly, in any spelling"},
		{"external_id", "what the source calls it"},
		{"organisation", "its name; - for accounts without one"},
		{"kind", "staff, patient, or your own words"},
		{"status", "active or disabled"},
		{"source", "create, import, scim, admit or directory"},
		{"group", "ID of a group whose members are meant"},
	}
	auditParams = []param{
		{"account", "ID of the account"}, {"actor", "who did it"}, {"action", "sign_in, link, disable and so on"},
		{"method", "of the sign-in"}, {"app", "its name"}, {"organisation", "its name"}, {"result", "ok, admitted, or why not"},
		{"request_id", "support code"}, {"since", "a time (RFC 3339) or a day, from which on"}, {"until", "a time or a day, before which"},
	}
	usageParams = []param{
		{"by", "organisation, day or user: what there is one row for; organisation unless given"},
		{"from", "first day, 2006-01-02; 30 days before to unless given"}, {"to", "last day; today (UTC) unless given"},
		{"organisation", "its name"}, {"method", "its name"}, {"format", "json or csv"},
	}
	sessionParams = []param{
		{"user", "the whole name that the application is given"}, {"method", "that began it"}, {"app", "that it began at"},
		{"handle", "of one session"}, {"limit", "how many at most, 1 to 100000; 1000 unless given"},
	}
	formatParam = param{"format", "csv or json; csv unless given"}
)

// routes, from what everybody may to what only owners may.
var routes = []*route{
	{method: "GET", path: "/openapi.json", open: true, words: "This description", gives: map[string]any{}, do: (*API).description},
	{method: "POST", path: "/sign-in", open: true, words: "Get a pass, which is sent as bearer token, for an admin token or a password", body: SignIn{}, gives: PassInfo{}, do: signIn},
	{method: "POST", path: "/sign-out", least: Viewer, words: "End the pass that is sent", gives: Who{}, do: signOut},
	{method: "GET", path: "/who", least: Viewer, words: "Who asks, and what they may", gives: Who{}, do: showWho},

	{method: "GET", path: "/accounts", least: Viewer, people: true, words: "List accounts by name, page by page",
		query: append(append([]param{{"count", "true: also tell how many there are on all pages"}}, accountParams...), pageParams...), gives: AccountList{}, do: listAccounts},
	{method: "GET", path: "/accounts/{account}", least: Viewer, people: true, words: "Show an account with its links, factors, sessions and the last lines of its audit trail", gives: AccountDetail{}, do: showAccount},
	{method: "GET", path: "/accounts/{account}/sessions", least: Viewer, people: true, words: "Sessions of an account", gives: SessionList{}, do: accountSessions},
	{method: "GET", path: "/export/accounts", least: Viewer, people: true, words: "All accounts of a query as a file that can be imported (CSV, all or those of one organisation) or as JSON", query: append([]param{formatParam}, accountParams...), kind: "text/csv", do: exportAccounts},
	{method: "GET", path: "/audit", least: Viewer, people: true, words: "List the audit trail, newest first, page by page",
		query: append(append([]param{}, auditParams...), param{"before", "next of the page before"}, pageParams[1]), gives: EventList{}, do: listAudit},
	{method: "GET", path: "/export/audit", least: Viewer, people: true, words: "The audit trail of a query, newest first, as CSV or as a JSON object a line", query: append([]param{formatParam}, auditParams...), kind: "text/csv", do: exportAudit},
	{method: "GET", path: "/audit/stream", least: Viewer, people: true, endless: true, words: "The audit trail as it grows, a JSON object a line", query: append([]param{{"last", "begin with so many lines that are there already, at most 1000; none unless given"}}, auditParams[:8]...), kind: "application/x-ndjson", do: streamAudit},
	{method: "GET", path: "/usage", least: Viewer, people: true, words: "Visits and different users by organisation, day or user", query: usageParams, gives: UsageReport{}, do: reportUsage},
	{method: "GET", path: "/sessions", least: Viewer, whole: true, words: "Who is signed in", query: sessionParams, gives: SessionList{}, do: listSessions},
	{method: "GET", path: "/methods", least: Viewer, whole: true, words: "Ways to sign in, whether they can be used, and the last error", gives: MethodList{}, do: listMethods},
	{method: "GET", path: "/config", least: Viewer, whole: true, words: "The configuration in force, with secrets masked", query: []param{{"format", "yaml or json; yaml unless given"}}, kind: "application/yaml", do: showConfig},
	{method: "GET", path: "/faults/{code}", least: Viewer, whole: true, words: "What a support code means: a request of this Foregate that was not served", gives: Fault{}, do: showFault},
	{method: "GET", path: "/log-level", least: Viewer, whole: true, words: "The least important level of lines that are written", gives: LogLevelInfo{}, do: showLogLevel},

	{method: "POST", path: "/accounts/{account}/disable", least: Desk, people: true, words: "Shut an account and end its sessions", gives: accounts.Account{}, do: changer((*accounts.Accounts).Disable)},
	{method: "POST", path: "/accounts/{account}/enable", least: Desk, people: true, words: "Undo disable", gives: accounts.Account{}, do: changer((*accounts.Accounts).Enable)},
	{method: "POST", path: "/accounts/{account}/exempt", least: Desk, people: true, words: "Say whether a person may use a local way in where others must use single sign-on", body: ExemptOrder{}, gives: accounts.Account{}, do: exempt},
	{method: "POST", path: "/accounts/{account}/unlink", least: Desk, people: true, words: "Take an identity from its account and end its sessions", body: Identity{}, gives: AccountDetail{}, do: unlink},
	{method: "POST", path: "/accounts/{account}/sessions/end", least: Desk, people: true, words: "End one session of an account, or all", body: WhichSession{}, gives: RevokedInfo{}, do: endAccountSessions},
	{method: "POST", path: "/sessions/revoke", least: Desk, whole: true, words: "End sessions on every replica", body: Selector{}, gives: RevokedInfo{}, do: revokeSessions},

	{method: "POST", path: "/accounts", least: Owner, people: true, words: "Make an account", body: AccountOrder{}, gives: accounts.Account{}, do: createAccount},
	{method: "PATCH", path: "/accounts/{account}", least: Owner, people: true, words: "Change the fields that are sent; an attribute that is null goes away", body: AccountOrder{}, gives: accounts.Account{}, do: changeAccount},
	{method: "DELETE", path: "/accounts/{account}", least: Owner, people: true, words: "Remove an account for good, with its links; the audit trail keeps its ID", gives: accounts.Account{}, do: deleteAccount},
	{method: "POST", path: "/accounts/{account}/link", least: Owner, people: true, words: "Link an identity by hand: whoever has it gets the account", body: LinkOrder{}, gives: AccountDetail{}, do: link},
	{method: "PUT", path: "/accounts/{account}/roles", least: Owner, people: true, words: "Give an account these roles in place of those it has", body: RolesOrder{}, gives: accounts.Account{}, do: setRoles},
	{method: "PUT", path: "/accounts/{account}/password", least: Owner, people: true, words: "Give an account a password and end its sessions", body: PasswordOrder{}, gives: accounts.Account{}, do: setPassword},
	{method: "DELETE", path: "/accounts/{account}/password", least: Owner, people: true, words: "Take the password away and end the account's sessions", gives: accounts.Account{}, do: removePassword},
	{method: "DELETE", path: "/accounts/{account}/totp", least: Owner, people: true, words: "Take the authenticator app and the recovery codes away, for who has lost both", gives: accounts.Account{}, do: changer((*accounts.Accounts).RemoveTOTP)},
	{method: "PUT", path: "/accounts/{account}/logins/{app}", least: Owner, people: true, words: "Keep a person's own name and password for an application that is sent them (basic.per_user); they are sealed, and shown to nobody", body: LoginOrder{}, gives: accounts.Account{}, do: setLogin},
	{method: "DELETE", path: "/accounts/{account}/logins/{app}", least: Owner, people: true, words: "Forget a person's own name and password for an application", gives: accounts.Account{}, do: removeLogin},
	{method: "POST", path: "/methods/{method}/try", least: Desk, whole: true, words: "Get a link by which a method can be tried once: nobody is signed in", body: TryOrder{}, gives: TryLink{}, do: tryMethod},
	{method: "POST", path: "/methods/{method}/refresh", least: Owner, people: true, whole: true, words: "Compare accounts with the directory of a method now; with dry_run say only what would change", body: RefreshOrder{}, gives: accounts.Refreshed{}, do: refreshAccounts},
	{method: "PUT", path: "/log-level", least: Owner, whole: true, words: "Write more of the log, or less, for a while", body: LogLevelOrder{}, gives: LogLevelInfo{}, do: setLogLevel},
	{method: "POST", path: "/import/accounts", least: Owner, people: true, file: true, words: "Make and change accounts from a CSV file, all of it or nothing", gives: ImportInfo{}, do: importAccounts},
}

// permit is the one place that says whether somebody may make a request.
func permit(rt *route, w Who) error {
	switch {
	case rt.open:
		return nil
	case w.Role.rank() == 0:
		return errNobody
	case !w.May(rt.least):
		return &refused{http.StatusForbidden, fmt.Sprintf("this takes the role %s, and you are %s", rt.least, w.Role)}
	case rt.whole && w.Organisation != "":
		return &refused{http.StatusForbidden, "this is about everybody, and you look after " + w.Organisation + " alone; ask by account"}
	}
	return nil
}
