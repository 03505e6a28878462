package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/internal/config"
	"foregate/proxy/admin"
)

func TestWhoMayUseTheOperatorsSide(t *testing.T) {
	file := &config.File{
		Admin: config.Admin{
			Tokens: []config.AdminToken{{Name: "nightly", Role: "viewer", Organisation: "county", Token: authn.NewSecret("t")}},
			Allow:  []config.AdminAllow{{Group: "Desk", Role: "owner", Organisation: "st-elsewhere"}},
		},
		Organisations: []config.Organisation{{Name: "st-elsewhere", Desk: []string{"desk@st-elsewhere.example"}}},
	}
	want := admin.Rules{
		Tokens: []admin.Token{{Name: "nightly", Role: admin.Viewer, Organisation: "county", Secret: authn.NewSecret("t")}},
		Allowed: []admin.Allowed{
			{Group: "Desk", Role: admin.Owner, Organisation: "st-elsewhere"},
			{Email: "desk@st-elsewhere.example", Role: admin.Desk, Organisation: "st-elsewhere"},
		},
	}
	if diff := cmp.Diff(want, rulesOfAdmin(file), cmp.AllowUnexported(authn.Secret{})); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
