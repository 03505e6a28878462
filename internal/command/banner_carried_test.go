package command

import (
	"testing"

	"foregate/internal/config"
)

// TestBannerSaysWhoCarriesTheRequests of an app without an upstream, and where Envoy asks.
func TestBannerSaysWhoCarriesTheRequests(t *testing.T) {
	b := bannerOf(&config.File{
		Listen: config.Listen{ExtAuthz: "127.0.0.1:9191"},
		Apps:   []config.App{{Name: "careplan", Hosts: []string{"careplan.test"}, ForwardAuth: &config.ForwardAuth{}}},
	})
	if got, want := b.apps[0], "careplan (careplan.test) carried by another proxy"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if len(b.listen) != 1 || b.listen[0] != "ext_authz 127.0.0.1:9191" {
		t.Errorf("listens at %q", b.listen)
	}
}
