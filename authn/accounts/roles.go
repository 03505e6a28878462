package accounts

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foregate/authn"
)

// Roles is the part "roles" of an app: which of the application's roles a person has.
// The zero Roles gives none and leaves those that the account has: the application
// authorises.
type Roles struct {
	Order      []string                       `yaml:"order" default:"[]" doc:"The roles, the most powerful first."`
	FromGroups map[string][]string            `yaml:"from_groups" default:"{}" doc:"For each role the groups whose members have it."`
	FromClaims map[string]map[string][]string `yaml:"from_claims" default:"{}" doc:"For each role the claims, and for each claim the values that give it; one is enough."`
	Several    string                         `yaml:"several" enum:"lowest|highest|all|refuse" default:"lowest" doc:"What somebody has who is given several roles: the least or the most powerful one, all of them, or no way in."`
}

// Values of Several.
const (
	Lowest  = "lowest"
	Highest = "highest"
	All     = "all"
	Refuse  = "refuse"
)

// Validate only reads. Its errors are *authn.Fault, all of them joined.
func (r *Roles) Validate() error {
	var faults []error
	fault := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	if !slices.Contains([]string{"", Lowest, Highest, All, Refuse}, r.Several) {
		fault("several", fmt.Sprintf("%q is not lowest, highest, all or refuse", r.Several), "")
	}
	for i, role := range r.Order {
		if strings.TrimSpace(role) == "" || !plain(role) {
			fault(fmt.Sprintf("order[%d]", i), "the role has no name, or one that cannot be shown", "")
		}
		if slices.Index(r.Order, role) < i {
			fault(fmt.Sprintf("order[%d]", i), fmt.Sprintf("role %q is there twice", role), "leave it where its power is")
		}
	}
	for _, role := range slices.Sorted(maps.Keys(r.FromGroups)) {
		r.checkOrdered("from_groups."+role, role, fault)
		if slices.Contains(r.FromGroups[role], "") {
			fault("from_groups."+role, "a group has no name", "")
		}
	}
	for _, role := range slices.Sorted(maps.Keys(r.FromClaims)) {
		r.checkOrdered("from_claims."+role, role, fault)
		for claim, values := range r.FromClaims[role] {
			if claim == "" || len(values) == 0 || slices.Contains(values, "") {
				fault("from_claims."+role, "a claim without a name, or with no value or an empty one", "write claim: [value]")
			}
		}
	}
	return errors.Join(faults...)
}

func (r *Roles) checkOrdered(path, role string, fault func(path, problem, remedy string)) {
	if !slices.Contains(r.Order, role) {
		fault(path, fmt.Sprintf("role %q is not in order", role), "add it to order where its power is")
	}
}

// Claims names the claims that roles come from, which methods must keep.
func (r *Roles) Claims() []string {
	var names []string
	for _, claims := range r.FromClaims {
		names = slices.AppendSeq(names, maps.Keys(claims))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of returns the roles of a person in the app, the most powerful first: those of their
// groups and claims, and those of the account, which id has already. Roles that
// are not in Order are other apps'. Somebody who has several where one is allowed is
// refused with SeveralRoles.
func (r *Roles) Of(id *authn.Identity) ([]string, error) {
	if len(r.Order) == 0 {
		return slices.Clone(id.Roles), nil
	}
	var has []string
	for _, role := range r.Order {
		if slices.Contains(id.Roles, role) || overlap(r.FromGroups[role], id.Groups) || r.claimed(role, id) {
			has = append(has, role)
		}
	}
	if len(has) < 2 {
		return has, nil
	}
	switch r.Several {
	case "", Lowest:
		return has[len(has)-1:], nil
	case Highest:
		return has[:1], nil
	case All:
		return has, nil
	}
	return nil, (&Refusal{Reason: SeveralRoles, Detail: strings.Join(has, ", ")}).face()
}

func (r *Roles) claimed(role string, id *authn.Identity) bool {
	for claim, values := range r.FromClaims[role] {
		if overlap(values, claimTexts(id.Claims[claim])) {
			return true
		}
	}
	return false
}

// claimTexts is a claim as texts: one, or a list of them. Numbers and truth values are
// written as in JSON.
func claimTexts(claim any) []string {
	switch v := claim.(type) {
	case nil, map[string]any:
		return nil
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			if _, list := one.([]any); !list {
				all = append(all, claimTexts(one)...)
			}
		}
		return all
	}
	return []string{fmt.Sprint(claim)}
}

// overlap reports whether a text is in both. An empty one never is.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return s != "" && slices.Contains(b, s) })
}
