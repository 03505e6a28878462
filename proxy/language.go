package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/proxy/pages"
)

// A page is in the language that the person chose at its foot, or in the one that the
// browser asks for. The choice is kept in a small cookie of the browser. It is not
// sealed: it holds one of a few words and says nothing of anybody.

const languageAge = 365 * 24 * time.Hour

// Where the choice of a language leads back to, if not to "rd" itself. A page is named
// by a word: no address below the prefix is ever taken from a request.
const (
	backToSignIn  = "sign-in"
	backToStart   = "start" // with "method"
	backToSignOut = "sign-out"
	backToKept    = "kept"
)

// toldBefore are the words in the address of the sign-in page that say what happened.
var toldBefore = []string{"choose", "device", "ended", "kept", "lost"}

// reader is for whom a page is that answers an exchange.
func (s *Server) reader(x *exchange, look *pages.Look) pages.Reader {
	reader := pages.Reader{Language: s.Pages.Language(look, s.chosen(x), x.asked.Header.Get("Accept-Language"))}
	if x.app != nil {
		reader.Choose = s.Prefix + "/language?" + s.back(x).Encode() + "&to="
	}
	return reader
}

// chosen is the language that the person chose in this browser, "" if none.
func (s *Server) chosen(x *exchange) string {
	c, err := x.asked.Cookie(s.Attempts.LanguageName(x.secure))
	if err != nil {
		return ""
	}
	return c.Value
}

// preferChosen makes a choice count as what the browser asks for, so that letters are
// written in it too. The request is one of our own addresses and goes no further.
func (s *Server) preferChosen(x *exchange, r *http.Request) {
	if tag := s.chosen(x); tag != "" && x.app.Look.Offers(tag) {
		r.Header.Set("Accept-Language", tag)
	}
}

// back names the page that answers an exchange, for when its language has changed. An
// answer to a form leads to where the form begins.
func (s *Server) back(x *exchange) url.Values {
	r := x.asked
	rest, own := strings.CutPrefix(r.URL.Path, s.Prefix+"/")
	verb, name, _ := strings.Cut(rest, "/")
	read := isSafe(r)
	switch {
	case x.again != "" || own && (verb == "callback" || verb == "acs" || verb == "slo"): // the address holds what is used once
		return url.Values{"page": {backToSignIn}, "choose": {"1"}}
	case !own && read:
		return url.Values{"rd": {returnTo(r.URL.RequestURI(), s.Prefix, x.host, nil)}}
	case !own:
		return url.Values{"rd": {returnTo(refererPath(x, r), s.Prefix, x.host, nil)}}
	case verb == "account" && (name == accountPassword || name == accountApp):
		return url.Values{"rd": {s.accountURL(name)}}
	case verb == "account":
		return url.Values{"rd": {s.accountURL("")}}
	case verb == "sign-out":
		return url.Values{"page": {backToSignOut}}
	case verb == "kept" && read:
		return url.Values{"page": {backToKept}}
	}
	q := url.Values{"page": {backToSignIn}}
	asked := r.PostForm
	if read {
		asked = r.URL.Query()
	}
	if verb == "start" && x.app.offers(name) {
		q = url.Values{"page": {backToStart}, "method": {name}}
	} else if read {
		for _, word := range toldBefore {
			if v := asked.Get(word); v != "" && len(v) <= 10 {
				q.Set(word, v)
			}
		}
	} else {
		q.Set("choose", "1")
	}
	if rd := returnTo(asked.Get("rd"), s.Prefix, x.host, x.app.ReturnHosts); rd != "/" {
		q.Set("rd", rd)
	}
	return q
}

// language remembers the language that a person chose, and leads back. What is no
// page, such as an image elsewhere, changes nothing.
func (s *Server) language(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	to := q.Get("to")
	if !x.app.Look.Offers(to) {
		return refuse(http.StatusNotFound, "a language that the pages are not in")
	}
	if isPage(r) {
		c := &http.Cookie{
			Name: s.Attempts.LanguageName(x.secure), Value: to, Path: "/", MaxAge: int(languageAge / time.Second),
			HttpOnly: true, Secure: x.secure, SameSite: http.SameSiteLaxMode,
		}
		if s.shared(x) {
			c.MaxAge = 0 // it ends with the browser
		}
		http.SetCookie(x, c)
	}
	redirect(x, http.StatusSeeOther, s.backTo(x, q))
	return nil
}

// backTo is the address of the page that back named.
func (s *Server) backTo(x *exchange, q url.Values) string {
	rd := returnTo(q.Get("rd"), s.Prefix, x.host, x.app.ReturnHosts)
	switch method := q.Get("method"); {
	case q.Get("page") == backToSignOut:
		return s.Prefix + "/sign-out?choose=1" // it asks, as it did
	case q.Get("page") == backToKept:
		return s.Prefix + "/kept"
	case q.Get("page") == backToStart && x.app.offers(method):
		return s.Prefix + "/start/" + method + "?" + url.Values{"rd": {rd}}.Encode()
	case q.Get("page") == "":
		return rd
	}
	address := url.Values{"rd": {rd}}
	for _, word := range toldBefore {
		if v := q.Get(word); v != "" && len(v) <= 10 {
			address.Set(word, v)
		}
	}
	return s.Prefix + "/sign-in?" + address.Encode()
}
