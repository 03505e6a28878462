package proxy

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/mailcode"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// oneAccount is people of whom there is one, and a mailbox for her letters.
type oneAccount struct{ letters []authn.Letter }

func (o *oneAccount) ByEmail(_ context.Context, email string) (authn.Person, error) {
	if email != "alice@hospital.example" {
		return authn.Person{}, authn.ErrNoPerson
	}
	return authn.Person{Issuer: "foregate:accounts", Subject: "a1", User: "aarcher", Email: email}, nil
}

func (o *oneAccount) CheckPassword(context.Context, authn.Person, string) error {
	return authn.ErrWrongPassword
}

func (o *oneAccount) Send(_ context.Context, l authn.Letter) error {
	o.letters = append(o.letters, l)
	return nil
}

// signingIn is a browser that follows the forms of one attempt.
type signingIn struct {
	t      *testing.T
	s      *Server
	jar    map[string]string
	hidden url.Values
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

func (b *signingIn) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	var cookie []string
	for name, value := range b.jar {
		cookie = append(cookie, name+"="+value)
	}
	w := send(b.s, method, target, strings.Join(cookie, "; "), form, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Accept", "text/html")
	for _, c := range w.Result().Cookies() {
		b.jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	b.hidden = url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(w.Body.String(), -1) {
		b.hidden.Add(m[1], m[2])
	}
	return w
}

// press sends the form that is shown with these fields.
func (b *signingIn) press(fields ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	form := b.hidden
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do("POST", "/sso/start/local", form)
}

func newCodeServer(t *testing.T) (*Server, *oneAccount) {
	t.Helper()
	people, store := &oneAccount{}, memstore.New()
	return newServer(t, store, mirror(t), nil, &Method{Name: "local", Title: "Get a code by e-mail", Config: &mailcode.Config{}, Env: authn.Env{
		Name: "local", Once: cookies.Spent{Store: store}, Tries: cookies.Tries{Counter: store}, Log: slog.New(slog.DiscardHandler),
		Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}, People: people, Mail: people,
	}}), people
}

func TestCodeByMailFromTheFirstPageToTheApplication(t *testing.T) {
	s, people := newCodeServer(t)
	b := &signingIn{t: t, s: s, jar: make(map[string]string)}
	b.do("GET", "/sso/sign-in?rd=/wards/7", nil)
	w := b.press("email", "alice@hospital.example")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "If alice@hospital.example is known here") || len(people.letters) != 1 {
		t.Fatalf("status %d, %d letters:\n%s", w.Code, len(people.letters), w.Body)
	}
	if w := b.press("code", "000 00"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "That is not the code") {
		t.Errorf("wrong code: status %d:\n%s", w.Code, w.Body)
	}
	if w := b.press("again", "1"); w.Code != http.StatusOK || len(people.letters) != 2 {
		t.Fatalf("a new code: status %d, %d letters", w.Code, len(people.letters))
	}
	l := people.letters[1]
	if l.App != "app" || l.To != "alice@hospital.example" {
		t.Errorf("letter %+v", l)
	}
	w = b.press("code", l.Values["code"])
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/wards/7" {
		t.Fatalf("right code: status %d, to %q:\n%s", w.Code, to, w.Body)
	}
	if w := b.do("GET", "/wards/7", nil); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "aarcher") {
		t.Errorf("application: status %d, %q", w.Code, w.Body)
	}
}

func TestLettersAreInTheChosenLanguage(t *testing.T) {
	s, people := newCodeServer(t)
	for _, test := range []struct{ cookie, want string }{{"cy", "cy"}, {"xx", ""}, {"", ""}} {
		b := &signingIn{t: t, s: s, jar: map[string]string{"foregate-language": test.cookie}}
		b.do("GET", "/sso/sign-in", nil)
		b.press("email", "alice@hospital.example")
		if got := people.letters[len(people.letters)-1].Language; got != test.want {
			t.Errorf("%q: letter in %q, want %q", test.cookie, got, test.want)
		}
	}
}

func TestOT3AnswersToKnownAndUnknownAddressesAreAlike(t *testing.T) {
	s, people := newCodeServer(t)
	var cookie, body []int
	for _, email := range []string{"alice@hospital.example", "carol@hospital.example"} {
		b := &signingIn{t: t, s: s, jar: make(map[string]string)}
		b.do("GET", "/sso/sign-in", nil)
		w := b.press("email", email)
		cookie = append(cookie, len(w.Header().Get("Set-Cookie")))
		body = append(body, w.Body.Len())
	}
	if cookie[0] != cookie[1] || body[0] != body[1] || cookie[0] == 0 || len(people.letters) != 1 {
		t.Errorf("cookies of %v bytes, pages of %v bytes, %d letters", cookie, body, len(people.letters))
	}
}

func TestCodeOutlivesAPageThatWasOpenForAWhile(t *testing.T) {
	s, people := newCodeServer(t)
	a := &authn.Attempt{Method: "local", Host: "app.test", Return: "/", Began: time.Now().Add(-9 * time.Minute)}
	r, w := httptest.NewRequest("GET", "http://app.test/", nil), httptest.NewRecorder()
	if err := s.Attempts.Save(w, r, false, a); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	b := &signingIn{t: t, s: s, jar: map[string]string{c.Name: c.Value}, hidden: url.Values{"attempt": {a.ID}}}
	b.press("email", "alice@hospital.example")
	if len(people.letters) != 1 {
		t.Fatal("no letter")
	}
	again := httptest.NewRequest("GET", "http://app.test/", nil)
	for name, value := range b.jar {
		again.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	found, err := s.Attempts.Find(again, false, a.ID)
	if err != nil || time.Since(found.Began) > time.Minute {
		t.Errorf("the attempt: %+v, %v; want one that began just now", found, err)
	}
}
