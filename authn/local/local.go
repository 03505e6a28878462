// Package local signs people in by a user name and a password that Foregate
// keeps itself.
//
// Begin asks for both. Resume folds the name as typed to the canonical name of
// an account, waits for a place at the hashing queue, looks the account up, counts
// the try, and only then compares. Unknown, closed and locked accounts take the
// same way, cost the same hash and get the same answer. Whoever has an
// authenticator app is asked for a code then (app.go).
//
// # Whose accounts
//
// Users of a file or of the configuration (users.go), the accounts that Foregate
// keeps (kept.go), or both: then a listed user comes before an account of the same
// name. An account is named by its user name or by an e-mail address that no other
// has, counted as one however it is named, and known to the application by the
// issuer and subject that the accounts have.
//
// # Names
//
// A name is compared after compatibility normalisation and case folding, without
// outer spaces: "alice", " ALICE " and "ａｌｉｃｅ" are one account, one counter and
// one subject. Of a listed user the issuer is "foregate:local/" and the method's
// configured name, the subject is the canonical name, and the application is given
// the name as the users file spells it; an e-mail address is no other spelling of it.
//
// # Passwords
//
// A password is 1 to 1024 bytes without NUL. It is neither trimmed nor cut; it
// is brought to Unicode normalisation form C before it is hashed, so that "é"
// is the same from every keyboard (RFC 8265, section 4.2). A password that
// another program hashed in form D does not match. New hashes are argon2id with
// 19 MiB, two passes and one lane; bcrypt, scrypt, yescrypt, PBKDF2 and SHA-crypt
// hashes are read, within bounds. A password longer than the 72 bytes that bcrypt
// looks at never matches a bcrypt hash.
//
// An unknown name costs what most accounts cost. So while a file mixes kinds of
// hashes, time tells the kind of an account, and with it that it exists; the log
// says so at each load.
//
// # Lockout
//
// Tries are counted in the shared store, before they are judged. A window opens
// with the first try and ends on time, whatever happens in it.
//
//   - One account from one network (IPv4 /24, IPv6 /64): 10 tries in 15 minutes.
//     Beyond that the network is refused for this account, and adds nothing to:
//   - One account from everywhere: 25 tries in 20 minutes. At most four such
//     windows touch an hour, so nobody guesses more than 100 times an hour at an
//     account that is not signed in to (NIST SP 800-63B, section 5.2.2, allows
//     100 in all). It takes three networks to reach it, and the account opens by
//     itself after 20 minutes at the latest.
//   - One network, all accounts: 200 wrong passwords in 15 minutes. Here only
//     failures count, since a hospital signs in from one address at the change
//     of shifts. Beyond that everybody in the network is told to wait, and one
//     burst no longer than the hashing queue is let through each minute to see
//     whether the window has ended.
//
// While an account is locked the right password gets the answer of a wrong one.
// A success forgets both counters of its account. When the counters cannot be
// reached nobody signs in, and nothing is counted.
package local

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"foregate/authn"
	"foregate/internal/lockout"
	"foregate/internal/queue"
)

const (
	userField     = "username"
	passwordField = "password"
	maxName       = 256 // bytes

	noMatch = "That user name and password do not match. Check both and try again."
)

// method is an authn.Authenticator.
type method struct {
	name    string
	env     authn.Env
	people  directory
	apps    authn.Authenticators // nil without accounts
	totp    string
	queue   *queue.Queue
	wait    time.Duration // the longest for a place in it
	lockout *lockout.Lockout
	log     *slog.Logger
	now     func() time.Time
	compare func(stored digest, password string) bool
}

// directory knows the accounts.
type directory interface {
	// lookUp returns the account of a canonical name. A name that nobody has is
	// no error: its account is closed, and its digest costs what others cost. Its
	// key is never empty.
	lookUp(ctx context.Context, name string) (account, error)
}

// account is what a directory knows of a name.
type account struct {
	open   bool // exists and is not disabled
	known  bool // exists
	key    string
	person User // of a listed user
	digest digest

	who    authn.Person // of an account; zero for a listed user
	hasApp bool         // an authenticator app
}

// kept reports whether it is one of the accounts, and no listed user.
func (a *account) kept() bool { return a.who.Subject != "" }

// Patience implements authn.Patient.
func (m *method) Patience() time.Duration { return m.wait }

// Begin implements authn.Authenticator.
func (m *method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	return form(a.Hint, ""), nil
}

// Resume implements authn.Authenticator.
func (m *method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if a.Values[keepStep] != "" && m.apps != nil {
		return m.second(ctx, a, r)
	}
	users, passwords := r.PostForm[userField], r.PostForm[passwordField]
	// Two values are read differently by what stands before and behind Foregate.
	if len(users) > 1 || len(passwords) > 1 {
		return nil, authn.Invalid("That form could not be read. Go back and try again.",
			fmt.Errorf("local: %d user names and %d passwords in one form", len(users), len(passwords)))
	}
	if len(users) == 0 || len(passwords) == 0 {
		return form(a.Hint, noMatch), nil
	}
	user, password := users[0], passwords[0]
	name, plausible := lockout.Canonical(user)
	if !plausible || checkPassword(password) != nil {
		return form(user, noMatch), nil
	}
	acct, ok, err := m.try(ctx, name, password, lockout.Network(a.Client))
	if err != nil {
		return nil, err
	}
	if !ok {
		return form(user, noMatch), nil
	}
	return m.after(ctx, a, name, acct)
}

// try judges one password. It holds a place at the queue from before the count
// until after the hash: who is turned away there has not used up a try.
func (m *method) try(ctx context.Context, name, password string, from netip.Prefix) (account, bool, error) {
	if err := m.lockout.Rested(from); err != nil {
		return account{}, false, err
	}
	leave, err := m.queue.Enter(ctx)
	if err != nil {
		return account{}, false, authn.Unavailable("Many people are signing in right now. Try again in a moment.", fmt.Errorf("local: %w", err))
	}
	defer leave()
	acct, err := m.lookUp(ctx, name)
	if err != nil {
		return account{}, false, err
	}
	unlocked, err := m.lockout.Count(ctx, acct.key, from)
	if err != nil {
		return account{}, false, err
	}
	// Always compared, so that time does not tell what is wrong.
	matches := m.compare(acct.digest, password)
	if !matches || !unlocked || !acct.open {
		m.refused(ctx, name, from, acct, unlocked)
		return account{}, false, nil
	}
	if err := m.lockout.Succeeded(ctx, acct.key, from); err != nil {
		m.log.WarnContext(ctx, "counted tries not forgotten after a success", "err", err)
	}
	return acct, true, nil
}

func (m *method) lookUp(ctx context.Context, name string) (account, error) {
	acct, err := m.people.lookUp(ctx, name)
	if err != nil {
		return account{}, authn.Unavailable("We cannot check passwords right now. Try again in a minute.",
			fmt.Errorf("local: look up account: %w", err))
	}
	return acct, nil
}

// refused counts and logs a failure. A name that is no account is not logged:
// people type their password into the wrong field.
func (m *method) refused(ctx context.Context, name string, from netip.Prefix, acct account, unlocked bool) {
	if err := m.lockout.Failed(ctx, from); err != nil {
		m.log.WarnContext(ctx, "failure of a network not counted", "err", err)
	}
	reason := "wrong password"
	if acct.kept() {
		name = acct.who.User
	}
	switch {
	case !acct.known:
		name, reason = "", "unknown user"
	case !unlocked:
		reason = "locked after too many tries"
	case !acct.open:
		reason = "account disabled, or without a password"
	}
	m.log.InfoContext(ctx, "password refused", "method", m.name, "user", name, "network", from.String(), "reason", reason)
}

func (m *method) identity(name string, acct account, amr ...string) authn.Identity {
	if acct.kept() {
		return m.keptIdentity(acct.who, amr)
	}
	person := acct.person
	return authn.Identity{
		Method:            m.name,
		Issuer:            "foregate:local/" + m.name,
		Subject:           name,
		User:              person.User,
		Email:             person.Email,
		Checked:           person.EmailVerified && person.Email != "",
		PreferredUsername: person.User,
		Name:              person.Name,
		Groups:            slices.Clone(person.Groups),
		AMR:               amr,
		Authenticated:     m.now(),
	}
}

func (m *method) keptIdentity(p authn.Person, amr []string) authn.Identity {
	id := authn.Identity{
		Method: m.name, Issuer: p.Issuer, Subject: p.Subject, User: p.User, Email: p.Email, Checked: p.Email != "",
		PreferredUsername: p.User, Name: p.Name, Groups: slices.Clone(p.Groups), Roles: slices.Clone(p.Roles),
		AMR: amr, Authenticated: m.now(),
	}
	for _, claim := range m.env.Claims {
		if v, ok := p.Claims[claim]; ok {
			if id.Claims == nil {
				id.Claims = make(map[string]any)
			}
			id.Claims[claim] = v
		}
	}
	return id
}

// form asks for user name and password, with the name filled in.
func form(user, problem string) authn.Form {
	if len(user) > maxName {
		user = ""
	}
	return authn.Form{Step: "password", Problem: problem, Fields: []authn.Field{
		{Name: userField, Kind: "text", Label: "User name", Autocomplete: "username", Value: authn.CutControl(user, maxName)},
		{Name: passwordField, Kind: "password", Label: "Password", Autocomplete: "current-password"},
	}}
}
