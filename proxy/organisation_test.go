package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
)

// provider is a method that sends people away and, when they are back, says of them
// what the test wants.
type provider struct {
	says  authn.Identity
	hints []string
}

func (p *provider) Validate() error                             { return nil }
func (p *provider) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (p *provider) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	p.hints = append(p.hints, a.Hint)
	return authn.Redirect{URL: "https://idp.test/" + a.Method + "?state=" + a.ID}, nil
}

func (p *provider) Resume(context.Context, *authn.Attempt, *http.Request) (authn.Reply, error) {
	id := p.says
	id.Authenticated = time.Now()
	return authn.SignedIn{Identity: id}, nil
}

func (p *provider) Refresh(_ context.Context, id authn.Identity) (authn.Identity, error) {
	id.Email, id.Checked = p.says.Email, p.says.Checked
	id.Renew = time.Now().Add(time.Hour)
	return id, nil
}

// asker is a provider that asks on a page of ours.
type asker struct{ provider }

func (p *asker) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (p *asker) Asks() authn.Form                            { return authn.Form{Step: "password"} }
func (p *asker) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	p.hints = append(p.hints, a.Hint)
	return authn.Form{Step: "password", Fields: []authn.Field{{Name: "username", Kind: "text", Label: "User name", Value: a.Hint}}}, nil
}

// says is an identity of a provider: each has its own issuer.
func says(issuer, name, email string) authn.Identity {
	return authn.Identity{Issuer: "https://" + issuer + ".test", Subject: name, User: name, Email: email, Checked: email != ""}
}

// town is an app of its own ways "local" (a form) and "shared" (a provider), and two
// organisations: elsewhere with "elsewhere", whose people must use it, and northfield
// with "north" and "north2", whose people may.
type town struct {
	*Server
	accounts *accounts.Accounts
	local    *asker
	shared   *provider
	else_    *provider
	north    *provider
	north2   *provider
	methods  []*Method
	app      *App
	orgs     []*Organisation
}

const (
	elsewhereAddress = "198.51.100.7:1000"
	northAddress     = "203.0.113.7:1000"
	home             = "192.0.2.99:1000"
)

func newTown(t *testing.T) *town {
	t.Helper()
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &town{local: &asker{}, shared: &provider{}, else_: &provider{}, north: &provider{}, north2: &provider{}}
	if w.accounts, err = accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{}); err != nil {
		t.Fatal(err)
	}
	w.Server = newServer(t, memstore.New(), mirror(t), nil)
	w.Accounts = w.accounts
	existing := accounts.Policy{Account: accounts.AccountExisting, Match: accounts.MatchEmail, Verify: accounts.VerifyNone}
	w.methods = []*Method{
		{Name: "local", Title: "Password", Config: w.local, Admit: existing},
		{Name: "shared", Title: "Sign in with Microsoft", Config: w.shared, Admit: existing},
		{Name: "elsewhere", Title: "Sign in with St Elsewhere", Config: w.else_, Admit: existing},
		{Name: "north", Title: "Sign in with Northfield", Config: w.north, Admit: existing},
		{Name: "north2", Title: "Northfield card", Config: w.north2, Admit: existing},
	}
	w.orgs = []*Organisation{
		{Name: "elsewhere", Title: "St Elsewhere", Domains: []string{"elsewhere.example", ".elsewhere.example"},
			Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Methods: []string{"elsewhere"}, Only: true},
		{Name: "northfield", Title: "Northfield", Domains: []string{"northfield.example"},
			Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Methods: []string{"north", "north2"}},
	}
	old := w.set.Load().hosts["app.test"]
	w.app = &App{
		Name: "app", Hosts: old.Hosts, Methods: []string{"local", "shared"}, Guests: []string{"elsewhere", "north", "north2"},
		Upstream: old.Upstream, Terms: make(map[string]Terms), Audience: "app:app",
	}
	w.use()
	return w
}

// use puts what the test has changed in force.
func (w *town) use() {
	names := slices.Concat(w.app.Methods, w.app.Guests)
	w.app.Policy = NewPolicy(names, nil, w.app.Kinds...)
	for _, name := range names {
		w.app.Terms[name] = Terms{Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}
	}
	w.Swap(NewSet([]*App{w.app}, w.methods, w.orgs...))
}

func (w *town) method(name string) *Method {
	return w.methods[slices.IndexFunc(w.methods, func(m *Method) bool { return m.Name == name })]
}

func (w *town) person(t *testing.T, a accounts.Account) accounts.Account {
	t.Helper()
	made, err := w.accounts.Create(t.Context(), accounts.Context{Actor: "test"}, a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// visitor is a browser at an address of the network.
type visitor struct {
	w    *town
	from string
	jar  map[string]string
}

func (w *town) visitor(from string) *visitor {
	return &visitor{w: w, from: from, jar: make(map[string]string)}
}

func (v *visitor) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://app.test"+target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.RemoteAddr = v.from
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"} {
		r.Header.Set(name, value)
	}
	res := httptest.NewRecorder()
	v.w.ServeHTTP(res, r)
	for _, c := range res.Result().Cookies() {
		v.jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
		}
	}
	return res
}

var startLink = regexp.MustCompile(`/sso/start/([a-z0-9]+)`)

// buttons are the names of the methods that a page leads to, in order, each once.
func buttons(page *httptest.ResponseRecorder) string {
	var names []string
	for _, m := range startLink.FindAllStringSubmatch(page.Body.String(), -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return strings.Join(names, " ")
}

var (
	nonceOf   = regexp.MustCompile(`nonce="[^"]*"`)
	attemptOf = regexp.MustCompile(`name="attempt" value="[^"]*"`)
)

// signIn signs in by a method, with the identity that its provider is to say.
func (v *visitor) signIn(t *testing.T, name string, id authn.Identity) *httptest.ResponseRecorder {
	t.Helper()
	switch c := v.w.method(name).Config.(type) {
	case *provider:
		c.says = id
	case *asker:
		c.says = id
	}
	page := v.do("GET", "/sso/start/"+name+"?rd=/wards/7", nil)
	if m := hiddenField.FindStringSubmatch(page.Body.String()); m != nil {
		return v.do("POST", "/sso/start/"+name, url.Values{"attempt": {m[2]}, "username": {id.User}})
	}
	u, err := url.Parse(page.Header().Get("Location"))
	if err != nil || u.Query().Get("state") == "" {
		t.Fatalf("start of %s: %d %q", name, page.Code, page.Header().Get("Location"))
	}
	return v.do("GET", "/sso/callback/"+name+"?"+url.Values{"state": {u.Query().Get("state")}}.Encode(), nil)
}

func wantStatus(t *testing.T, what string, got *httptest.ResponseRecorder, want int, words ...string) {
	t.Helper()
	if got.Code != want {
		t.Errorf("%s: status %d, want %d: %s", what, got.Code, want, got.Body)
	}
	for _, word := range words {
		if !strings.Contains(got.Body.String(), word) {
			t.Errorf("%s: the page does not say %q:\n%s", what, word, got.Body)
		}
	}
}

func TestSM17MethodOfAnOrganisationSpeaksForItsPeopleOnly(t *testing.T) {
	w := newTown(t)
	w.person(t, accounts.Account{Email: "root@northfield.example", Username: "root", Organisation: "northfield"})
	w.person(t, accounts.Account{Email: "root@hospital.example"})
	w.person(t, accounts.Account{Email: "agency@elsewhere.example", Username: "nobody"})
	ours := w.person(t, accounts.Account{Email: "alice@elsewhere.example", Username: "alice", Organisation: "elsewhere"})
	for name, id := range map[string]authn.Identity{
		"account of another organisation":   says("else", "s1", "root@northfield.example"),
		"account of none":                   says("else", "s2", "root@hospital.example"),
		"account of none in its own domain": says("else", "s3", "agency@elsewhere.example"),
		"domain that only looks alike":      says("else", "s4", "alice@notelsewhere.example"),
		"address without account elsewhere": says("else", "s5", "ghost@northfield.example"),
	} {
		v := w.visitor(home)
		if got := v.signIn(t, "elsewhere", id); got.Code != http.StatusForbidden || strings.Contains(got.Header().Get("Set-Cookie"), "foregate=") {
			t.Errorf("%s: status %d", name, got.Code)
		}
	}
	v := w.visitor(home)
	if got := v.signIn(t, "elsewhere", says("else", "alice", "alice@elsewhere.example")); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/wards/7" {
		t.Fatalf("its own person: %d %s", got.Code, got.Body)
	}
	// A link that is there already, by the same issuer, is no way round it.
	for _, o := range []string{"northfield", ""} {
		if _, err := w.accounts.Update(t.Context(), accounts.Context{Actor: "test"}, ours.ID, func(a *accounts.Account) error { a.Organisation = o; return nil }); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, "moved to "+o, w.visitor(home).signIn(t, "elsewhere", says("else", "alice", "alice@elsewhere.example")), http.StatusForbidden)
	}
}

func TestSM17OnDemandAndWithoutAccounts(t *testing.T) {
	w := newTown(t)
	for name, admit := range map[string]accounts.Policy{
		"create": {Account: accounts.AccountCreate, Verify: accounts.VerifyNone},
		"none":   {},
	} {
		w.method("elsewhere").Admit = admit
		w.use()
		for _, id := range []authn.Identity{
			says("else", name+"1", "root@northfield.example"),
			says("else", name+"2", "root@hospital.example"),
			{Issuer: "https://else.test", Subject: name + "3", User: "root@northfield.example"},
			{Issuer: "https://else.test", Subject: name + "4", User: "r", PreferredUsername: "ROOT@NorthField.example"},
			{Issuer: "https://else.test", Subject: name + "5", User: "r", Email: "root@northfield.example"}, // unverified
			{Issuer: "https://else.test", Subject: name + "6", User: "r", Email: "<root@northfield.example>"},
			{Issuer: "https://else.test", Subject: name + "7", User: `"root"@northfield.example.`},
			{Issuer: "https://else.test", Subject: name + "8", User: "x@y@NORTHFIELD.example "},
		} {
			if got := w.visitor(home).signIn(t, "elsewhere", id); got.Code != http.StatusForbidden {
				t.Errorf("%s, %+v: status %d", name, id, got.Code)
			}
		}
		v := w.visitor(home)
		if got := v.signIn(t, "elsewhere", says("else", name+"-alice", "alice@ward.elsewhere.example")); got.Code != http.StatusSeeOther {
			t.Errorf("%s: its own person: %d %s", name, got.Code, got.Body)
		}
	}
	made, err := w.accounts.ByEmail(t.Context(), "alice@ward.elsewhere.example")
	if err != nil || len(made) != 1 || made[0].Organisation != "elsewhere" {
		t.Errorf("made %+v, %v", made, err)
	}
	events, err := w.accounts.Audit.List(t.Context(), accounts.Filter{Result: string(accounts.WrongOrg)})
	if err != nil || len(events) != 16 || events[0].Organisation != "elsewhere" || events[0].Detail["why"] == nil {
		t.Errorf("%d lines in the audit trail, %v: %+v", len(events), err, events)
	}
}

func TestMembershipByMethodThenAddressThenPlace(t *testing.T) {
	w := newTown(t)
	w.method("shared").Admit = accounts.Policy{Account: accounts.AccountCreate, Verify: accounts.VerifyNone}
	w.orgs[0].Only = false
	w.use()
	n := 0
	for _, test := range []struct{ method, email, from, want string }{
		{"shared", "a@northfield.example", home, "northfield"},
		{"shared", "b@northfield.example", elsewhereAddress, "northfield"}, // the address says more than the place
		{"shared", "c@hospital.example", elsewhereAddress, "elsewhere"},
		{"shared", "", northAddress, "northfield"},
		{"shared", "d@hospital.example", home, ""},
	} {
		n++
		name := "p" + string(rune('0'+n))
		if got := w.visitor(test.from).signIn(t, test.method, says("shared", name, test.email)); got.Code != http.StatusSeeOther {
			t.Errorf("%+v: status %d %s", test, got.Code, got.Body)
			continue
		}
		a, err := w.accounts.ByUsername(t.Context(), name)
		if err != nil || a.Organisation != test.want {
			t.Errorf("%+v: organisation %q, %v", test, a.Organisation, err)
		}
	}
	// An address that nobody vouches for says nothing.
	id := says("shared", "p9", "e@northfield.example")
	id.Checked = false
	w.visitor(home).signIn(t, "shared", id)
	if a, err := w.accounts.ByUsername(t.Context(), "p9"); err != nil || a.Organisation != "" {
		t.Errorf("unverified address: organisation %q, %v", a.Organisation, err)
	}
	// Somebody of no organisation who is there on a visit is let in all the same.
	w.method("shared").Admit.Account = accounts.AccountExisting
	w.use()
	w.person(t, accounts.Account{Email: "vera@hospital.example"})
	wantStatus(t, "visitor", w.visitor(northAddress).signIn(t, "shared", says("shared", "vera", "vera@hospital.example")), http.StatusSeeOther)
}

func TestPeopleOfAnOrganisationMustUseItsSignIn(t *testing.T) {
	w := newTown(t)
	w.person(t, accounts.Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
	w.person(t, accounts.Account{Email: "carol@agency.example", Organisation: "elsewhere"})
	admin := w.person(t, accounts.Account{Email: "admin@elsewhere.example", Organisation: "elsewhere", Exempt: true})
	w.person(t, accounts.Account{Email: "nora@northfield.example", Organisation: "northfield"})
	w.person(t, accounts.Account{Email: "bob@hospital.example"})

	v := w.visitor(home)
	page := v.signIn(t, "local", says("local", "alice", "alice@elsewhere.example"))
	wantStatus(t, "alice by password", page, http.StatusForbidden, "Your organisation, St Elsewhere, wants you to use “Sign in with St Elsewhere” here.",
		`href="/sso/start/elsewhere?rd=%2Fwards%2F7">Sign in with St Elsewhere<`)
	wantIn(t, w.Server, cookieLine(v.jar), false)
	if links, err := w.accounts.LinksOfIssuer(t.Context(), "https://local.test", "", 10); err != nil || len(links) != 0 {
		t.Errorf("who was refused is linked: %+v, %v", links, err)
	}
	wantStatus(t, "alice by hers", w.visitor(home).signIn(t, "elsewhere", says("else", "alice", "alice@elsewhere.example")), http.StatusSeeOther)
	wantStatus(t, "the exempt by password", w.visitor(home).signIn(t, "local", says("local", "admin", "admin@elsewhere.example")), http.StatusSeeOther)
	wantStatus(t, "who need not", w.visitor(home).signIn(t, "local", says("local", "nora", "nora@northfield.example")), http.StatusSeeOther)
	wantStatus(t, "who is of none", w.visitor(elsewhereAddress).signIn(t, "local", says("local", "bob", "bob@hospital.example")), http.StatusSeeOther)

	// A link from before does not help, and neither does having been exempt.
	if err := w.accounts.Exempt(t.Context(), accounts.Context{Actor: "test"}, admin.ID, false); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "not exempt any more", w.visitor(home).signIn(t, "local", says("local", "admin", "admin@elsewhere.example")), http.StatusForbidden)

	// Without accounts the verified address decides.
	w.method("local").Admit = accounts.Policy{}
	w.use()
	wantStatus(t, "without accounts", w.visitor(home).signIn(t, "local", says("local", "zoe", "zoe@elsewhere.example")), http.StatusForbidden, "Sign in with St Elsewhere")
	unsure := says("local", "zoe", "zoe@elsewhere.example")
	unsure.Checked = false
	wantStatus(t, "unverified", w.visitor(home).signIn(t, "local", unsure), http.StatusSeeOther)

	// Where the app does not have the organisation's ways, there is no button.
	w.app.Guests = nil
	w.use()
	page = w.visitor(home).signIn(t, "local", says("local", "zoe", "zoe@elsewhere.example"))
	wantStatus(t, "no such way here", page, http.StatusForbidden, "this application does not have that")
	if buttons(page) != "" {
		t.Errorf("buttons %q", buttons(page))
	}
}

func TestOnlyHoldsAtTheRecheckToo(t *testing.T) {
	w := newTown(t)
	w.orgs[0].Only = false
	w.use()
	w.person(t, accounts.Account{Email: "alice@elsewhere.example", Organisation: "elsewhere"})
	v := w.visitor(home)
	due := says("shared", "alice", "alice@elsewhere.example")
	due.Renew = time.Now().Add(-time.Second)
	wantStatus(t, "before", v.signIn(t, "shared", due), http.StatusSeeOther)
	w.orgs[0].Only = true
	w.use()
	got := v.do("GET", "/wards/7", nil)
	if to := got.Header().Get("Location"); got.Code != http.StatusFound || !strings.HasSuffix(to, "&ended=withdrawn") {
		t.Errorf("after: %d %q", got.Code, to)
	}
}

func cookieLine(jar map[string]string) string {
	var pairs []string
	for name, value := range jar {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}
