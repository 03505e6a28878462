package admin

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
)

//go:embed html
var pageFiles embed.FS

// shown is what a handler wants the browser to get: a page, or another address.
type shown struct {
	page   string // name of the file in html/, without ".html"
	title  string // of the window and the page
	data   any    // for the template
	status int    // 0: 200
	to     string // path and query on this listener, instead of a page
}

var (
	errNotYours = &authn.Error{
		Public: "Your role does not let you do this. Ask an owner of the console, or go back.",
		Err:    errors.New("the role does not allow it"), Status: http.StatusForbidden,
	}
	errElsewhere = &authn.Error{
		Public: "That came from another site. For your safety it was not done. Open the page itself and try again.",
		Err:    errors.New("a form of another origin"), Status: http.StatusForbidden,
	}
	errForm = &authn.Error{
		Public: "What you sent cannot be read. Go back and send it again.",
		Err:    errors.New("a form that cannot be read"), Status: http.StatusBadRequest,
	}
)

func parsePages() (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(pageWords).ParseFS(pageFiles, "html/layout.html", "html/parts.html", "html/console.css")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(pageFiles, "html/*.html")
	if err != nil {
		return nil, err
	}
	all := make(map[string]*template.Template)
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if all[name], err = t.ParseFS(pageFiles, file); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// layout is what layout.html is given.
type layout struct {
	Nonce string
	Title string
	Who   Who
	Nav   []navItem
	Done  string // what has just been done
	Page  any
}

type navItem struct {
	Title, URL string
	Here       bool
}

// nav is the pages that w may open.
func (c *Console) nav(v *visit) []navItem {
	titles := []navItem{
		{Title: "People", URL: "/people"}, {Title: "Sessions", URL: "/sessions"}, {Title: "Ways to sign in", URL: "/methods"},
		{Title: "Audit trail", URL: "/audit"}, {Title: "Usage", URL: "/usage"}, {Title: "Configuration", URL: "/configuration"},
	}
	may := make(map[string]bool)
	for _, d := range doors() {
		may[d.pattern] = d.opens(v.who) && (!d.people || c.Accounts != nil)
	}
	var shown []navItem
	for _, item := range titles {
		if may["GET "+item.URL] {
			item.Here = item.URL == v.r.URL.Path || strings.HasPrefix(v.r.URL.Path, item.URL+"/")
			shown = append(shown, item)
		}
	}
	return shown
}

// answer is the one place where the console writes and where errors become words.
func (c *Console) answer(v *visit, a shown, err error) {
	if err != nil {
		a = c.problem(v, err)
	}
	if a.to != "" {
		consoleHeaders(v.w.Header(), "")
		v.w.Header().Set("Location", a.to)
		v.w.WriteHeader(http.StatusSeeOther)
		return
	}
	nonce := rand.Text()
	l := layout{Nonce: nonce, Title: a.title, Who: v.who, Done: doneWords(v), Page: a.data}
	if v.who.Role.rank() > 0 {
		l.Nav = c.nav(v)
	}
	var b bytes.Buffer
	h := v.w.Header()
	consoleHeaders(h, nonce)
	templates, err := c.templates()
	if err == nil {
		err = templates[a.page].ExecuteTemplate(&b, "layout.html", l)
	}
	if err != nil {
		c.Log.Error("page of the console not rendered", "page", a.page, "err", err, "request_id", requestID(v.r.Context()))
		http.Error(v.w, "Something went wrong on our side. Try again in a minute.", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if a.status == 0 {
		a.status = http.StatusOK
	}
	v.w.WriteHeader(a.status)
	_, _ = v.w.Write(b.Bytes()) // the browser may be gone
}

// consoleHeaders let nothing run, frame, load or keep a page. Referrer-Policy lets our
// own pages say where a form comes from, in plain http too, where browsers send no
// Sec-Fetch-Site; CrossOriginProtection then goes by Origin.
func consoleHeaders(h http.Header, nonce string) {
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	if nonce != "" {
		policy += "; img-src data:; style-src 'nonce-" + nonce + "'"
	}
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"X-Frame-Options":              "DENY",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		"Cache-Control":                "no-store",
	} {
		h.Set(name, value)
	}
}

// problemPage says what went wrong.
type problemPage struct {
	Message string
	Code    string // of the lines in log and audit trail
}

func (c *Console) problem(v *visit, err error) shown {
	if errors.Is(err, errNobody) {
		return shown{to: "/sign-in?" + url.Values{"rd": {returnFor(v.r)}}.Encode()}
	}
	code := requestID(v.r.Context())
	a := shown{page: "problem", title: "That did not work", status: http.StatusInternalServerError}
	var known *authn.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		a.status, a.data = http.StatusRequestEntityTooLarge, problemPage{"That was too much at once. Send less.", code}
	case errors.Is(err, accounts.ErrNotFound):
		a.title, a.status, a.data = "There is nothing here", http.StatusNotFound, problemPage{"It is not there, or not yours to see. Somebody may have removed it. Search for it again.", code}
	case errors.Is(err, accounts.ErrCursor):
		a.status, a.data = http.StatusBadRequest, problemPage{"There is no such place in the list. Begin at the first page.", code}
	case errors.As(err, &known):
		a.status, a.data = known.Status, problemPage{known.Public, code}
		if a.status == 0 {
			a.status = http.StatusBadRequest
		}
		if a.status == http.StatusForbidden {
			a.title = "You may not do this"
		}
	case v.r.Method == http.MethodPost:
		a.status, a.data = http.StatusServiceUnavailable, problemPage{"It could not be done, or not to the end: a database does not answer. Look at the page again before you repeat it; a change may have been made while sessions go on.", code}
	default:
		a.status, a.data = http.StatusServiceUnavailable, problemPage{"At the moment a database does not answer. Try again in a minute.", code}
	}
	log := c.Log.Info
	if a.status >= http.StatusInternalServerError {
		log = c.Log.Error
	}
	log("page of the console not served", "request_id", code, "by", v.who.Actor, "status", a.status, "reason", authn.CutControl(err.Error(), 2048),
		"method", authn.CutControl(v.r.Method, 32), "path", authn.CutControl(v.r.URL.Path, 1024))
	return a
}
