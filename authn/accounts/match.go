package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foregate/authn"
)

// maxMatches is how many accounts are read that match: more than one is a conflict.
const maxMatches = 50

// match finds the one account that an identity may be linked to. ErrNotFound means
// that nothing matches; what matches and may not be used is a *Refusal.
func match(ctx context.Context, q conn, p Policy, id authn.Identity, c Context) (Account, error) {
	found, err := candidates(ctx, q, p, id)
	if err != nil {
		return Account{}, err
	}
	var (
		fit     []Account
		outside *Refusal
	)
	for i, account := range found {
		switch reason := p.fits(&account, c, false); reason {
		case WrongOrg, WrongKind:
			outside = &Refusal{Reason: reason, account: &found[i]}
		default:
			fit = append(fit, account)
		}
	}
	switch {
	case len(fit) > 1:
		return Account{}, &Refusal{Reason: ConflictSeveral, Detail: fmt.Sprintf("accounts %s and %s", fit[0].ID, fit[1].ID)}
	case len(fit) == 0 && outside != nil:
		return Account{}, outside
	case len(fit) == 0:
		return Account{}, ErrNotFound
	}
	if reason := p.fits(&fit[0], c, false); reason != "" {
		return Account{}, &Refusal{Reason: reason, account: &fit[0]}
	}
	return fit[0], nil
}

// candidates are the accounts that match, of all organisations and kinds.
func candidates(ctx context.Context, q conn, p Policy, id authn.Identity) ([]Account, error) {
	// Where an account can be made, who brings nothing to match with gets a new one.
	nothing := func(r Reason, detail string) ([]Account, error) {
		if p.Account == AccountCreate {
			return []Account{}, nil
		}
		return nil, &Refusal{Reason: r, Detail: detail}
	}
	name, byAttribute := strings.CutPrefix(p.Match, matchAttribute)
	switch {
	case byAttribute:
		value, ok := id.Claims[name].(string)
		if !ok || value == "" || !plain(value) {
			return nothing(NotMatched, fmt.Sprintf("no text in claim %q", name))
		}
		return several(ctx, q, `id IN (SELECT account FROM attribute_values WHERE name = $1 AND value = $2)`, name, value)
	case p.Match == MatchUsername:
		key, err := Canonical(id.User)
		if err != nil {
			return nothing(NotMatched, "the user name cannot be one of an account")
		}
		return several(ctx, q, `username_key = $1`, key)
	}
	key, err := CanonicalEmail(id.Email)
	if err != nil || !id.Checked {
		return nothing(EmailUnverified, authn.CutControl(id.Email, maxText))
	}
	return several(ctx, q, `email_key = $1`, key)
}

// emailElsewhere reports whether an account of another organisation has an address.
func emailElsewhere(ctx context.Context, q conn, key, organisation string) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE email_key = $1 AND organisation <> $2`, key, organisation).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("accounts: look for an address: %w", err)
	}
	return n > 0, nil
}

// shown is a name as an issuer gives it, as it can be kept.
func shown(name string) string {
	name = strings.TrimSpace(authn.CutControl(strings.ToValidUTF8(name, ""), maxText))
	if !plain(name) {
		return ""
	}
	return name
}

// keepable is the claims that fit into an account, in the order of their names until
// half of the room is used.
func keepable(claims map[string]any) map[string]any {
	kept := make(map[string]any)
	room := maxAttributes / 2
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		value := claims[name]
		data, err := json.Marshal(value)
		size := len(name) + len(data) + 8
		if err != nil || !plain(name) || size > room || strings.Contains(string(data), `\u0000`) {
			continue
		}
		room -= size
		kept[name] = value
	}
	return kept
}
