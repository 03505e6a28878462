package accounts

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestRolesComeFromGroupsClaimsAndTheAccount(t *testing.T) {
	groups := map[string][]string{
		"administrator": {"Ward_Administrator"}, "manager": {"Ward_Manager"}, "nurse": {"Ward_Nurse", "Ward_Bank"}, "observer": {"Ward_Observer"},
	}
	order := []string{"administrator", "manager", "nurse", "observer"}
	claims := map[string]map[string][]string{"manager": {"department": {"IT"}, "level": {"3", "true"}}}
	for _, test := range []struct {
		name  string
		roles Roles
		id    authn.Identity
		want  []string
	}{
		{"nothing configured, nothing forced", Roles{}, authn.Identity{Groups: []string{"Ward_Nurse"}}, nil},
		{"nothing configured, the account's own", Roles{}, authn.Identity{Roles: []string{"own"}}, []string{"own"}},
		{"no group", Roles{Order: order, FromGroups: groups}, authn.Identity{Groups: []string{"ward_nurse", ""}}, nil},
		{"one", Roles{Order: order, FromGroups: groups}, authn.Identity{Groups: []string{"Ward_Bank"}}, []string{"nurse"}},
		{"several, the lowest by default", Roles{Order: order, FromGroups: groups}, authn.Identity{Groups: []string{"Ward_Administrator", "Ward_Observer", "Ward_Nurse"}}, []string{"observer"}},
		{"lowest", Roles{Order: order, FromGroups: groups, Several: Lowest}, authn.Identity{Groups: []string{"Ward_Manager", "Ward_Nurse"}}, []string{"nurse"}},
		{"highest", Roles{Order: order, FromGroups: groups, Several: Highest}, authn.Identity{Groups: []string{"Ward_Nurse", "Ward_Manager"}}, []string{"manager"}},
		{"all", Roles{Order: order, FromGroups: groups, Several: All}, authn.Identity{Groups: []string{"Ward_Nurse", "Ward_Administrator"}}, []string{"administrator", "nurse"}},
		{"one of two groups of a role", Roles{Order: order, FromGroups: groups, Several: Refuse}, authn.Identity{Groups: []string{"Ward_Nurse", "Ward_Bank"}}, []string{"nurse"}},
		{"claim", Roles{Order: order, FromClaims: claims}, authn.Identity{Claims: map[string]any{"department": "IT"}}, []string{"manager"}},
		{"claim of many values", Roles{Order: order, FromClaims: claims}, authn.Identity{Claims: map[string]any{"department": []any{"HR", "IT"}}}, []string{"manager"}},
		{"claim that is a number", Roles{Order: order, FromClaims: claims}, authn.Identity{Claims: map[string]any{"level": 3.0}}, []string{"manager"}},
		{"claim that is true", Roles{Order: order, FromClaims: claims}, authn.Identity{Claims: map[string]any{"level": true}}, []string{"manager"}},
		{"claim that only looks like it", Roles{Order: order, FromClaims: claims}, authn.Identity{Claims: map[string]any{"department": map[string]any{"IT": "IT"}, "level": []any{[]any{"3"}}}}, nil},
		{"the account's, with those of groups", Roles{Order: order, FromGroups: groups, Several: All}, authn.Identity{Roles: []string{"manager", "of another app"}, Groups: []string{"Ward_Nurse"}}, []string{"manager", "nurse"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.roles.Of(&test.id)
			if err != nil || !cmp.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
			if err := test.roles.Validate(); err != nil {
				t.Errorf("validate: %v", err)
			}
		})
	}
	several := Roles{Order: order, FromGroups: groups, Several: Refuse}
	if got, err := several.Of(&authn.Identity{Groups: []string{"Ward_Nurse", "Ward_Manager"}}); ReasonOf(err) != SeveralRoles || got != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRolesFaultsNameTheirKey(t *testing.T) {
	for want, r := range map[string]Roles{
		"several":           {Order: []string{"a"}, Several: "most"},
		"order[1]":          {Order: []string{"a", "a"}},
		"order[0]":          {Order: []string{" "}},
		"from_groups.nurse": {Order: []string{"a"}, FromGroups: map[string][]string{"nurse": {"g"}}},
		"from_groups.a":     {Order: []string{"a"}, FromGroups: map[string][]string{"a": {""}}},
		"from_claims.a":     {Order: []string{"a"}, FromClaims: map[string]map[string][]string{"a": {"c": nil}}},
	} {
		err := r.Validate()
		var fault *authn.Fault
		if !errors.As(err, &fault) || fault.Path != want {
			t.Errorf("%+v: got %v, want a fault of %s", r, err, want)
		}
	}
}
