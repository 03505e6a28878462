package accounts

import (
	"errors"
	"fmt"

	"foregate/authn"
)

// Reason is why somebody was refused, for the audit trail and figures. The words are
// stable.
type Reason string

const (
	NotInGroup      Reason = "not_in_group"
	NoAccount       Reason = "no_account"
	IsDisabled      Reason = "disabled"
	EmailUnverified Reason = "email_unverified"  // the issuer does not vouch for an address, or gives none
	ConflictLinked  Reason = "conflict_linked"   // the account has another identity of this method
	ConflictSeveral Reason = "conflict_several"  // several accounts match
	ConflictName    Reason = "conflict_username" // an account to be made has the user name of another
	WrongOrg        Reason = "wrong_organisation"
	WrongKind       Reason = "kind_not_allowed"
	NotExempt       Reason = "not_exempt"
	OwnSignIn       Reason = "own_sign_in_only" // the account's organisation has methods of its own, and this is none
	NoAddress       Reason = "no_address"       // a code is to be sent, and the account has no address
	NotMatched      Reason = "nothing_to_match"
	Changed         Reason = "changed" // the account is not as it was when the code was sent
	SeveralRoles    Reason = "several_roles"
)

// words are what a person is told. What only an administrator of this or another
// organisation may know, they do not say: no_account, wrong_organisation and
// kind_not_allowed are the same.
var words = map[Reason]string{
	NotInGroup:      "You are signed in, but you are not in the group that may use this application. Ask the people who run it to add you.",
	NoAccount:       noAccount,
	WrongOrg:        noAccount,
	WrongKind:       noAccount,
	NotMatched:      noAccount,
	IsDisabled:      "Your account here is switched off. Ask the people who run this application to switch it on again.",
	EmailUnverified: "Your organisation has not told us a confirmed e-mail address of yours, so we cannot find your account. Ask your service desk to confirm it.",
	ConflictLinked:  "Your account here is connected to another sign-in already. Ask the people who run this application to disconnect it.",
	ConflictSeveral: "Several accounts here could be yours. Ask the people who run this application which one is.",
	ConflictName:    "Somebody else has your user name here already. Ask the people who run this application to make an account for you.",
	NotExempt:       "You cannot sign in this way. Go back and choose your organisation's sign-in.",
	OwnSignIn:       "Your organisation wants you to use its own sign-in. Go back and choose it.",
	NoAddress:       "Your account here has no e-mail address to which we could send a code. Ask the people who run this application to add it.",
	Changed:         "Your account was changed while you signed in. Please sign in again.",
	SeveralRoles:    "You have several roles in this application, and only one is allowed. Ask the people who run it to leave you one.",
}

const noAccount = "You are signed in, but you have no account for this application yet. Ask the people who run it to make one for you."

// Refusal is the log's face of a refusal.
type Refusal struct {
	Reason Reason
	Detail string // for the operator, may be empty

	account *Account // whom it is about, where that is known
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "accounts: refused: " + string(r.Reason)
	}
	return fmt.Sprintf("accounts: refused: %s: %s", r.Reason, r.Detail)
}

// Organisation is that of the account which the refusal is about, or "".
func (r *Refusal) Organisation() string {
	if r.account == nil {
		return ""
	}
	return r.account.Organisation
}

// ReasonOf returns why err refuses, or "" if it is no refusal of this package.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// face gives a refusal its words.
func (r *Refusal) face() error { return authn.Refused(words[r.Reason], r) }
