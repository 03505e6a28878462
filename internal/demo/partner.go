package demo

import (
	"html/template"
	"net/http"
	"strings"
)

// Partner is the page of an organisation that knows its people already, as one of its
// intranet: a link leads to the application, with a token that says who follows it.
// app is the application's address without a slash at the end; token makes the
// parameters that Foregate takes.
func Partner(app string, token func() (string, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = intranet.Execute(w, app)
	})
	mux.HandleFunc("GET /sso", func(w http.ResponseWriter, r *http.Request) {
		back := r.URL.Query().Get("return_to")
		if !strings.HasPrefix(back, app+"/") { // only there are our tokens worth anything
			back = app + "/"
		}
		query, err := token()
		if err != nil {
			http.Error(w, "no token could be made", http.StatusInternalServerError)
			return
		}
		mark := "?"
		if strings.Contains(back, "?") {
			mark = "&"
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, back+mark+query, http.StatusFound)
	})
	return mux
}

var intranet = template.Must(template.New("intranet").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>St Elsewhere intranet</title>
<style>
body { font: 16px/1.5 Verdana, Tahoma, sans-serif; margin: 2rem auto; max-width: 40rem; padding: 0 1rem; color: #1d2429 }
a { color: #0b4f7d }
</style>
<h1>St Elsewhere intranet</h1>
<p>You are at work, so this page knows who you are: Wendy Ward.</p>
<p><a href="/sso">Open Careplan</a> ({{.}})</p>
</html>
`))
