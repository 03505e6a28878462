package admin

import (
	"net/http"
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
