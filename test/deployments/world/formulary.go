package world

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"foregate/internal/ssptest"
)

func formulary(w *World) {
	at := w.host("www.formulary.example", "formulary")
	key, mac := randomKey(), randomKey()
	w.Intranet = w.intranet(at, key, mac)
	w.swap("page: https://intranet.st-elsewhere.example/sso.aspx", "page: "+w.Intranet+"/sso")
	w.secret("secrets/st-elsewhere", key)
	w.secret("secrets/st-elsewhere-mac", mac)
	w.SAML = ssptest.Start(w.T, ssptest.SP{EntityID: at + "/sso/metadata", Base: at + "/sso"})
	w.swap("https://login.openathens.net/saml/2/metadata-idp/formulary.example", w.SAML.MetadataURL)
	w.swap("key_file: saml.pem", "key_file: @FOLDER/saml.pem")
	w.Notes = []string{
		"The organisation's own page knows that you are alice: open " + w.Intranet + " and follow its link.",
		"Anybody else opens " + at + " and signs in by the federation as " + ssptest.Alice + ", password " + ssptest.AlicePassword + ".",
	}
}

// Blowfish takes keys of up to 56 bytes; the reference pages take 16 and more.
func randomKey() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Visits counts how often browsers came to the organisation's page.
func (w *World) Visits() int64 { return w.visits.Load() }

// intranet is the web server of an organisation. It knows who everybody is and tells the
// organisation's page, which is the one that is given away for Node.
func (w *World) intranet(app, key, mac string) string {
	w.T.Helper()
	listen := w.address()
	cmd := exec.Command("node", "--openssl-legacy-provider", filepath.Join(moduleRoot(w.T), "examples/handoff/node/sso.mjs"))
	cmd.Env = append(os.Environ(), "HANDOFF_FORM=legacy", "HANDOFF_KEY="+key, "HANDOFF_MAC_KEY="+mac, "HANDOFF_APP="+app,
		"HANDOFF_USER_FROM=header:X-Intranet-User", "HANDOFF_NAME_FROM=header:X-Intranet-Name", "HANDOFF_LISTEN="+listen)
	cmd.SysProcAttr = endWithParent()
	said := new(logs)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.T.Failed() {
			w.T.Logf("the organisation's page said:\n%s", said)
		}
	})
	w.Eventually("the organisation's page answers", func() bool {
		resp, err := http.Get("http://" + listen + "/")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: listen})
		p.Out.Header.Set("X-Intranet-User", `HOSPITAL\Alice`)
		p.Out.Header.Set("X-Intranet-Name", "Alice Archer")
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/sso", func(rw http.ResponseWriter, r *http.Request) {
		w.visits.Add(1)
		proxy.ServeHTTP(rw, r)
	})
	mux.HandleFunc("/{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write([]byte(`<!doctype html><html lang="en"><title>St Elsewhere intranet</title><h1>St Elsewhere intranet</h1><p><a id="link" href="/sso">Formulary</a></p></html>`))
	})
	return w.serve(mux)
}
