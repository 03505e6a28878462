package command

import (
	"net/url"
	"slices"
	"testing"

	"foregate/internal/config"
)

func TestRouteHasAllAddresses(t *testing.T) {
	at := func(host string) *url.URL { return &url.URL{Scheme: "http", Host: host} }
	r, err := routeTo(&config.Upstream{URL: at("a:1"), Also: []*url.URL{at("b:2"), at("c:3")}, Balance: "least_connections"})
	if err != nil {
		t.Fatal(err)
	}
	if r.URL.Host != "a:1" || !slices.Equal(r.Also, []string{"b:2", "c:3"}) || !r.Least {
		t.Errorf("got %v, %v, least %v", r.URL, r.Also, r.Least)
	}
	for _, u := range []*config.Upstream{{}, {Folder: "/srv"}, {Answer: &config.Answer{}}} {
		if looks := upstreamLooks("careplan", u); len(looks) > 0 {
			t.Errorf("%+v is looked at: %v", u, looks)
		}
	}
	looks := upstreamLooks("careplan", &config.Upstream{URL: at("a:1"), Also: []*url.URL{at("b:2")}})
	if len(looks) != 2 || looks[1].Target != "http://b:2" {
		t.Errorf("not every address is looked at: %v", looks)
	}
}
