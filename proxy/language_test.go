package proxy

import (
	"net/http"
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
