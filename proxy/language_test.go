package proxy

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestPagesAreInTheLanguageThatTheBrowserAsksFor(t *testing.T) {
	h := newHospital(t, "")
	cookie := enterAs(t, h.Server, person("alice", ""))
	for _, test := range []struct{ target, accept, lang, words string }{
		{"/sso/sign-out?choose=1", "de-AT,de;q=0.9,en;q=0.5", "de", "Speichern Sie zuerst Ihre Arbeit."},
		{"/sso/sign-out?choose=1", "en-GB,en;q=0.9,de;q=0.5", "en", "Save your work first."},
		{"/sso/sign-out?choose=1", "", "en", "Save your work first."},
		{"/sso/account", "de", "de", "Wo Sie angemeldet sind"},
		{"/sso/nothing", "de", "de", "Diese Seite gibt es nicht"},
	} {
		w := send(h.Server, "GET", test.target, cookie, nil, "Accept", "text/html", "Accept-Language", test.accept)
		if !strings.Contains(w.Body.String(), test.words) || w.Header().Get("Content-Language") != test.lang {
			t.Errorf("%+v: Content-Language %q\n%s", test, w.Header().Get("Content-Language"), w.Body)
		}
	}
}

func TestMachinesAreAnsweredInEnglish(t *testing.T) {
	w := send(newHospital(t, "").Server, "GET", "/sso/nothing", "", nil, "Accept", "application/json", "Accept-Language", "de")
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Check the address") || w.Header().Get("Content-Language") != "" {
		t.Errorf("status %d, Content-Language %q: %s", w.Code, w.Header().Get("Content-Language"), w.Body)
	}
}

var tongueLinks = regexp.MustCompile(`<a href="(/sso/language\?[^"]*)" lang="(\w+)"`)

// inLanguage is where a page's link to a language leads.
func inLanguage(t *testing.T, w *httptest.ResponseRecorder, tag string) string {
	t.Helper()
	for _, m := range tongueLinks.FindAllStringSubmatch(w.Body.String(), -1) {
		if m[2] == tag {
			return html.UnescapeString(m[1])
		}
	}
	t.Fatalf("no link to %s:\n%s", tag, w.Body)
	return ""
}

func TestChosenLanguageLeadsBackAndIsRemembered(t *testing.T) {
	h := newHospital(t, "")
	for target, want := range map[string]string{
		"/sso/sign-in?rd=/wards/7&choose=1&ended=idle": "/sso/sign-in?choose=1&ended=idle&rd=%2Fwards%2F7",
		"/sso/sign-in?rd=//evil.test&lost=1":           "/sso/sign-in?lost=1&rd=%2F",
		"/sso/start/local?rd=/wards/7":                 "/sso/start/local?rd=%2Fwards%2F7",
		"/sso/start/nobody?rd=/wards/7":                "/sso/sign-in?rd=%2Fwards%2F7",
		"/sso/callback/local?state=x&code=secret":      "/sso/sign-in?choose=1&rd=%2F",
		"/sso/sign-out":                                "/sso/sign-out?choose=1",
		"/sso/account/nothing":                         "/sso/sign-in?rd=%2F",
		"/wards//7":                                    "/wards//7",
	} {
		w := send(h.Server, "GET", target, "", nil, "Accept", "text/html")
		if w.Code == http.StatusSeeOther {
			continue // asked to sign in: no page
		}
		chosen := send(h.Server, "GET", inLanguage(t, w, "cy"), "", nil, "Accept", "text/html")
		if got := chosen.Header().Get("Location"); chosen.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: status %d, to %q, want %q", target, chosen.Code, got, want)
		}
		cookies := chosen.Result().Cookies()
		if len(cookies) != 1 || cookies[0].Name != "foregate-language" || cookies[0].Value != "cy" || !cookies[0].HttpOnly ||
			cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" || cookies[0].MaxAge != 365*24*60*60 {
			t.Errorf("%s: cookies %v", target, cookies)
		}
		again := send(h.Server, "GET", target, "foregate-language=cy", nil, "Accept", "text/html", "Accept-Language", "de")
		if got := again.Header().Get("Content-Language"); got != "cy" {
			t.Errorf("%s: then in %q", target, got)
		}
	}
}

func TestLanguageOfAnAnswerToAFormLeadsToWhereTheFormBegins(t *testing.T) {
	h := newHospital(t, "")
	b := h.browser("alice", alicesPassword)
	for _, test := range []struct {
		target string
		form   url.Values
		want   string
	}{
		{"/sso/start/local", url.Values{"rd": {"/wards/7"}}, "/sso/start/local?rd=%2Fwards%2F7"},
		{"/sso/account/sessions", url.Values{"session": {"none"}}, "/sso/account"},
		{"/sso/account/password", url.Values{"new": {"short"}, "password": {"x"}}, "/sso/account/password"},
		{"/sso/discover", url.Values{"rd": {"/wards/7"}, "email": {"a", "b"}}, "/sso/sign-in?choose=1&rd=%2Fwards%2F7"},
	} {
		if test.target == "/sso/discover" {
			clear(b.jar) // whoever is signed in is led on
		}
		w := b.do("POST", test.target, test.form)
		chosen := b.do("GET", inLanguage(t, w, "fr"), nil)
		if got := chosen.Header().Get("Location"); got != test.want {
			t.Errorf("%s: to %q, want %q", test.target, got, test.want)
		}
	}
}

func TestRD8ChoosingALanguageLeadsNowhereElse(t *testing.T) {
	h := newHospital(t, "")
	for query, want := range map[string]string{
		"to=de&rd=https://evil.test/":                         "/",
		"to=de&rd=//evil.test":                                "/",
		`to=de&rd=/\evil.test`:                                "/",
		"to=de&rd=/sso/sign-out":                              "/",
		"to=de&rd=/sso/backchannel/x":                         "/",
		"to=de&page=sign-out":                                 "/sso/sign-out?choose=1",
		"to=de&page=kept":                                     "/sso/kept",
		"to=de&page=start&method=../x&rd=/a":                  "/sso/sign-in?rd=%2Fa",
		"to=de&page=x&choose=" + strings.Repeat("1", 11):      "/sso/sign-in?rd=%2F",
		"to=de&page=sign-in&choose=a%26rd%3D//e&rd=//evil.te": "/sso/sign-in?choose=a%26rd%3D%2F%2Fe&rd=%2F",
	} {
		w := send(h.Server, "GET", "/sso/language?"+query, "", nil, "Accept", "text/html")
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: status %d, to %q, want %q", query, w.Code, got, want)
		}
	}
}

func TestOnlyAPageChoosesALanguageThatThereIs(t *testing.T) {
	h := newHospital(t, "")
	for _, to := range []string{"", "xx", "DE", "de;x", "../de"} {
		w := send(h.Server, "GET", "/sso/language?to="+url.QueryEscape(to), "", nil, "Accept", "text/html")
		if w.Code != http.StatusNotFound || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%q: status %d, Set-Cookie %q", to, w.Code, w.Header().Get("Set-Cookie"))
		}
	}
	image := send(h.Server, "GET", "/sso/language?to=de", "", nil, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Sec-Fetch-Site", "cross-site")
	if image.Header().Get("Set-Cookie") != "" {
		t.Error("an image chooses a language")
	}
	if w := send(h.Server, "POST", "/sso/language?to=de", "", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", w.Code)
	}
	for _, cookie := range []string{"foregate-language=xx", "foregate-language=", "foregate-language=%00", "__Host-foregate-language=de"} {
		w := send(h.Server, "GET", "/sso/nothing", cookie, nil, "Accept", "text/html")
		if got := w.Header().Get("Content-Language"); got != "en" {
			t.Errorf("%s: page in %q", cookie, got)
		}
	}
}

func TestChosenLanguageOfASharedDeviceEndsWithTheBrowser(t *testing.T) {
	h := newHospital(t, "")
	h.set.Load().Apps()[0].Shared = prefixes("192.0.2.0/24") // of httptest's requests
	w := send(h.Server, "GET", "/sso/language?to=de", "", nil, "Accept", "text/html")
	if c := w.Result().Cookies(); len(c) != 1 || c[0].Value != "de" || c[0].MaxAge != 0 || !c[0].Expires.IsZero() {
		t.Errorf("cookies %v", c)
	}
}

func TestRecoveryCodesOfferNoOtherLanguage(t *testing.T) {
	h := newHospital(t, "")
	r := httptest.NewRecorder()
	x := &exchange{ResponseWriter: r, asked: httptest.NewRequest("POST", "http://app.test/sso/account/app", nil), host: "app.test", app: h.set.Load().Apps()[0]}
	h.showCodes(x, []string{"aaaa-bbbb"})
	if strings.Contains(r.Body.String(), "/sso/language") || !strings.Contains(r.Body.String(), "aaaa-bbbb") {
		t.Errorf("codes that are shown once are lost by a link:\n%s", r.Body)
	}
}
