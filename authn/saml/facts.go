package saml

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"foregate/authn"
)

// facts are what a verified assertion says of a person: its attributes by Name,
// and its NameID.
type facts struct {
	attributes map[string][]string
	name       nameIdentifier
}

type nameIdentifier struct{ value, format, qualifier, spQualifier string }

// factsOf reads an assertion. Attributes with one Name are one. FriendlyName is
// for people to read: anybody may write anything there (IIP-SP11).
func factsOf(a *answer) (facts, error) {
	f := facts{attributes: make(map[string][]string)}
	if id := a.assertion.Subject.NameID; id != nil {
		f.name = nameIdentifier{id.Value, id.Format, id.NameQualifier, id.SPNameQualifier}
		if f.name.value == "" || len(f.name.value) > maxID || value(f.name.value) != f.name.value || authn.CutControl(f.name.value, maxID) != f.name.value {
			return facts{}, errors.New("NameID is empty, too long, or has blanks or control characters at its ends or in it")
		}
	}
	if a.assertion.AttributeStatement == nil {
		return f, nil
	}
	for _, at := range a.assertion.AttributeStatement.Attributes {
		for _, v := range at.Values {
			s := value(v.Value)
			if v.NameID != nil {
				s = value(v.NameID.Value) // eduPersonTargetedID
			}
			if s != "" {
				f.attributes[at.Name] = append(f.attributes[at.Name], s)
			}
		}
	}
	return f, nil
}

// all returns the values under a name; NameID is that of the assertion.
func (f facts) all(name string) []string {
	if name == nameID {
		if f.name.value == "" {
			return nil
		}
		return []string{f.name.value}
	}
	return f.attributes[name]
}

// first returns the first value of the first name that has one. Two values where
// one is wanted are none: which of them is meant, nobody can say.
func (f facts) first(names []string) (string, error) {
	for _, n := range names {
		switch v := f.all(n); len(v) {
		case 0:
		case 1:
			return v[0], nil
		default:
			return "", fmt.Errorf("attribute %s has %d values where one is needed", n, len(v))
		}
	}
	return "", nil
}

// any returns the first value, of several the first, for what only people read.
func (f facts) any(names []string) string {
	for _, n := range names {
		if v := f.all(n); len(v) > 0 {
			return authn.CutControl(v[0], maxName)
		}
	}
	return ""
}

// sent lists the names of what came, for whoever sets this up.
func (f facts) sent() []string {
	names := slices.Sorted(maps.Keys(f.attributes))
	return shortAll(names[:min(len(names), 20)])
}

func shortAll(list []string) []string {
	var all []string
	for _, s := range list[:min(len(list), 20)] {
		all = append(all, authn.CutControl(s, 100))
	}
	return all
}
