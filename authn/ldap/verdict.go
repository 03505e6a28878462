package ldap

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

// verdict is what the directory says of a name and a password.
type verdict int

const (
	wrong      verdict = iota // or unknown, or locked: who asks is not told which
	proven                    //
	expired                   // the password
	mustChange                // the password, before anything else
	disabled                  // the account
	over                      // the account has ended
	notNow                    // not at this hour
	notHere                   // not from this computer
)

// words are for the person.
func (m *Method) words(v verdict) string {
	switch {
	case v == expired && m.cfg.PasswordPage != "":
		return "Your password has expired, and you must choose a new one. Do that on your organisation's own page, then sign in again."
	case v == mustChange && m.cfg.PasswordPage != "":
		return "You must choose a new password before you can sign in. Do that on your organisation's own page, then sign in again."
	}
	switch v {
	case expired:
		return "Your password has expired, and you must choose a new one. Ask your IT department how to do that, then sign in again."
	case mustChange:
		return "You must choose a new password before you can sign in. Ask your IT department how to do that, then sign in again."
	case disabled:
		return "Your account is disabled. Ask your IT department."
	case over:
		return "Your account has come to its end date. Ask your IT department to extend it."
	case notNow:
		return "Your account may not be used at this hour. Ask your IT department if you need it now."
	case notHere:
		return "Your account may not be used from here. Ask your IT department."
	}
	return noMatch
}

// refusalForm is the form again, with what is wrong, and the way to the page where
// that is put right.
func (m *Method) refusalForm(user string, v verdict) authn.Form {
	f := form(user, m.words(v))
	if m.cfg.PasswordPage != "" && (v == expired || v == mustChange) {
		f.Facts = map[string]string{"change": m.cfg.PasswordPage}
	}
	return f
}

// subCode finds the code that Active Directory hides in its text, whatever the
// language of the text is.
var subCode = regexp.MustCompile(`\bdata ([0-9a-fA-F]{1,8})\b`)

// adVerdicts are the codes that Active Directory gives only to who knows the
// password. 525 (no such user), 52e (wrong password) and 775 (locked) are not here.
var adVerdicts = map[string]verdict{
	"530": notNow,
	"531": notHere,
	"532": expired,
	"533": disabled,
	"701": over,
	"773": mustChange,
}

// judge reads the answer to a bind. The reason is for the log. An error means that
// the directory did not judge.
func judge(ad bool, result *ldap.SimpleBindResult, err error) (verdict, string, error) {
	policy := policyOf(result)
	if err == nil {
		if policy.mustChange {
			return mustChange, "password must be changed", nil
		}
		return proven, "", nil
	}
	var e *ldap.Error
	if !errors.As(err, &e) || !answered(err) {
		return wrong, "", fmt.Errorf("bind: %w", err)
	}
	switch e.ResultCode {
	case ldap.LDAPResultInvalidCredentials:
		v, reason := refusal(ad, policy, e)
		return v, reason, nil
	case ldap.LDAPResultUnwillingToPerform, // 389 DS: inactivated
		ldap.LDAPResultConstraintViolation,         // 389 DS: locked
		ldap.LDAPResultNoSuchObject,                // deleted since it was found
		ldap.LDAPResultInappropriateAuthentication, // has no password
		ldap.LDAPResultInsufficientAccessRights:    // may not bind
		return wrong, fmt.Sprintf("result code %d: %s", e.ResultCode, diagnosis(e)), nil
	}
	return wrong, "", fmt.Errorf("bind: result code %d: %s", e.ResultCode, diagnosis(e))
}

func refusal(ad bool, policy policy, e *ldap.Error) (verdict, string) {
	switch {
	case policy.expired:
		return expired, "password expired"
	case policy.locked:
		return wrong, "locked in the directory"
	case !ad:
		return wrong, "wrong password"
	}
	found := subCode.FindStringSubmatch(diagnosis(e))
	if found == nil {
		return wrong, "wrong password"
	}
	code := strings.ToLower(found[1])
	return adVerdicts[code], "code " + code
}

// diagnosis is the server's own text.
func diagnosis(e *ldap.Error) string {
	if e.Err == nil {
		return ""
	}
	return authn.CutControl(e.Err.Error(), 300)
}

// policy is what the controls of a bind response say. OpenLDAP and 389 DS tell that
// a password has expired only to who knows it.
type policy struct{ expired, locked, mustChange bool }

func policyOf(result *ldap.SimpleBindResult) policy {
	var p policy
	for _, control := range result.Controls {
		switch c := control.(type) {
		case *ldap.ControlBeheraPasswordPolicy: // draft-behera-ldap-password-policy-10, section 6.2
			p.expired = p.expired || c.Error == 0
			p.locked = p.locked || c.Error == 1
			p.mustChange = p.mustChange || c.Error == 2
		case *ldap.ControlVChuPasswordMustChange:
			p.mustChange = p.mustChange || c.MustChange
		}
	}
	return p
}
