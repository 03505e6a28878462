package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"foregate/authn/accounts"
)

func TestRefreshAsksBeforeMostPeopleLoseAccess(t *testing.T) {
	w := newWorld(t)
	var found accounts.Refreshed
	w.got(owner, "POST", "/methods/ward-ad/refresh", `{"dry_run":true}`, &found)
	if !found.Dry || found.Left != 30 {
		t.Errorf("dry: %+v", found)
	}
	w.refused(owner, http.StatusConflict, "too many people", "POST", "/methods/ward-ad/refresh", `{}`)
	found = accounts.Refreshed{}
	w.got(owner, "POST", "/methods/ward-ad/refresh", `{"force":true}`, &found)
	if found.Dry || found.Left != 30 {
		t.Errorf("forced: %+v", found)
	}
	w.refused(owner, http.StatusNotFound, "no method of this name with a directory", "POST", "/methods/entra/refresh", `{}`)
}

// TestRefreshTellsHowFarItIs to who asks for lines.
func TestRefreshTellsHowFarItIs(t *testing.T) {
	w := newWorld(t)
	ask := func(method, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, base+"/methods/"+method+"/refresh", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/x-ndjson")
		rec := httptest.NewRecorder()
		w.api.For(func(*http.Request) (Who, error) { return owner, nil }).ServeHTTP(rec, r)
		return rec
	}
	rec := ask("ward-ad", `{"dry_run":true}`)
	want := `{"progress":{"seen":20,"found":10,"accounts":40}}` + "\n" + `{"found":{"seen":40,`
	if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Body.String(), want) || rec.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if rec := ask("entra", `{}`); rec.Code != http.StatusNotFound || !strings.Contains(rec.Body.String(), "no method of this name") {
		t.Errorf("no directory: %d %s", rec.Code, rec.Body)
	}
	rec = ask("ward-ad", `{"dry_run":true,"force":true}`)
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "progress") || !strings.HasSuffix(rec.Body.String(), `"}`+"\n") || strings.Contains(rec.Body.String(), `"found":{"seen"`) {
		t.Errorf("broken off: %d %s", rec.Code, rec.Body)
	}
}
