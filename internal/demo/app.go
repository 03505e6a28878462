// Package demo is a sample of what stands behind Foregate: an old web
// application that knows nothing of sign-in and believes the headers it is sent.
package demo

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed app.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "app.html"))

// App is the sample application. It shows what it received.
func App() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", show("Patients of today", "The list of a small ward, for everybody who works there."))
	mux.HandleFunc("GET /admin/", show("Administration", "Only administrators get this far: Foregate's rules say so, not this application."))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("well\n")) })
	mux.HandleFunc("/echo", echo)
	return mux
}

type view struct {
	Heading, Words string
	User, Name     string
	Groups         []string
	Headers        [][2]string
	Admin          bool
}

func show(heading, words string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := view{
			Heading: heading, Words: words,
			User: r.Header.Get("X-Forwarded-User"), Name: r.Header.Get("X-Forwarded-Name"),
			Headers: received(r),
		}
		if g := r.Header.Get("X-Forwarded-Groups"); g != "" {
			v.Groups = strings.Split(g, ",")
		}
		v.Admin = slices.Contains(v.Groups, "administrators")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, v)
	}
}

// echo answers with the request as it came, for those who like a command line.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(r.Method + " " + r.RequestURI + "\n"))
	for _, h := range received(r) {
		_, _ = w.Write([]byte(h[0] + ": " + h[1] + "\n"))
	}
}

func received(r *http.Request) [][2]string {
	var out [][2]string
	for name, values := range r.Header {
		for _, v := range values {
			out = append(out, [2]string{name, v})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}
