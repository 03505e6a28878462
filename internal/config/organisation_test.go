package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

// customers is a file with three methods, of which two belong to organisations.
const customers = `methods:
  - {name: ward, door: {}}
  - {name: else, badge: {server: https://else.example}}
  - {name: north, badge: {server: https://north.example}}
organisations:
  - {name: elsewhere, title: St Elsewhere, domains: [elsewhere.example, .elsewhere.example], methods: [else], only: true, desk: [Desk@Elsewhere.example]}
  - {name: northfield, domains: [northfield.example], networks: [198.51.100.0/24], methods: [north]}
apps:
  - name: careplan
    hosts: [careplan.hospital.example]
    upstream: {url: http://127.0.0.1:9000}
    methods: [ward]
`

func TestAppTakesInTheWaysOfOrganisations(t *testing.T) {
	for line, want := range map[string]struct {
		guests []string
		asks   bool
	}{
		"":                            {[]string{"else", "north"}, true},
		"organisations: []":           {nil, false},
		"organisations: [northfield]": {[]string{"north"}, false},
		"discover: false":             {[]string{"else", "north"}, false},
		"organisations: [northfield]\n    discover: true": {[]string{"north"}, true},
		"rules: [{methods: [north]}]":                     {[]string{"else", "north"}, true},
	} {
		f := mustParse(t, customers+"    "+line+"\n")
		a := &f.Apps[0]
		if diff := cmp.Diff(want.guests, f.Guests(a)); diff != "" || f.Asks(a) != want.asks {
			t.Errorf("%q: asks %v, guests (-want +got):\n%s", line, f.Asks(a), diff)
		}
	}
	listed := strings.Replace(customers, "methods: [ward]", "methods: [ward, else]", 1)
	f := mustParse(t, listed)
	if diff := cmp.Diff([]string{"north"}, f.Guests(&f.Apps[0])); diff != "" || f.Asks(&f.Apps[0]) {
		t.Errorf("listed by the app: asks %v, guests (-want +got):\n%s", f.Asks(&f.Apps[0]), diff)
	}
	o := f.Organisations
	if o[1].Title != "northfield" || o[0].Desk[0] != "desk@elsewhere.example" || !f.NeedsAccounts() {
		t.Errorf("%+v", o)
	}
}

// axe is a method for emergencies.
type axe struct{ door }

func (*axe) Emergency() bool { return true }

func TestEmergencyStandsAlone(t *testing.T) {
	emergency := strings.Replace(least, "badge: {server: https://badge.example}", "axe: {}", 1)
	for text, want := range map[string]string{
		emergency + "    kinds: [staff]\n":                                                "",
		strings.Replace(emergency, "axe: {}", "axe: {}\n    admit: {account: create}", 1): "4:5: methods[0].admit: an emergency way in must work without accounts",
		emergency + "organisations: [{name: a, methods: [ward]}]\n":                       "9:37: organisations[0].methods[0]: is an emergency way in, which belongs to nobody",
	} {
		_, err := Parse("foregate.yaml", []byte(text), t.TempDir(), append(kinds(), Kind{"axe", func() authn.MethodConfig { return new(axe) }}))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.HasPrefix(err.Error(), "foregate.yaml:"+want)):
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
