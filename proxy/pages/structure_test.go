package pages_test

import (
	"fmt"
	"image/color"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"foregate/authn"
	"foregate/proxy/pages"
)

func TestEveryPageIsSoundHTML(t *testing.T) {
	for name, page := range gallery() {
		t.Run(name, func(t *testing.T) {
			res, body, doc := write(t, careplan, page)
			if res.StatusCode != http.StatusOK || res.ContentLength != int64(len(body)) {
				t.Errorf("got status %d, Content-Length %d for %d bytes", res.StatusCode, res.ContentLength, len(body))
			}
			if !strings.HasPrefix(body, "<!doctype html>") || attr(one(t, doc, "html"), "lang") != "en" {
				t.Error("no doctype, or no language")
			}
			for _, landmark := range []string{"header", "main", "footer", "h1", "title", "style"} {
				one(t, doc, landmark)
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "{{") {
				t.Error("a value that the template refused, or a template that was not run")
			}
			if len(body) >= 30_000 {
				t.Errorf("%d bytes, want less than 30000", len(body))
			}
			checkIDs(t, doc)
			checkLabels(t, doc)
			checkNothingLoads(t, doc)
		})
	}
}

// checkIDs wants every ID once, and every reference to one to arrive.
func checkIDs(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]int{}
	for n := range doc.Descendants() {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
	}
	for n := range doc.Descendants() {
		for _, ref := range []string{"for", "aria-describedby", "aria-labelledby"} {
			if id := attr(n, ref); has(n, ref) && ids[id] != 1 {
				t.Errorf("%s=%q leads to %d elements", ref, id, ids[id])
			}
		}
	}
}

// checkLabels wants one label with words for each visible input.
func checkLabels(t *testing.T, doc *html.Node) {
	t.Helper()
	for _, input := range all(doc, "input") {
		if attr(input, "type") == "hidden" {
			continue
		}
		labels := slices.DeleteFunc(all(doc, "label"), func(l *html.Node) bool { return attr(l, "for") != attr(input, "id") })
		if len(labels) != 1 || text(labels[0]) == "" {
			t.Errorf("input %q has %d labels", attr(input, "name"), len(labels))
		}
		if attr(input, "autocomplete") == "" || has(input, "placeholder") {
			t.Errorf("input %q: no autocomplete, or a placeholder", attr(input, "name"))
		}
	}
}

// checkNothingLoads wants the page to be a single request without inline styles
// or handlers, which its policy would block.
func checkNothingLoads(t *testing.T, doc *html.Node) {
	t.Helper()
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			loads := a.Key == "src" || a.Key == "srcset" || n.Data == "link" && a.Key == "href"
			if loads && !strings.HasPrefix(a.Val, "data:") {
				t.Errorf("<%s %s=%q> is a second request", n.Data, a.Key, a.Val)
			}
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has %s", n.Data, a.Key)
			}
		}
	}
}

func TestHeadingSaysWhatThePageIs(t *testing.T) {
	want := map[string]string{
		"chooser":          "Sign in to Careplan",
		"chooser-problem":  "Sign in to Careplan",
		"chooser-form":     "Sign in to Careplan",
		"chooser-wrong":    "Sign in to Careplan",
		"chooser-only":     "Sign in to Careplan",
		"chooser-empty":    "Sign in to Careplan",
		"chooser-resume":   "Sign in to Careplan",
		"chooser-back":     "Sign in to Careplan",
		"chooser-address":  "Sign in to Careplan",
		"chooser-unread":   "Sign in to Careplan",
		"chooser-own":      "Sign in to Careplan",
		"chooser-theirs":   "Sign in to Careplan",
		"chooser-returned": "Sign in to Careplan",
		"handshake":        "One moment",
		"keptform":         "Your form was kept",
		"form-password":    "Sign in to Careplan",
		"form-wrong":       "Sign in with Careplan",
		"form-code":        "Enter your code",
		"form-mailed":      "Enter your code",
		"form-mailed-no":   "Enter your code",
		"form-expired":     "Sign in with your hospital account",
		"form-second":      "Get a code by e-mail",
		"form-email":       "Get a code by e-mail",
		"form-app":         "Enter the code from your app",
		"form-recovery":    "Use a recovery code",
		"form-begin":       "Set up an authenticator app",
		"form-enrol":       "Set up your authenticator app",
		"form-enrol-wrong": "Set up your authenticator app",
		"form-codes":       "Keep your recovery codes",
		"form-change-app":  "Change your authenticator app",
		"form-login":       "Your name and password for Careplan",
		"form-login-wrong": "Your name and password for Careplan",
		"problem-login":    "One more thing, this once",
		"form-new-pass":    "Change your password",
		"account":          "Your account",
		"account-bare":     "Your account",
		"form-emergency":   "Emergency access",
		"postform":         "One moment",
		"postform-unnamed": "One moment",
		"problem":          "You cannot use Careplan yet",
		"problem-bare":     "Something went wrong",
		"signout":          "Sign out of Careplan?",
		"signout-bare":     "Sign out of Careplan?",
		"trystart":         "Try “Sign in with Microsoft”", "tryout": "It works", "tryout-no": "It does not work yet",
		"form-federation": "Which is your organisation?",
		"signedout":       "You are signed out",
		"loopstop":        "We keep sending you round in circles",
	}
	got := map[string]string{}
	for name, page := range gallery() {
		_, _, doc := write(t, careplan, page)
		got[name] = text(one(t, doc, "h1"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWindowTitleStartsWithTheProblem(t *testing.T) {
	tests := map[string]string{
		"form-password":   "Sign in to Careplan",
		"form-wrong":      "That user name and password do not match. Check both and try again – Sign in with Careplan",
		"chooser-wrong":   "That user name and password do not match. Check both and try again – Sign in to Careplan",
		"chooser-problem": "Microsoft did not let you in. Choose another way, or try again – Sign in to Careplan",
		"form-code":       "Enter your code – Careplan",
		"problem":         "You cannot use Careplan yet",
		"signout":         "Sign out of Careplan?",
	}
	for name, want := range tests {
		_, _, doc := write(t, careplan, gallery()[name])
		if got := text(one(t, doc, "title")); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestFurtherButtonsComeAfterTheOneThatEnterPresses(t *testing.T) {
	_, _, doc := write(t, careplan, gallery()["form-mailed"])
	var got []string
	for _, b := range all(one(t, doc, "form"), "button") {
		got = append(got, attr(b, "type")+" "+attr(b, "name")+" "+text(b))
	}
	want := []string{"submit  Continue", "submit again Send a new code", "submit other Use another address"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("buttons (-want +got):\n%s", diff)
	}
}

func TestExpiredPasswordHasALinkToWhereItIsChanged(t *testing.T) {
	_, _, doc := write(t, careplan, gallery()["form-expired"])
	a := one(t, one(t, doc, "form"), "a")
	if got, want := attr(a, "href")+" "+text(a), "https://password.hospital.example Change your password"; got != want {
		t.Errorf("link %q, want %q", got, want)
	}
}

func TestCodePageSaysWhereTheCodeWent(t *testing.T) {
	words := func(form authn.Form) string {
		_, _, doc := write(t, careplan, pages.FormPage{Form: form})
		return text(one(t, doc, "form"))
	}
	for minutes, want := range map[string]string{"10": "The code holds for 10 minutes.", "1": "The code holds for one minute.", "": "(spam) too. Code", "x": "(spam) too. Code"} {
		form := mailedForm
		form.Facts = map[string]string{"address": "alice@hospital.example", "minutes": minutes}
		if got := words(form); !strings.Contains(got, "If alice@hospital.example is known here") || !strings.Contains(got, want) {
			t.Errorf("minutes %q: %s", minutes, got)
		}
	}
	if got := words(codeForm); strings.Contains(got, "known here") {
		t.Errorf("a code that was not sent: %s", got)
	}
	if got := words(secondForm); !strings.Contains(got, "The code was right") {
		t.Errorf("second step: %s", got)
	}
	_, _, doc := write(t, careplan, pages.FormPage{Form: secondForm})
	for _, in := range all(doc, "input") {
		if fixed, focus := attr(in, "name") == "email", attr(in, "name") == "password"; has(in, "readonly") != fixed || has(in, "autofocus") != focus {
			t.Errorf("input %v", in.Attr)
		}
	}
}

func TestPlainLookIsComplete(t *testing.T) {
	for name, page := range gallery() {
		for _, look := range []*pages.Look{nil, {}} {
			_, _, doc := write(t, look, page)
			if len(all(doc, "header")) != 0 || len(all(doc, "footer")) != 0 || len(all(doc, "img")) != 0 {
				t.Errorf("%s: empty header, footer or image", name)
			}
			if heading := text(one(t, doc, "h1")); heading == "" || strings.HasSuffix(heading, " ") {
				t.Errorf("%s: heading %q", name, heading)
			}
		}
	}
}

func TestFormPageSendsBackWhatItWasGiven(t *testing.T) {
	_, _, doc := write(t, careplan, gallery()["form-password"])
	form := one(t, doc, "form")
	if attr(form, "method") != "post" || attr(form, "action") != "/sso/callback/local" {
		t.Errorf("form: %v", form.Attr)
	}
	got := map[string]string{}
	for _, input := range all(form, "input") {
		got[attr(input, "name")] = attr(input, "type") + " " + attr(input, "autocomplete") + " " + attr(input, "value")
	}
	want := map[string]string{
		pages.FieldAttempt: "hidden  Zm9yZWdhdGU",
		pages.FieldReturn:  "hidden  /wards/7",
		"username":         "text username ",
		"password":         "password current-password ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWrongAnswerIsTiedToItsField(t *testing.T) {
	for _, name := range []string{"form-wrong", "chooser-wrong"} {
		_, _, doc := write(t, careplan, gallery()[name])
		inputs := slices.DeleteFunc(all(doc, "input"), func(n *html.Node) bool { return attr(n, "type") == "hidden" })
		user, password := inputs[0], inputs[1]
		if attr(user, "value") != "alice" || has(user, "aria-invalid") || has(user, "autofocus") {
			t.Errorf("%s: the name that may be right: %v", name, user.Attr)
		}
		if attr(password, "aria-invalid") != "true" || attr(password, "aria-describedby") != "problem" || !has(password, "autofocus") {
			t.Errorf("%s: the field to fill in again: %v", name, password.Attr)
		}
		alert := slices.DeleteFunc(all(doc, "p"), func(n *html.Node) bool { return attr(n, "role") != "alert" })
		if len(alert) != 1 || attr(alert[0], "id") != "problem" || text(alert[0]) != mismatch {
			t.Errorf("%s: alerts: %d", name, len(alert))
		}
	}
}

func TestCursorWaitsInTheFirstEmptyField(t *testing.T) {
	tests := map[string]struct {
		page pages.Page
		want string
	}{
		"first field":                {gallery()["form-password"], "username"},
		"name known":                 {pages.FormPage{Form: authn.Form{Fields: []authn.Field{{Name: "a", Value: "x"}, {Name: "b"}, {Name: "c"}}}}, "b"},
		"all filled in":              {pages.FormPage{Form: authn.Form{Fields: []authn.Field{{Name: "a", Value: "x"}}}}, "a"},
		"no fields":                  {pages.FormPage{}, ""},
		"choices come first":         {gallery()["chooser-form"], ""},
		"unless something was wrong": {gallery()["chooser-wrong"], "password"},
	}
	for name, test := range tests {
		_, _, doc := write(t, careplan, test.page)
		var got []string
		for _, input := range all(doc, "input") {
			if has(input, "autofocus") {
				got = append(got, attr(input, "name"))
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestPasswordsAndCodesAreNeverFilledIn(t *testing.T) {
	_, body, _ := write(t, careplan, pages.FormPage{Form: authn.Form{Fields: []authn.Field{
		{Name: "password", Kind: "password", Value: "hunter2"}, {Name: "code", Kind: "code", Value: "hunter2"},
	}}})
	if strings.Contains(body, "hunter2") {
		t.Error("a secret is in the page")
	}
}

func TestChoicesKeepTheirOrderAndTheirNote(t *testing.T) {
	_, _, doc := write(t, careplan, gallery()["chooser"])
	var got []string
	for _, a := range all(one(t, doc, "main"), "a") {
		got = append(got, text(a)+" -> "+attr(a, "href"))
	}
	want := []string{
		"Sign in with Microsoft -> /sso/start/entra?rd=%2Fwards%2F7",
		"Sign in with your hospital account cannot be reached at the moment -> /sso/start/adfs?rd=%2Fwards%2F7",
		"Get a code by e-mail -> /sso/start/code?rd=%2Fwards%2F7",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPostFormCarriesItsFieldsAndHasAButton(t *testing.T) {
	_, body, doc := write(t, careplan, gallery()["postform"])
	if got := attr(one(t, doc, "form"), "action"); got != "https://adfs.example/adfs/ls/" {
		t.Errorf("action %q", got)
	}
	got := map[string]string{}
	for _, input := range all(doc, "input") {
		got[attr(input, "name")] = attr(input, "value")
	}
	if diff := cmp.Diff(map[string]string{"SAMLRequest": "PHNhbWw+", "RelayState": "abc"}, got); diff != "" {
		t.Error(diff)
	}
	if got := text(one(t, doc, "button")); got != "Continue to Microsoft" {
		t.Errorf("button %q", got)
	}
	if !strings.Contains(body, "submit.call(document.forms[0])") {
		t.Error("does not continue by itself")
	}
}

func TestSupportCodeAndWayOutAreShown(t *testing.T) {
	for _, name := range []string{"problem", "loopstop"} {
		_, _, doc := write(t, careplan, gallery()[name])
		main := one(t, doc, "main")
		if !strings.Contains(text(main), "7KQ2-M4XD") || len(all(main, "a")) != 1 {
			t.Errorf("%s: %s", name, text(main))
		}
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	p := newPages(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.Write(w, http.StatusForbidden, pages.Reader{}, careplan, pages.Problem{})
	}))
	defer srv.Close()
	res, err := http.Head(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden || res.ContentLength < 1000 || res.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("got %d, length %d, %v", res.StatusCode, res.ContentLength, res.Header)
	}
}

func TestMissingPageIsAnErrorInPlainWords(t *testing.T) {
	rec := httptest.NewRecorder()
	newPages(t).Write(rec, http.StatusOK, pages.Reader{}, careplan, nil)
	if rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), "try again") || rec.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
}

func TestPictureOfASecretCanBeScannedAndTyped(t *testing.T) {
	_, body, doc := write(t, careplan, gallery()["form-enrol"])
	svg := one(t, doc, "svg")
	if attr(svg, "aria-label") == "" || attr(svg, "role") != "img" || strings.Contains(body, "otpauth") {
		t.Errorf("picture %v", svg.Attr)
	}
	if got := text(one(t, doc, "b")); got != "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP" {
		t.Errorf("key %q", got)
	}
	// Each module that the library says is dark is on a line, and no other.
	want, err := qr.Encode(secretURL, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	const quiet = 4
	drawn := map[[2]int]bool{}
	for line := range strings.SplitSeq(strings.TrimPrefix(attr(one(t, doc, "path"), "d"), "M"), "M") {
		var x, y, n int
		if _, err := fmt.Sscanf(line, "%d %d.5h%d", &x, &y, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for i := range n {
			drawn[[2]int{x + i - quiet, y - quiet}] = true
		}
	}
	side := want.Bounds().Dx()
	for y := range side {
		for x := range side {
			if dark := want.At(x, y) == color.Black; dark != drawn[[2]int{x, y}] {
				t.Fatalf("module %d,%d: got %v", x, y, !dark)
			}
			delete(drawn, [2]int{x, y})
		}
	}
	if box := fmt.Sprintf("0 0 %d %d", side+2*quiet, side+2*quiet); len(drawn) != 0 || attr(svg, "viewbox")+attr(svg, "viewBox") != box {
		t.Errorf("%d modules outside; box %q, want %q", len(drawn), attr(svg, "viewBox"), box)
	}
	form := enrolForm
	form.Facts = map[string]string{"url": "https://evil.example/" + secretURL}
	if _, _, doc := write(t, careplan, pages.FormPage{Form: form}); len(all(doc, "svg")) != 0 {
		t.Error("something else is drawn")
	}
}

func TestAccountEndsOtherSessionsAndNotThisOne(t *testing.T) {
	_, _, doc := write(t, careplan, account)
	var got []string
	for _, form := range all(doc, "form") {
		in := one(t, form, "input")
		got = append(got, attr(form, "action")+" "+attr(in, "name")+"="+attr(in, "value")+" "+text(one(t, form, "button")))
	}
	want := []string{"/sso/account/sessions session=d4e5f6 Sign out there", "/sso/account/sessions others=1 Sign out everywhere but here"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, _, doc := write(t, careplan, bareAccount()); len(all(doc, "form")) != 0 {
		t.Error("there is something to end where nobody else is signed in")
	}
}

// TestNobodyIsToldOfACodeThatWasNotSent beside the words that it could not be.
func TestNobodyIsToldOfACodeThatWasNotSent(t *testing.T) {
	form := authn.Form{
		Step: "proof", Fields: []authn.Field{{Name: "code", Kind: "code", Label: "Code from the e-mail"}},
		Problem: "The code could not be sent.", Facts: map[string]string{"address": "n•••@hospital.example", "minutes": "10", "unsent": "yes"},
	}
	w := httptest.NewRecorder()
	newPages(t).Write(w, http.StatusOK, pages.Reader{}, careplan, pages.FormPage{Action: "/sso/start/entra", Form: form})
	if body := w.Body.String(); strings.Contains(body, "We have sent") || strings.Contains(body, "take a minute") || !strings.Contains(body, "could not be sent") {
		t.Errorf("the page says:\n%s", body)
	}
}
