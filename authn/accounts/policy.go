package accounts

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"foregate/authn"
)

// Policy is the part "admit" of a method: who of the people that it vouches for may
// come in. The zero Policy lets all of them in, without accounts.
type Policy struct {
	Groups       []string `yaml:"groups" default:"[]" doc:"Only members of one of these groups are let in; of others nothing is stored. Empty: everybody."`
	Account      string   `yaml:"account" enum:"none|existing|create" default:"none" doc:"Whether a person needs an account: none is needed; it must exist already; or it is made at the first sign-in."`
	Match        string   `yaml:"match" default:"email" doc:"How the account of a person is found at the first sign-in: email, username, or attribute:NAME, which compares the claim with the account's attribute of that name."`
	Verify       string   `yaml:"verify" enum:"|mail|none" default:"" doc:"How a person proves at the first sign-in that the account is theirs: with a code to the address on the account (mail), or not at all (none). Empty: mail where the account must exist already."`
	Kinds        []string `yaml:"kinds" default:"[]" doc:"Only accounts of these kinds. A new account is of the first. Empty: all."`
	Organisation string   `yaml:"organisation" default:"" doc:"Only accounts of this organisation, whose people the method vouches for. Empty: that of the request; *: all, for a method that may sign in everybody."`
	ExemptOnly   bool     `yaml:"exempt_only" default:"false" doc:"Only accounts that are exempt from single sign-on."`
}

// How an account is related to a sign-in.
const (
	AccountNone     = "none"
	AccountExisting = "existing"
	AccountCreate   = "create"

	MatchEmail     = "email"
	MatchUsername  = "username"
	matchAttribute = "attribute:"

	VerifyMail = "mail"
	VerifyNone = "none"

	anyOrganisation = "*"
)

// Validate only reads. Its errors are *authn.Fault, all of them joined.
func (p *Policy) Validate() error {
	var faults []error
	fault := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	if !slices.Contains([]string{"", AccountNone, AccountExisting, AccountCreate}, p.Account) {
		fault("account", fmt.Sprintf("%q is not none, existing or create", p.Account), "")
	}
	if !slices.Contains([]string{"", VerifyMail, VerifyNone}, p.Verify) {
		fault("verify", fmt.Sprintf("%q is not mail or none", p.Verify), "")
	}
	name, attribute := strings.CutPrefix(p.Match, matchAttribute)
	if attribute && (name == "" || !plain(name)) || !attribute && !slices.Contains([]string{"", MatchEmail, MatchUsername}, p.Match) {
		fault("match", fmt.Sprintf("%q is not email, username or attribute:NAME", p.Match), "write match: attribute:staff_number for the attribute staff_number")
	}
	// An empty text would be the group of those who are in none.
	for i, group := range p.Groups {
		if strings.TrimSpace(group) == "" {
			fault(fmt.Sprintf("groups[%d]", i), "the group has no name", "leave groups out to let everybody in")
		}
	}
	if !p.accounts() {
		for path, set := range map[string]bool{"kinds": len(p.Kinds) > 0, "exempt_only": p.ExemptOnly, "verify": p.Verify != ""} {
			if set {
				fault(path, "it is about accounts, and account is none", "add account: existing, or leave it out")
			}
		}
	}
	return errors.Join(faults...)
}

// Zero reports whether the policy lets everybody in without accounts.
func (p *Policy) Zero() bool {
	return len(p.Groups) == 0 && !p.accounts() && p.Organisation == ""
}

// ByMail reports whether the first match of an account is proved by a code.
func (p *Policy) ByMail() bool { return p.accounts() && p.verified() }

// Claims names the claims that the policy looks at, which the method must keep.
func (p *Policy) Claims() []string {
	if name, ok := strings.CutPrefix(p.Match, matchAttribute); ok && p.accounts() {
		return []string{name}
	}
	return nil
}

// accounts reports whether people need one.
func (p *Policy) accounts() bool { return p.Account == AccountExisting || p.Account == AccountCreate }

// verified reports whether a first match is proved by a code.
func (p *Policy) verified() bool {
	if p.Verify == "" {
		return p.Account == AccountExisting
	}
	return p.Verify == VerifyMail
}

// inGroup reports whether somebody in these groups is let in at all. Names compare
// byte for byte, as in rules.
func (p *Policy) inGroup(groups []string) bool {
	if len(p.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(groups, func(g string) bool { return g != "" && slices.Contains(p.Groups, g) })
}

// organisation is whose accounts may be matched: its name, and whether it is all.
func (p *Policy) organisation(c Context) (name string, all bool) {
	switch p.Organisation {
	case "":
		return c.Organisation, false
	case anyOrganisation:
		return c.Organisation, true
	}
	return p.Organisation, false
}

// ofKind reports whether a kind is one of those that are let in; none named is all.
func ofKind(kinds []string, kind string) bool { return len(kinds) == 0 || slices.Contains(kinds, kind) }

// fits says why an account must not be used, or "". For a linked account only the
// method's own organisation counts: that of a request may be a guess, by the domain of
// an address for one, and addresses change.
func (p *Policy) fits(a *Account, c Context, linked bool) Reason {
	organisation, all := p.organisation(c)
	if linked && p.Organisation == "" {
		all = true
	}
	if c.Guessed && a.Organisation == "" && p.Organisation == "" {
		all = true
	}
	switch {
	case !all && a.Organisation != organisation:
		return WrongOrg
	case !ofKind(p.Kinds, a.Kind) || !ofKind(c.Kinds, a.Kind):
		return WrongKind
	case a.Status != Active:
		return IsDisabled
	case !a.Exempt && a.Organisation != "" && slices.Contains(c.Away, a.Organisation):
		return OwnSignIn
	case p.ExemptOnly && !a.Exempt:
		return NotExempt
	}
	return ""
}
