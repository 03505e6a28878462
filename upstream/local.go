package upstream

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"foregate/authn"
)

// Answer is what every request of a Route gets, whatever its method.
type Answer struct {
	Status int    // 200 to 599, not 304; 0 is 200
	Type   string // Content-Type; "" is plain text in UTF-8
	Body   string // none with 204 and 205
}

// isLocal reports whether Foregate answers itself, and nobody is asked.
func (r *Route) isLocal() bool { return r.Folder != "" || r.Answer != nil }

func (r *Route) checkLocal() error {
	switch {
	case r.Folder != "" && r.Answer != nil || r.URL != nil || len(r.Also) > 0:
		return errors.New("a route has an address, a folder or an answer, and one of them only")
	case r.Rewrite != "":
		return errors.New("no path is rewritten where no application is asked")
	case r.Folder != "" && !filepath.IsAbs(r.Folder):
		return fmt.Errorf("the folder %q is not an absolute path", r.Folder)
	case r.Path != "" && r.Path[0] != '/':
		return errors.New("a path must begin with a slash")
	}
	if a := r.Answer; a != nil && a.Status != 0 && (a.Status < 200 || a.Status > 599 || a.Status == http.StatusNotModified) {
		return fmt.Errorf("%d is not the status of an answer", a.Status)
	}
	return nil
}

// answerHere ends a request without an application.
func (u *Upstream) answerHere(w http.ResponseWriter, p *passage) {
	if p.route.Answer != nil {
		p.route.Answer.write(w, p)
		return
	}
	if err := p.serveFile(w); err != nil {
		w.Header().Del("Content-Type")
		u.fail(w, p, err)
	}
}

func (a *Answer) write(w http.ResponseWriter, p *passage) {
	h := w.Header()
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if status != http.StatusNoContent {
		h.Set("Content-Type", a.Type)
		if a.Type == "" {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	p.finish(h)
	w.WriteHeader(status)
	if p.in.Method != http.MethodHead && a.Body != "" {
		_, _ = w.Write([]byte(a.Body)) // who has left needs no answer
	}
}

// finish puts on a response of our own what the proxy wants on every response.
func (p *passage) finish(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	if p.trip.CloseAfter {
		h.Set("Connection", "close")
	}
	if p.trip.Fleeting && personal(h) {
		h.Set("Cache-Control", "no-store")
	}
	for name, values := range p.trip.Response {
		if name == "Set-Cookie" {
			values = append(h[name], values...)
		}
		h[name] = values
	}
}

// serveFile serves a file of the folder with ranges and conditions (RFC 9110,
// sections 13 and 14). A browser that shows it again asks whether it may.
func (p *passage) serveFile(w http.ResponseWriter) error {
	if p.in.Method != http.MethodGet && p.in.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return &authn.Error{
			Public: "This address can only be read.", Status: http.StatusMethodNotAllowed,
			Err: fmt.Errorf("upstream: %s at a folder", p.in.Method),
		}
	}
	name, err := fileName(p.in.URL.EscapedPath()[p.taken:])
	if err != nil {
		return notThere(err)
	}
	root, err := os.OpenRoot(p.route.Folder)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	defer root.Close()
	file, info, err := openFile(root, name)
	if err != nil {
		return notThere(err)
	}
	defer file.Close()
	if info.IsDir() {
		to := url.URL{Path: p.in.URL.Path + "/", RawQuery: p.in.URL.RawQuery}
		w.Header().Set("Location", to.String())
		p.finish(w.Header())
		w.WriteHeader(http.StatusFound)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", typeOf(name))
	h.Set("Etag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	h.Set("Cache-Control", "private, no-cache")
	p.finish(h)
	http.ServeContent(w, p.in, "", info.ModTime(), file)
	return nil
}

// fileName is the file that what follows a route's path stands for: "" for the
// folder itself without a slash at its end.
func fileName(rest string) (string, error) {
	plain, err := url.PathUnescape(rest)
	if err != nil || strings.Count(plain, "/") != strings.Count(rest, "/") {
		return "", errors.New("upstream: a file's name has a slash or a broken escape in it")
	}
	if strings.HasSuffix(plain, "/") {
		plain += "index.html"
	}
	plain = strings.TrimPrefix(plain, "/")
	if plain == "" {
		return ".", nil
	}
	if !fs.ValidPath(plain) || strings.ContainsFunc(plain, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
		return "", errors.New("upstream: the path is not that of a file")
	}
	for segment := range strings.SplitSeq(plain, "/") {
		if segment[0] == '.' {
			return "", errors.New("upstream: what begins with a dot is not served")
		}
	}
	return plain, nil
}

// openFile opens a file or a folder, and nothing else: a pipe would make us wait.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	file, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fmt.Errorf("upstream: %s is not a file", name)
	}
	if err == nil && info.IsDir() && path.Base(name) == "index.html" {
		err = fmt.Errorf("upstream: %s is a folder", name)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func typeOf(name string) string {
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func notThere(err error) error {
	return &authn.Error{
		Public: "There is nothing at this address. Check it, or go back to the page that you came from.",
		Err:    err, Status: http.StatusNotFound,
	}
}
