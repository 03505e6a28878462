package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"foregate/authn"
)

// Admission is the answer to who may come in: Admitted or Verify.
type Admission interface{ isAdmission() }

// Admitted lets a person in.
type Admitted struct {
	Identity authn.Identity // what the method vouched for, and what the account says
	Account  Account        // zero where none is needed
	Created  bool           // it was made now
	Linked   bool           // the identity was linked to it now
}

// Verify asks for a proof at the first sign-in: a code is to be sent to Address, and
// when it comes back, Confirm is called with this very value. It may be kept, sealed,
// as JSON.
type Verify struct {
	Account string `json:"a"` // ID
	Address string `json:"t"` // on the account; never what the method or the person said
	Masked  string `json:"m"` // for the page
	Name    string `json:"n"` // of the account, for the letter
}

func (Admitted) isAdmission() {}
func (Verify) isAdmission()   {}

// errOvertaken makes write try again: what was read is not there any more.
var errOvertaken = errors.New("accounts: overtaken by another change")

// errTried takes back what was decided for nobody.
var errTried = errors.New("accounts: nobody signs in")

// Admit decides about a person whom a method has just vouched for. An error that is
// a refusal has a reason (ReasonOf); any other one means that nothing was decided.
//
// The groups come first: of who is in none of them one audit line is written, nothing
// is looked up. A known link wins, whatever the addresses are now. Only an address that
// the issuer vouches for is matched.
func (a *Accounts) Admit(ctx context.Context, p Policy, id authn.Identity, c Context) (Admission, error) {
	return a.admit(ctx, p, id, c, nil)
}

// Confirm admits a person who has proved by the code that the account is theirs, and
// makes the link for good. Everything is looked at again: the account must still match
// and have the address to which the code went. Of two identities of one method that
// confirm the same account at the same moment one is linked, the other is refused
// with ConflictLinked; the same identity in two browsers is admitted twice.
func (a *Accounts) Confirm(ctx context.Context, p Policy, v Verify, id authn.Identity, c Context) (Admitted, error) {
	if v.Account == "" || v.Address == "" {
		return Admitted{}, authn.Invalid("Please sign in again.", errors.New("accounts: confirm without an account or an address"))
	}
	admission, err := a.admit(ctx, p, id, c, &v)
	if err != nil {
		return Admitted{}, err
	}
	admitted, ok := admission.(Admitted)
	if !ok {
		return Admitted{}, authn.Invalid("Please sign in again.", fmt.Errorf("accounts: confirm: got %T", admission))
	}
	return admitted, nil
}

func (a *Accounts) admit(ctx context.Context, p Policy, id authn.Identity, c Context, proved *Verify) (Admission, error) {
	if err := usable(&id); err != nil {
		return nil, authn.Invalid("Your organisation's sign-in sent something that we cannot use. Tell your service desk, please.", err)
	}
	var (
		admission Admission
		refusal   *Refusal
	)
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		refusal = nil
		var err error
		admission, err = a.decide(ctx, tx, p, id, c, proved)
		if err != nil && !errors.As(err, &refusal) {
			return err
		}
		if c.Try {
			return errTried
		}
		return a.noteSignIn(ctx, tx, id, c, admission, refusal)
	})
	switch {
	case errors.Is(err, errTried) && refusal != nil:
		return nil, refusal.face()
	case errors.Is(err, errTried):
		return admission, nil
	case err != nil:
		return nil, unavailable(err)
	case refusal != nil:
		a.logDecision(ctx, id, c, string(refusal.Reason), refusal.account)
		return nil, refusal.face()
	}
	switch done := admission.(type) {
	case Verify:
		a.logDecision(ctx, id, c, "verify", &Account{ID: done.Account})
	case Admitted:
		a.logDecision(ctx, id, c, "admitted", &done.Account)
	}
	return admission, nil
}

// Refuse notes that a person was refused for a reason that is not an account's, and
// returns the refusal.
func (a *Accounts) Refuse(ctx context.Context, id authn.Identity, c Context, reason Reason, detail string) error {
	refusal := &Refusal{Reason: reason, Detail: detail}
	if err := usable(&id); err != nil {
		return authn.Invalid("Your organisation's sign-in sent something that we cannot use. Tell your service desk, please.", err)
	}
	if c.Try {
		return refusal.face()
	}
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return a.noteSignIn(ctx, tx, id, c, nil, refusal) })
	if err != nil {
		return unavailable(err)
	}
	a.logDecision(ctx, id, c, string(reason), nil)
	return refusal.face()
}

// logDecision writes the one line of a decision to the log; more is in the audit trail.
func (a *Accounts) logDecision(ctx context.Context, id authn.Identity, c Context, result string, account *Account) {
	known := ""
	if account != nil {
		known = account.ID
	}
	a.env.Log.InfoContext(ctx, "admission decided", "user", line(id.User), "method", id.Method, "app", c.App,
		"result", result, "account", known, "request", c.RequestID)
}

// usable refuses an identity that cannot be kept. A database would cut or refuse it.
func usable(id *authn.Identity) error {
	if id.Anonymous() {
		return errors.New("accounts: an identity without issuer or subject")
	}
	for what, text := range map[string]string{"issuer": id.Issuer, "subject": id.Subject, "method": id.Method} {
		if len(text) > maxIdentifier || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("accounts: the %s has more than %d bytes, a NUL, or is not UTF-8", what, maxIdentifier)
		}
	}
	return nil
}

// decide writes only when it admits. A refusal is a *Refusal.
func (a *Accounts) decide(ctx context.Context, tx conn, p Policy, id authn.Identity, c Context, proved *Verify) (Admission, error) {
	if !p.inGroup(id.Groups) {
		return nil, &Refusal{Reason: NotInGroup}
	}
	if id.Issuer == Issuer {
		return a.admitOwn(ctx, tx, p, id, c)
	}
	account, err := linkedAccount(ctx, tx, id.Issuer, id.Subject)
	switch {
	case err == nil:
		return a.admitLinked(ctx, tx, p, account, id, c)
	case !errors.Is(err, ErrNotFound):
		return nil, err
	case !p.accounts():
		return Admitted{Identity: id}, nil
	}
	account, err = match(ctx, tx, p, id, c)
	if errors.Is(err, ErrNotFound) && proved == nil && p.Account == AccountCreate {
		return a.admitNew(ctx, tx, p, id, c)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, &Refusal{Reason: NoAccount}
	}
	if err != nil {
		return nil, err
	}
	return a.admitMatched(ctx, tx, p, account.ID, id, c, proved)
}

// admitLinked lets in who was here before.
func (a *Accounts) admitLinked(ctx context.Context, tx conn, p Policy, account Account, id authn.Identity, c Context) (Admission, error) {
	account, err := lock(ctx, tx, account.ID)
	if err != nil {
		return nil, overtaken(err)
	}
	if account.Status == Left { // its directory vouches for them again, a little sooner than the refresh sees it
		account.Status, account.Changed = Active, moment(a.stamp())
		if err := a.update(ctx, tx, account); err != nil {
			return nil, err
		}
	}
	if reason := p.fits(&account, c, true); reason != "" {
		return nil, &Refusal{Reason: reason, account: &account}
	}
	const usedSQL = `UPDATE links SET used = $4, email = $5, groups_sum = $6 WHERE issuer = $1 AND subject = $2 AND account = $3`
	res, err := tx.ExecContext(ctx, usedSQL, id.Issuer, id.Subject, account.ID, a.stamp(), seenEmail(&id), groupsSum(id.Groups))
	if n, err := affected(res, err); err != nil {
		return nil, fmt.Errorf("accounts: note use of a link: %w", err)
	} else if n == 0 {
		return nil, errOvertaken
	}
	if account.follows() {
		if err := a.follow(ctx, tx, &account, id); err != nil {
			return nil, err
		}
	}
	return a.letIn(ctx, tx, account, id, Admitted{})
}

// admitMatched asks for a proof, or links an account that matches for the first time.
func (a *Accounts) admitMatched(ctx context.Context, tx conn, p Policy, accountID string, id authn.Identity, c Context, proved *Verify) (Admission, error) {
	account, err := lock(ctx, tx, accountID)
	if err != nil {
		return nil, overtaken(err)
	}
	if reason := p.fits(&account, c, false); reason != "" {
		return nil, &Refusal{Reason: reason, account: &account}
	}
	held, err := links(ctx, tx, `account = $1 AND method = $2`, account.ID, id.Method)
	if err != nil {
		return nil, err
	}
	switch {
	case len(held) > 0 && held[0].Issuer == id.Issuer && held[0].Subject == id.Subject:
		return nil, errOvertaken // another browser of the same person was first
	case len(held) > 0:
		return nil, &Refusal{Reason: ConflictLinked, account: &account}
	case proved != nil && (proved.Account != account.ID || proved.Address != account.Email):
		return nil, &Refusal{Reason: Changed, account: &account}
	case p.verified() && account.Email == "":
		return nil, &Refusal{Reason: NoAddress, account: &account}
	case p.verified() && proved == nil:
		return Verify{Account: account.ID, Address: account.Email, Masked: Mask(account.Email), Name: account.Name}, nil
	}
	by := "match"
	if proved != nil {
		by = "mail"
	}
	if err := a.insertLink(ctx, tx, account.ID, id, by); err != nil {
		return nil, err
	}
	return a.letIn(ctx, tx, account, id, Admitted{Linked: true})
}

// admitNew makes an account for a person at their first sign-in.
func (a *Accounts) admitNew(ctx context.Context, tx conn, p Policy, id authn.Identity, c Context) (Admission, error) {
	organisation, _ := p.organisation(c)
	account := Account{
		ID: newID(), Name: shown(id.Name), Status: Active, Organisation: organisation, Source: FromAdmit,
		Attributes: keepable(id.Claims),
	}
	if key, err := Canonical(id.User); err == nil && strings.TrimSpace(id.User) == id.User {
		account.Username = id.User
		if _, err := one(ctx, tx, `username_key = $1`, key); err == nil {
			return nil, &Refusal{Reason: ConflictName, Detail: id.User}
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	// An address that nobody vouches for would later match its true owner, who would
	// be linked to a stranger's account.
	if key, err := CanonicalEmail(id.Email); err == nil && id.Checked {
		elsewhere, err := emailElsewhere(ctx, tx, key, organisation)
		if err != nil {
			return nil, err
		}
		if elsewhere {
			return nil, &Refusal{Reason: WrongOrg, Detail: "the e-mail address is that of an account of another organisation"}
		}
		account.Email = id.Email
	}
	if len(p.Kinds) > 0 {
		account.Kind = p.Kinds[0]
	}
	if reason := p.fits(&account, c, true); reason != "" {
		return nil, &Refusal{Reason: reason}
	}
	account.Created = moment(a.stamp())
	account.Changed = account.Created
	if err := a.insert(ctx, tx, account); err != nil {
		return nil, err
	}
	if err := a.insertLink(ctx, tx, account.ID, id, "create"); err != nil {
		return nil, err
	}
	return a.letIn(ctx, tx, account, id, Admitted{Created: true, Linked: true})
}

// letIn stamps the account and makes the identity that the application sees.
func (a *Accounts) letIn(ctx context.Context, tx conn, account Account, id authn.Identity, done Admitted) (Admission, error) {
	now := a.stamp()
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET last_sign_in = $2, last_method = $3 WHERE id = $1`, account.ID, now, id.Method); err != nil {
		return nil, fmt.Errorf("accounts: note sign-in: %w", err)
	}
	account.LastSignIn, account.LastMethod = moment(now), id.Method
	groups, err := groupNames(ctx, tx, account.ID)
	if err != nil {
		return nil, err
	}
	done.Account, done.Identity = account, account.identity(id, groups)
	return done, nil
}

// Recheck says whether a person who was admitted before still may come in, and who
// they are now: for a session that is refreshed or entered again. id is what the method
// says now. It writes nothing, and links nobody.
func (a *Accounts) Recheck(ctx context.Context, p Policy, id authn.Identity, c Context) (Admitted, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !p.inGroup(id.Groups) {
		return Admitted{}, (&Refusal{Reason: NotInGroup}).face()
	}
	account, err := accountOf(ctx, a.db.Reader, &id)
	switch {
	case errors.Is(err, ErrNotFound) && !p.accounts():
		return Admitted{Identity: id}, nil
	case errors.Is(err, ErrNotFound):
		return Admitted{}, (&Refusal{Reason: NoAccount}).face()
	case err != nil:
		return Admitted{}, unavailable(err)
	}
	if reason := p.fits(&account, c, true); reason != "" {
		return Admitted{}, (&Refusal{Reason: reason, account: &account}).face()
	}
	groups, err := groupNames(ctx, a.db.Reader, account.ID)
	if err != nil {
		return Admitted{}, unavailable(err)
	}
	return Admitted{Account: account, Identity: account.identity(id, groups)}, nil
}

// identity is id with what the account says of the person. Issuer and subject stay:
// they are the key of the person.
func (a *Account) identity(id authn.Identity, groups []string) authn.Identity {
	// With an account the issuer's name is not used even as a last resort: it could be
	// that of another account.
	id.User = a.ID
	if a.Username != "" {
		id.User = a.Username
	} else if a.Email != "" {
		id.User = a.Email
	}
	if a.Email != "" {
		id.Email, id.Checked = a.Email, true
	}
	if a.Name != "" {
		id.Name = a.Name
	}
	id.Organisation, id.Kind = a.Organisation, a.Kind
	id.Roles = slices.Clone(a.Roles)
	id.Groups = slices.Clone(id.Groups)
	for _, g := range groups {
		if !slices.Contains(id.Groups, g) {
			id.Groups = append(id.Groups, g)
		}
	}
	claims := make(map[string]any, len(id.Claims)+len(a.Attributes)+1)
	maps.Copy(claims, id.Claims)
	maps.Copy(claims, a.Attributes)
	claims["account"] = a.ID
	id.Claims = claims
	return id
}

func overtaken(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errOvertaken
	}
	return err
}
