package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/authn/accounts"
)

func TestOwnMethodsOfAnOrganisationAreShownToItsPeople(t *testing.T) {
	w := newTown(t)
	for _, test := range []struct{ from, query, want string }{
		{home, "", "shared local"}, // the form stands below the buttons
		{home, "?choose=1", "shared local"},
		{northAddress, "", "north north2 shared local"},
		{elsewhereAddress, "?choose=1", "elsewhere"},
		{elsewhereAddress, "?choose=own", "shared local"},
		{northAddress, "?choose=own", "shared local"},
	} {
		if got := buttons(w.visitor(test.from).do("GET", "/sso/sign-in"+test.query, nil)); got != test.want {
			t.Errorf("from %s %s: got %q, want %q", test.from, test.query, got, test.want)
		}
	}
	// The only way there is at the place of an organisation is taken at once.
	straight := w.visitor(elsewhereAddress).do("GET", "/sso/sign-in?rd=/wards/7", nil)
	if to := straight.Header().Get("Location"); straight.Code != http.StatusSeeOther || !strings.HasPrefix(to, "https://idp.test/elsewhere?") {
		t.Errorf("got %d %q", straight.Code, to)
	}
	page := w.visitor(elsewhereAddress).do("GET", "/sso/sign-in?rd=/wards/7&choose=1", nil)
	wantStatus(t, "a way out for the exempt", page, http.StatusOK, `href="/sso/sign-in?choose=own&amp;rd=%2Fwards%2F7">Sign in another way<`)

	// What the app lists itself everybody sees, and an app may have none of them.
	w.app.Methods, w.app.Guests = []string{"local", "elsewhere"}, nil
	w.use()
	if got := buttons(w.visitor(home).do("GET", "/sso/sign-in", nil)); got != "elsewhere local" {
		t.Errorf("listed by the app: %q", got)
	}
	if got := buttons(w.visitor(northAddress).do("GET", "/sso/sign-in", nil)); got != "elsewhere local" {
		t.Errorf("not of this app: %q", got)
	}
	if got := w.visitor(northAddress).do("GET", "/sso/start/north", nil); got.Code != http.StatusNotFound {
		t.Errorf("start of a method that the app does not have: %d", got.Code)
	}
}

// give types an address on the page that asks for it.
func (v *visitor) give(t *testing.T, email string) (status int, to, body string) {
	t.Helper()
	page := v.do("GET", "/sso/sign-in?rd=/wards/7", nil)
	wantStatus(t, "page", page, http.StatusOK, `action="/sso/discover"`, `name="email" type="email"`, `name="rd" value="/wards/7"`)
	if got := buttons(page); got != "" {
		t.Errorf("buttons %q beside the question", got)
	}
	got := v.do("POST", "/sso/discover", url.Values{"email": {email}, "rd": {"/wards/7"}})
	return got.Code, got.Header().Get("Location"), got.Body.String()
}

func discovering(t *testing.T) *town {
	w := newTown(t)
	w.app.Discover = true
	w.use()
	return w
}

func TestAddressLeadsToTheRightSignIn(t *testing.T) {
	w := discovering(t)
	for _, email := range []string{"alice@elsewhere.example", " ALICE@Elsewhere.Example ", "alice@ward.elsewhere.example"} {
		status, to, _ := w.visitor(home).give(t, email)
		if status != http.StatusSeeOther || !strings.HasPrefix(to, "https://idp.test/elsewhere?") {
			t.Errorf("%q: %d %q", email, status, to)
		}
	}
	if got := w.else_.hints; len(got) != 3 || got[0] != "alice@elsewhere.example" || got[1] != "alice@elsewhere.example" {
		t.Errorf("hints %q", got)
	}
	v := w.visitor(home)
	v.do("POST", "/sso/discover", url.Values{"email": {"nora@northfield.example"}})
	if got := buttons(v.do("POST", "/sso/discover", url.Values{"email": {"nora@northfield.example"}})); got != "north north2" {
		t.Errorf("an organisation with two ways: %q", got)
	}
	// Everybody else gets the app's own ways, with the address filled in.
	got := v.do("POST", "/sso/discover", url.Values{"email": {"bob@hospital.example"}, "rd": {"/wards/7"}})
	wantStatus(t, "unknown domain", got, http.StatusOK, `value="bob@hospital.example"`)
	if buttons(got) != "shared local" {
		t.Errorf("unknown domain: %q", buttons(got))
	}
	w.app.Methods = []string{"local"}
	w.use()
	got = v.do("POST", "/sso/discover", url.Values{"email": {"bob@hospital.example"}, "rd": {"/wards/7"}})
	wantStatus(t, "unknown domain, one way", got, http.StatusOK, `value="bob@hospital.example"`, `action="/sso/start/local"`)
}

func TestAnswerToAnAddressDependsOnTheDomainAlone(t *testing.T) {
	w := discovering(t)
	w.person(t, accounts.Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
	w.person(t, accounts.Account{Email: "nora@northfield.example", Organisation: "northfield"})
	w.person(t, accounts.Account{Email: "bob12@hospital.example"})
	w.person(t, accounts.Account{Email: "dora1@hospital.example", Status: accounts.Disabled})
	for _, pair := range [][2]string{
		{"alice@elsewhere.example", "ghost@elsewhere.example"},
		{"nora@northfield.example", "gina@northfield.example"},
		{"bob12@hospital.example", "ghost@hospital.example"},
		{"dora1@hospital.example", "ghost@hospital.example"},
	} {
		var pages [2]string
		for i, email := range pair {
			v := w.visitor(home)
			status, to, body := v.give(t, email)
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			body = strings.ReplaceAll(body, email, "ADDRESS")
			pages[i] = http.StatusText(status) + u.Host + u.Path + attemptOf.ReplaceAllString(nonceOf.ReplaceAllString(body, ""), "")
		}
		if pages[0] != pages[1] {
			t.Errorf("%q and %q are told apart:\n%s\n%s", pair[0], pair[1], pages[0], pages[1])
		}
	}
}

func TestAddressThatIsNone(t *testing.T) {
	w := discovering(t)
	v := w.visitor(home)
	for _, email := range []string{"", "alice", "alice@", "@elsewhere.example", `"a b"@elsewhere.example`, "a@elsewhere.example,b@x.example", "a@[127.0.0.1]", strings.Repeat("a", 400) + "@elsewhere.example"} {
		got := v.do("POST", "/sso/discover", url.Values{"email": {email}, "rd": {"/wards/7"}})
		wantStatus(t, email, got, http.StatusUnprocessableEntity, "That is not a whole e-mail address.", `name="rd" value="/wards/7"`)
	}
	for name, form := range map[string]url.Values{"two": {"email": {"a@elsewhere.example", "b@northfield.example"}}, "none": {}} {
		if got := v.do("POST", "/sso/discover", form); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	if got := v.do("POST", "/sso/discover", url.Values{"email": {"a@elsewhere.example"}, "rd": {"https://evil.test/"}}); got.Code != http.StatusSeeOther {
		t.Errorf("got %d", got.Code)
	}
	if got := v.do("GET", "/sso/discover?email=a@elsewhere.example", nil); got.Header().Get("Location") != "/sso/sign-in" {
		t.Errorf("GET: %d %q", got.Code, got.Header().Get("Location"))
	}
	foreign := send(w.Server, "POST", "/sso/discover", "", url.Values{"email": {"a@elsewhere.example"}}, "Sec-Fetch-Site", "cross-site", "Accept", "text/html")
	if foreign.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", foreign.Code)
	}
}

func TestBrowserIsNotAskedForItsAddressAgain(t *testing.T) {
	w := discovering(t)
	w.person(t, accounts.Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
	v := w.visitor(home)
	v.give(t, "alice@elsewhere.example")
	if _, remembered := v.jar["foregate-way"]; remembered {
		t.Error("remembered before anybody signed in")
	}
	wantStatus(t, "sign-in", v.signIn(t, "elsewhere", says("else", "alice", "alice@elsewhere.example")), http.StatusSeeOther)
	if value := v.jar["foregate-way"]; value == "" || strings.Contains(value, "elsewhere") {
		t.Errorf("the way: %q", value)
	}
	v.do("POST", "/sso/sign-out", url.Values{})
	page := v.do("GET", "/sso/sign-in?rd=/wards/7", nil)
	wantStatus(t, "the next time", page, http.StatusOK, "Sign in another way")
	if buttons(page) != "elsewhere" {
		t.Errorf("the next time: %q", buttons(page))
	}
	// Whoever shares the computer is not held to it.
	wantStatus(t, "after choosing", v.do("GET", "/sso/sign-in?choose=1", nil), http.StatusOK, `action="/sso/discover"`)
	own := v.do("GET", "/sso/sign-in?choose=own", nil)
	wantStatus(t, "own ways", own, http.StatusOK, `choose=mail`)
	if buttons(own) != "shared local" {
		t.Errorf("own ways: %q", buttons(own))
	}
	w.app.Guests = nil
	w.use()
	if got := buttons(v.do("GET", "/sso/sign-in", nil)); got != "shared local" {
		t.Errorf("the app has it no more: %q", got)
	}
}

func TestOneOrganisationIsOfferedByALink(t *testing.T) {
	w := newTown(t)
	page := w.visitor(home).do("GET", "/sso/sign-in?rd=/wards/7", nil)
	wantStatus(t, "page", page, http.StatusOK, `href="/sso/sign-in?choose=mail&amp;rd=%2Fwards%2F7">Sign in with your organisation<`)
	wantStatus(t, "question", w.visitor(home).do("GET", "/sso/sign-in?choose=mail", nil), http.StatusOK, `action="/sso/discover"`)
	w.orgs[0].Domains, w.orgs[1].Domains = nil, nil
	w.use()
	if page := w.visitor(home).do("GET", "/sso/sign-in", nil); strings.Contains(page.Body.String(), "choose=mail") {
		t.Error("a question that leads nowhere")
	}
	w.app.Methods = nil
	w.use()
	if page := w.visitor(home).do("GET", "/sso/sign-in", nil); page.Code != http.StatusForbidden {
		t.Errorf("no way at all: %d", page.Code)
	}
}

func TestRuleThatAsksForAnOrganisationsMethod(t *testing.T) {
	w := discovering(t)
	w.app.Policy = NewPolicy([]string{"local", "shared", "elsewhere", "north", "north2"}, []Rule{{Path: "/admin/**", Allow: SignedIn, Methods: []string{"north2"}}})
	w.Swap(NewSet([]*App{w.app}, w.methods, w.orgs...))
	v := w.visitor(home)
	got := v.do("POST", "/sso/discover", url.Values{"email": {"nora@northfield.example"}, "rd": {"/admin/x"}})
	if to := got.Header().Get("Location"); !strings.HasPrefix(to, "https://idp.test/north2?") {
		t.Errorf("%d %q", got.Code, to)
	}
	if got := v.do("POST", "/sso/discover", url.Values{"email": {"bob@hospital.example"}, "rd": {"/admin/x"}}); got.Code != http.StatusForbidden {
		t.Errorf("who has no such way: %d", got.Code)
	}
}

func TestKindsOfAccountsAtAnApp(t *testing.T) {
	w := newTown(t)
	w.app.Kinds = []string{"staff", "physician"}
	w.use()
	w.person(t, accounts.Account{Email: "nurse@hospital.example", Kind: "staff"})
	w.person(t, accounts.Account{Email: "patient@hospital.example", Kind: "patient"})
	w.person(t, accounts.Account{Email: "nobody@hospital.example"})
	wantStatus(t, "staff", w.visitor(home).signIn(t, "shared", says("shared", "nurse", "nurse@hospital.example")), http.StatusSeeOther)
	wantStatus(t, "patient", w.visitor(home).signIn(t, "shared", says("shared", "patient", "patient@hospital.example")), http.StatusForbidden, "no account for this application")
	wantStatus(t, "of no kind", w.visitor(home).signIn(t, "shared", says("shared", "nobody", "nobody@hospital.example")), http.StatusForbidden)
	w.method("shared").Admit = accounts.Policy{Account: accounts.AccountCreate, Verify: accounts.VerifyNone}
	w.use()
	wantStatus(t, "new", w.visitor(home).signIn(t, "shared", says("shared", "new", "new@hospital.example")), http.StatusForbidden)
	w.method("shared").Admit = accounts.Policy{}
	w.use()
	wantStatus(t, "without account", w.visitor(home).signIn(t, "shared", says("shared", "x", "x@hospital.example")), http.StatusForbidden)

	// A session that was begun at an app which shares the cookie does not help.
	for kind, want := range map[string]int{"staff": http.StatusOK, "patient": http.StatusForbidden, "": http.StatusForbidden} {
		id := says("shared", "p", "p@hospital.example")
		id.Method, id.Kind = "shared", kind
		if got := send(w.Server, "GET", "/wards/7", enterAs(t, w.Server, id), nil); got.Code != want {
			t.Errorf("session of kind %q: %d, want %d", kind, got.Code, want)
		}
	}
	// The provider cannot say that somebody is of a kind.
	id := says("shared", "y", "")
	w.app.Kinds = nil
	id.Kind, id.Organisation = "staff", "elsewhere"
	w.use()
	v := w.visitor(home)
	wantStatus(t, "claimed kind", v.signIn(t, "shared", id), http.StatusSeeOther)
	w.app.Kinds = []string{"staff"}
	w.use()
	if got := v.do("GET", "/wards/7", nil); got.Code != http.StatusForbidden {
		t.Errorf("claimed kind: %d", got.Code)
	}
}

func TestExemptPeopleKeepTheLocalWayWhileEverybodyElseMustUseSingleSignOn(t *testing.T) {
	w := newTown(t)
	w.method("local").Admit.ExemptOnly = true
	w.use()
	w.person(t, accounts.Account{Email: "admin@hospital.example", Exempt: true})
	w.person(t, accounts.Account{Email: "bob@hospital.example"})
	wantStatus(t, "exempt", w.visitor(home).signIn(t, "local", says("local", "admin", "admin@hospital.example")), http.StatusSeeOther)
	wantStatus(t, "everybody else", w.visitor(home).signIn(t, "local", says("local", "bob", "bob@hospital.example")), http.StatusForbidden,
		"You cannot sign in this way. Go back and choose", "Back to signing in")
	wantStatus(t, "by single sign-on", w.visitor(home).signIn(t, "shared", says("shared", "bob", "bob@hospital.example")), http.StatusSeeOther)
}

var _ authn.Asker = (*asker)(nil)
