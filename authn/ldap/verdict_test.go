package ldap

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/jimlambrt/gldap"

	"foregate/internal/ldaptest"
)

// How Active Directory writes its codes, in English and otherwise.
const (
	adText     = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data %, v4563"
	adTextElse = "80090308: LdapErr: DSID-0C090439, Kommentar: Fehler in AcceptSecurityContext, data %, v4563\x00"
)

func TestLD3SubCodesAndTheirWords(t *testing.T) {
	for code, want := range map[string]verdict{
		"525": wrong, "52e": wrong, "52E": wrong, "775": wrong, "9999": wrong, "0": wrong, "568": wrong,
		"530": notNow, "531": notHere, "532": expired, "533": disabled, "701": over, "773": mustChange,
	} {
		for _, text := range []string{adText, adTextElse} {
			err := ldap.NewError(ldap.LDAPResultInvalidCredentials, errorText(strings.ReplaceAll(text, "%", code)))
			got, reason, err := judge(true, &ldap.SimpleBindResult{}, err)
			if got != want || err != nil || !strings.Contains(reason, strings.ToLower(code)) {
				t.Errorf("data %s: %d, %q, %v; want %d with the code for the log", code, got, reason, err, want)
			}
			// Another directory's text is its own business.
			if got, _, _ := judge(false, &ldap.SimpleBindResult{}, ldap.NewError(ldap.LDAPResultInvalidCredentials, errorText(strings.ReplaceAll(text, "%", code)))); got != wrong {
				t.Errorf("data %s means %d without Active Directory", code, got)
			}
		}
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }

func TestLD3CodesAreLoggedAndNotShown(t *testing.T) {
	entry := map[string][]string{"sAMAccountName": {"alice"}, "objectGUID": {"0123456789abcdef"}, "primaryGroupID": {"513"}}
	for code, words := range map[string]string{
		"525": noMatch, "52e": noMatch, "775": noMatch, "9999": noMatch,
		"530": "Your account may not be used at this hour. Ask your IT department if you need it now.",
		"531": "Your account may not be used from here. Ask your IT department.",
		"532": "Your password has expired, and you must choose a new one. Ask your IT department how to do that, then sign in again.",
		"533": "Your account is disabled. Ask your IT department.",
		"701": "Your account has come to its end date. Ask your IT department to extend it.",
		"773": "You must choose a new password before you can sign in. Ask your IT department how to do that, then sign in again.",
	} {
		f := fake{bind: says(gldap.ResultInvalidCredentials, strings.ReplaceAll(adText, "%", code)), search: knows(entry)}
		c := onFake(f.start(t))
		c.Preset = presetAD
		b := newBench(t, c)
		b.refuses(t, "alice", "something", words)
		if !strings.Contains(b.out.String(), "code "+code) {
			t.Errorf("the log does not have the code %s:\n%s", code, b.out)
		}
	}
}

func TestLD3PasswordPolicyOfOpenLDAP(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{People: 3})
	admin := s.Admin(t)
	modify := func(user, attribute, value string) {
		t.Helper()
		r := ldap.NewModifyRequest(ldaptest.PersonDN(user), nil)
		r.Replace(attribute, []string{value})
		r.Controls = []ldap.Control{ldap.NewControlString("1.3.6.1.4.1.4203.666.5.12", true, "")} // relax
		if err := admin.Modify(r); err != nil {
			t.Fatal(err)
		}
	}
	modify("u00000", "pwdReset", "TRUE")
	modify("u00001", "pwdPolicySubentry", "cn=old,ou=policies,"+ldaptest.Base)
	modify("u00001", "userPassword", ldaptest.Password)
	modify("u00001", "pwdChangedTime", "20200101000000Z")
	modify("u00002", "pwdAccountLockedTime", "000001010000Z")
	b := newBench(t, onSlapd(s))
	b.refuses(t, "u00000", ldaptest.Password, b.words(mustChange))
	b.refuses(t, "u00000", "wrong", noMatch)
	b.refuses(t, "u00001", ldaptest.Password, b.words(expired))
	b.refuses(t, "u00001", "wrong", noMatch)
	b.refuses(t, "u00002", ldaptest.Password, noMatch)
	if !strings.Contains(b.out.String(), "locked in the directory") {
		t.Errorf("the log does not say that the account is locked:\n%s", b.out)
	}
}

func TestLD3LockedInActiveDirectoryIsAsWrong(t *testing.T) {
	d := ldaptest.AD(t)
	admin := d.Admin(t)
	dn := d.AddUser(t, admin, "ld3")
	for range ldaptest.ADLockout {
		l, err := ldap.DialURL(d.Address, ldap.DialWithTLSConfig(ldaptest.Trust(t, d.PKI.CA, strings.TrimPrefix(d.Address, "ldaps://"))))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Bind(dn, "wrong"); err == nil {
			t.Fatal("a wrong password is right")
		}
		_ = l.Close()
	}
	b := newBench(t, onAD(d))
	b.refuses(t, "ld3", ldaptest.Password, noMatch)
	if !strings.Contains(b.out.String(), "code 775") {
		t.Errorf("the log does not have the code:\n%s", b.out)
	}
}

func TestChangedPasswordHoldsAtOnce(t *testing.T) {
	d := ldaptest.AD(t)
	admin := d.Admin(t)
	d.AddUser(t, admin, "changes")
	b := newBench(t, onAD(d))
	b.enters(t, "changes", ldaptest.Password)
	d.SetPassword(t, admin, "changes", "Another-2!")
	b.enters(t, "changes", "Another-2!")
}

func TestAnswersThatAreNoVerdict(t *testing.T) {
	for code, judged := range map[uint16]bool{
		ldap.LDAPResultUnwillingToPerform: true, ldap.LDAPResultConstraintViolation: true, ldap.LDAPResultInappropriateAuthentication: true,
		ldap.LDAPResultNoSuchObject: true, ldap.LDAPResultBusy: false, ldap.LDAPResultUnavailable: false, ldap.LDAPResultReferral: false,
		ldap.LDAPResultConfidentialityRequired: false, ldap.LDAPResultStrongAuthRequired: false, ldap.LDAPResultOperationsError: false,
		ldap.ErrorNetwork: false,
	} {
		got, _, err := judge(true, &ldap.SimpleBindResult{}, ldap.NewError(code, errorText("no")))
		if got != wrong || (err == nil) != judged {
			t.Errorf("code %d: %d, %v", code, got, err)
		}
	}
}

func TestWordsAreSentencesForPeople(t *testing.T) {
	for _, page := range []string{"", "https://password.hospital.example"} {
		m := Method{cfg: Config{PasswordPage: page}}
		seen := map[string]bool{}
		for v := wrong; v <= notHere; v++ {
			words := m.words(v)
			if v != proven && v != wrong && seen[words] || !strings.HasSuffix(words, ".") || strings.ContainsAny(words, "{}<>%") {
				t.Errorf("verdict %d: %q", v, words)
			}
			seen[words] = true
		}
	}
}
