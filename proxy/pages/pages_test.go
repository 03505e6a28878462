package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"foregate/authn"
	"foregate/proxy/pages"
)

// careplan is an application with everything filled in.
var careplan = &pages.Look{
	Name:   "careplan",
	Title:  "Careplan",
	Colour: "#1d4f91",
	Help:   "Need help? Ring the service desk on extension 4400, day or night.",
	Footer: "For staff of St Elsewhere Hospital only.\nWhat you do here is recorded.",
}

func passwordForm(problem string) authn.Form {
	form := authn.Form{Step: "password", Problem: problem, Fields: []authn.Field{
		{Name: "username", Kind: "text", Label: "User name", Autocomplete: "username"},
		{Name: "password", Kind: "password", Label: "Password", Autocomplete: "current-password"},
	}}
	if problem != "" {
		form.Fields[0].Value = "alice"
	}
	return form
}

func expiredForm() authn.Form {
	form := passwordForm("Your password has expired, and you must choose a new one. Do that on your organisation's own page, then sign in again.")
	form.Facts = map[string]string{"change": "https://password.hospital.example"}
	return form
}

var codeForm = authn.Form{Step: "code", Fields: []authn.Field{
	{Name: "code", Kind: "code", Label: "Code from the e-mail", Autocomplete: "one-time-code"},
}}

var mailedForm = authn.Form{Step: "code", Fields: codeForm.Fields,
	Buttons: []authn.Button{{Name: "again", Label: "Send a new code"}, {Name: "other", Label: "Use another address"}},
	Facts:   map[string]string{"address": "alice@hospital.example", "minutes": "10"},
}

func wrongCode() authn.Form {
	form := mailedForm
	form.Problem = "That is not the code. Look for the newest e-mail and type the digits from it."
	return form
}

var secondForm = authn.Form{Step: "password",
	Fields: []authn.Field{
		{Name: "email", Kind: "email", Label: "E-mail address", Autocomplete: "username", Value: "alice@hospital.example", Fixed: true},
		{Name: "password", Kind: "password", Label: "Password", Autocomplete: "current-password"},
	},
	Buttons: []authn.Button{{Name: "other", Label: "Use another address"}},
	Facts:   map[string]string{"address": "alice@hospital.example"},
}

var emailForm = authn.Form{Step: "email", Fields: []authn.Field{
	{Name: "email", Kind: "email", Label: "E-mail address", Autocomplete: "username"},
}}

const secretURL = "otpauth://totp/Careplan:alice@hospital.example?algorithm=SHA1&digits=6&issuer=Careplan&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

var enrolForm = authn.Form{Step: "enrol",
	Fields:  []authn.Field{{Name: "code", Kind: "code", Label: "Code that your app shows", Autocomplete: "one-time-code"}},
	Buttons: []authn.Button{{Name: "restart", Label: "Start again"}},
	Facts:   map[string]string{"url": secretURL, "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"},
}

func wrongEnrolment() authn.Form {
	form := enrolForm
	form.Problem = "That is not the code. Check that the time on your phone is right, then type the code that your app shows now."
	return form
}

var recoveryCodes = authn.Form{Step: "recovery-codes", Facts: map[string]string{
	"codes": "k2fq-7xwz-mm3a-9dhe\n4rpt-c6vj-qq2b-h8ns\nw5gd-3yka-tt7m-f2ue\nb9xr-6zpc-vv4h-n3jq\ne7mk-2fws-dd8t-y5ga",
}}

var newPassword = authn.Form{Step: "new-password", Fields: []authn.Field{
	{Name: "username", Kind: "text", Label: "User name", Autocomplete: "username", Value: "alice", Fixed: true},
	{Name: "password", Kind: "password", Label: "Password that you have now", Autocomplete: "current-password"},
	{Name: "new", Kind: "password", Label: "New password", Autocomplete: "new-password"},
	{Name: "again", Kind: "password", Label: "New password once more", Autocomplete: "new-password"},
}}

var now = time.Date(2026, time.November, 25, 9, 12, 0, 0, time.UTC)

var account = pages.Account{
	Now:  now,
	Done: "Your password is changed. You are signed out everywhere else.",
	Facts: []pages.Fact{
		{Label: "Name", Value: "Alice Archer"}, {Label: "E-mail address", Value: "alice@hospital.example"}, {Label: "User name", Value: "aarcher"},
		{Label: "Signed in", Value: "Microsoft", Since: now.Add(-2 * time.Hour)}, {Label: "Proved by", Words: []string{"password", "one-time code"}}, {Label: "Ends at the latest", Until: now.Add(10 * time.Hour)},
		{Label: "Groups", Value: "Careplan-Users, Ward 7", More: 4}, {Label: "Roles", Value: "nurse"},
	},
	Factors: []pages.Factor{
		{Title: "Password", Action: "Change your password", URL: "/sso/account/password"},
		{Title: "Authenticator app", Codes: 8, Action: "Change or remove it", URL: "/sso/account/app"},
	},
	Login:      &pages.Login{Kept: true, Changed: now.Add(-50 * time.Hour), URL: "/sso/account/application"},
	Identities: []pages.Identity{{Title: "Sign in with Microsoft", Note: "alice@hospital.example", Used: now.Add(-30 * time.Hour)}, {Title: "Hospital account"}},
	Sessions: []pages.Session{
		{ID: "a1b2c3", Where: "Careplan", Since: now.Add(-2 * time.Hour), From: "192.0.2.10", This: true},
		{ID: "d4e5f6", Where: "Formulary", Since: now.Add(-26 * time.Hour), From: "2001:db8::7"},
	},
	SessionsURL: "/sso/account/sessions", Home: "/", SignOut: "/sso/sign-out?choose=1",
}

func bareAccount() pages.Account {
	return pages.Account{Facts: account.Facts[2:4], Sessions: account.Sessions[:1], Login: &pages.Login{URL: "/sso/account/application"}, Now: now, More: 3, SessionsURL: "/sso/account/sessions", Home: "/", Problem: "That device was signed out already."}
}

const mismatch = "That user name and password do not match. Check both and try again."

var organisations = authn.Form{Step: "organisation", Facts: map[string]string{"more": "12"},
	Fields:  []authn.Field{{Name: "q", Kind: "text", Label: "Organisation", Autocomplete: "organization", Value: "hospital"}},
	Buttons: []authn.Button{{Name: "provider", Value: "https://idp.st-elsewhere.example/saml", Label: "St Elsewhere Hospital"}, {Name: "provider", Value: "https://idp.county.example/saml", Label: "County Hospital"}}}

var tryout = pages.TryOut{
	Title: "Sign in with Microsoft", App: "Careplan", Code: "7KQ2-M4XD", LetIn: "aarcher",
	Checked: []authn.Noted{{Name: "Provider", Values: []string{"https://adfs.hospital.example/adfs/services/trust"}},
		{Name: "Assertion signed with", Values: []string{"CN=ADFS Signing - adfs.hospital.example", "until 2027-03-01", "SHA-256 0F1C26A9D1B37E55C0D2F8B4419A6E7730C5A1B2C3D4E5F60718293A4B5C6D7E"}}},
	Sent: []authn.Noted{{Name: "NameID", Values: []string{"alice@hospital.example", "format urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"}},
		{Name: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", Values: []string{"alice@hospital.example"}},
		{Name: "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", Values: []string{"Careplan-Users", "Ward 7"}}},
	Made: []authn.Made{{Part: "user name", From: []string{"uid", "NameID"}, Value: "alice@hospital.example"},
		{Part: "name", From: []string{"displayName"}}},
	Missing: []string{"name: the provider sent none of displayName"},
	Person:  []pages.Fact{{Label: "User name", Value: "aarcher"}, {Label: "E-mail address", Value: "alice@hospital.example"}},
	Account: "The account aarcher is linked already.", Roles: []string{"nurse"},
	Rules:   []pages.TryRule{{Text: "/admin/**; allow signed_in; roles administrator", Verdict: "deny", Reason: "has none of the rule's roles"}, {Text: "every path; allow signed_in", Verdict: "allow", Reason: "fulfils the rule"}},
	Headers: []pages.TryHeader{{Name: "X-Forwarded-User", Value: "aarcher", Claim: "user"}, {Name: "X-Ward", Claim: "ward", None: true}, {Name: "X-Api-Key"}},
}

func emergencyForm(user, problem string) authn.Form {
	return authn.Form{Step: "emergency", Problem: problem, Fields: []authn.Field{
		{Name: "username", Kind: "text", Label: "User name", Autocomplete: "username", Value: user},
		{Name: "password", Kind: "password", Label: "Password", Autocomplete: "current-password"},
		{Name: "reason", Kind: "text", Label: "Why do you need this?"},
	}}
}

func loginForm(problem string) authn.Form {
	return authn.Form{Step: "app-login", Problem: problem, Facts: map[string]string{"app": "Careplan"}, Fields: []authn.Field{
		{Name: "app-user", Kind: "text", Label: "Your name there"}, {Name: "app-secret", Kind: "password", Label: "Your password there"},
	}, Buttons: []authn.Button{{Name: "remove", Label: "Remove them"}}}
}

func discoverForm(typed, problem string) authn.Form {
	return authn.Form{Step: "discover", Problem: problem, Fields: []authn.Field{
		{Name: "email", Kind: "email", Label: "E-mail address", Autocomplete: "username", Value: typed},
	}}
}

// gallery has every page in the states that look different.
func gallery() map[string]pages.Page {
	choices := []pages.Choice{
		{Title: "Sign in with Microsoft", URL: "/sso/start/entra?rd=%2Fwards%2F7"},
		{Title: "Sign in with your hospital account", URL: "/sso/start/adfs?rd=%2Fwards%2F7", Note: "cannot be reached at the moment"},
		{Title: "Get a code by e-mail", URL: "/sso/start/code?rd=%2Fwards%2F7"},
	}
	local := &pages.FormPage{Title: "Careplan user name and password", Action: "/sso/callback/local", Attempt: "Zm9yZWdhdGU", Return: "/wards/7", Form: passwordForm("")}
	wrong := *local
	wrong.Form = passwordForm(mismatch)
	discover := &pages.FormPage{Action: "/sso/discover", Return: "/wards/7", Form: discoverForm("", "")}
	unread := &pages.FormPage{Action: "/sso/discover", Return: "/wards/7", Form: discoverForm("alice@", "That is not a whole e-mail address. Type it as in alice@hospital.example.")}
	another := &pages.Choice{Title: "Sign in another way", URL: "/sso/sign-in?choose=own&rd=%2Fwards%2F7"}
	return map[string]pages.Page{
		"chooser":          pages.Chooser{Choices: choices},
		"chooser-problem":  pages.Chooser{Choices: choices, Problem: "Microsoft did not let you in. Choose another way, or try again."},
		"chooser-form":     pages.Chooser{Choices: choices[:2], Form: local},
		"chooser-wrong":    pages.Chooser{Choices: choices[:2], Form: &wrong},
		"chooser-only":     pages.Chooser{Form: local},
		"chooser-empty":    pages.Chooser{},
		"chooser-resume":   pages.Chooser{Else: "/sso/sign-out", Resume: &pages.Choice{Title: "Continue as Alice Archer", URL: "/sso/sign-in?rd=%2Fwards%2F7"}, Choices: choices[:2], Form: local, Problem: "You were signed out because nothing happened for a while."},
		"chooser-back":     pages.Chooser{Resume: &pages.Choice{Title: "Continue as Alice Archer", URL: "/sso/sign-in?rd=%2Fwards%2F7"}, Choices: choices[:1]},
		"chooser-address":  pages.Chooser{Form: discover, Others: another},
		"chooser-unread":   pages.Chooser{Form: unread, Others: another},
		"chooser-own":      pages.Chooser{Choices: choices[:2], Form: local, Others: &pages.Choice{Title: "Sign in with your organisation", URL: "/sso/sign-in?choose=mail&rd=%2Fwards%2F7"}},
		"chooser-theirs":   pages.Chooser{Choices: choices[1:2], Others: another},
		"chooser-returned": pages.Chooser{Resume: &pages.Choice{Title: "Continue as Alice Archer", URL: "/sso/sign-in?rd=%2Fwards%2F7"}, Form: discover, Others: another},
		"keptform":         pages.KeptForm{Action: "/wards/7/notes", Field: "foregate-kept", Value: "send", Discard: "/sso/kept"},
		"form-password":    pages.FormPage{Action: "/sso/callback/local", Attempt: "Zm9yZWdhdGU", Return: "/wards/7", Form: passwordForm(""), Others: "/sso/sign-in"},
		"form-wrong":       pages.FormPage{Title: "Sign in with Careplan", Action: "/sso/callback/local", Form: passwordForm(mismatch), Others: "/sso/sign-in"},
		"form-code":        pages.FormPage{Action: "/sso/callback/code", Form: codeForm, Others: "/sso/sign-in"},
		"form-mailed":      pages.FormPage{Action: "/sso/start/code", Attempt: "Zm9yZWdhdGU", Form: mailedForm, Others: "/sso/sign-in"},
		"form-expired":     pages.FormPage{Action: "/sso/start/ward-ad", Title: "Sign in with your hospital account", Form: expiredForm()},
		"form-mailed-no":   pages.FormPage{Action: "/sso/start/code", Form: wrongCode()},
		"form-second":      pages.FormPage{Title: "Get a code by e-mail", Action: "/sso/start/code", Form: secondForm},
		"form-federation":  pages.FormPage{Title: "Sign in with your institution", Action: "/sso/start/federation", Attempt: "Zm9yZWdhdGU", Form: organisations, Others: "/sso/sign-in"},
		"form-email":       pages.FormPage{Action: "/sso/callback/code", Form: emailForm},
		"form-app":         pages.FormPage{Action: "/sso/start/local", Form: authn.Form{Step: "totp", Fields: codeForm.Fields, Buttons: []authn.Button{{Name: "recovery", Label: "Use a recovery code"}, {Name: "restart", Label: "Start again"}}}, Others: "/sso/sign-in"},
		"form-recovery":    pages.FormPage{Action: "/sso/start/local", Form: authn.Form{Step: "totp-recovery", Fields: []authn.Field{{Name: "code", Kind: "text", Label: "Recovery code"}}}},
		"form-begin":       pages.FormPage{Action: "/sso/account/app", Form: authn.Form{Step: "totp-begin"}, Back: "/sso/account"},
		"form-enrol":       pages.FormPage{Action: "/sso/start/local", Attempt: "Zm9yZWdhdGU", Form: enrolForm},
		"form-enrol-wrong": pages.FormPage{Action: "/sso/account/app", Form: wrongEnrolment(), Back: "/sso/account"},
		"form-codes":       pages.FormPage{Action: "/sso/account", Form: recoveryCodes},
		"form-change-app":  pages.FormPage{Action: "/sso/account/app", Form: authn.Form{Step: "totp-change", Fields: []authn.Field{{Name: "code", Kind: "text", Label: "Code from your app, or a recovery code"}}, Buttons: []authn.Button{{Name: "remove", Label: "Remove the app"}}}, Back: "/sso/account"},
		"form-login":       pages.FormPage{Action: "/sso/account/application", Form: loginForm(""), Back: "/sso/account"},
		"form-login-wrong": pages.FormPage{Action: "/sso/account/application", Form: loginForm("Type both the name and the password, as the application knows them. A name has no colon."), Back: "/sso/account"},
		"form-new-pass":    pages.FormPage{Action: "/sso/account/password", Form: newPassword, Back: "/sso/account"},
		"account":          account,
		"account-bare":     bareAccount(),
		"form-emergency":   pages.FormPage{Title: "Emergency access", Action: "/sso/start/emergency", Attempt: "Zm9yZWdhdGU", Form: emergencyForm("root-1", "Say in a few words why you need this, and type the password again."), Others: "/sso/sign-in"},
		"postform":         pages.PostForm{URL: "https://adfs.example/adfs/ls/", Fields: map[string]string{"SAMLRequest": "PHNhbWw+", "RelayState": "abc"}, To: "Microsoft"},
		"postform-unnamed": pages.PostForm{URL: "https://adfs.example/adfs/ls/", Fields: map[string]string{"submit": "x"}},
		"handshake":        pages.Handshake{Others: "/sso/sign-in?choose=1&device=1&rd=%2Fwards%2F7"},
		"problem": pages.Problem{Heading: "You cannot use Careplan yet", Message: "You have signed in, but your account is not in the group of people who may use Careplan.",
			Next: "Ask the head of your ward to request access for you.", Action: "Try again", ActionURL: "/wards/7", Code: "7KQ2-M4XD"},
		"problem-bare": pages.Problem{},
		"problem-login": pages.Problem{Heading: "One more thing, this once", Message: "This application asks for a name and password of its own. Enter them here once, and you will not be asked again.",
			Action: "Enter name and password", ActionURL: "/sso/account/application", Code: "7KQ2-M4XD"},
		"signout":      pages.SignOut{Action: "/sso/sign-out", User: "Alice Archer", Stay: "/", Everywhere: true, Else: true},
		"signout-bare": pages.SignOut{Action: "/sso/sign-out"},
		"signedout":    pages.SignedOut{SignIn: "/sso/sign-in", Note: "You may still be signed in at Microsoft."},
		"trystart":     pages.TryStart{Title: "Sign in with Microsoft", Action: "/sso/try/entra", Ticket: "Zm9yZWdhdGU"},
		"tryout":       tryout,
		"tryout-no": pages.TryOut{Title: "Sign in with Microsoft", Code: "7KQ2-M4XD", Told: "The sign-in service did not tell us your user name. Tell your IT department.",
			Why:     `saml: none of attributes.user ["employeeNumber"] is there and fit; the provider sent ["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"]`,
			Checked: tryout.Checked, Sent: tryout.Sent, Made: []authn.Made{{Part: "user name", From: []string{"employeeNumber"}}}, Missing: []string{"user name: the provider sent none of employeeNumber"}},
		"loopstop": pages.LoopStop{Again: "/sso/sign-in?rd=%2Fwards%2F7", Code: "7KQ2-M4XD", Partner: "St Elsewhere Hospital"},
	}
}

var parsed = sync.OnceValues(pages.New)

func newPages(t testing.TB) *pages.Pages {
	t.Helper()
	p, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write renders a page and returns the response and its parsed body.
func write(t testing.TB, look *pages.Look, page pages.Page) (*http.Response, string, *html.Node) {
	t.Helper()
	rec := httptest.NewRecorder()
	newPages(t).Write(rec, http.StatusOK, pages.Reader{}, look, page)
	body := rec.Body.String()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return rec.Result(), body, doc
}

// all returns the elements of that name, in document order.
func all(doc *html.Node, name string) []*html.Node {
	var found []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

// one returns the only element of that name.
func one(t testing.TB, doc *html.Node, name string) *html.Node {
	t.Helper()
	found := all(doc, name)
	if len(found) != 1 {
		t.Fatalf("got %d <%s>, want 1", len(found), name)
	}
	return found[0]
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// text is what is to be read in n, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
