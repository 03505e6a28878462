package config

import "foregate/authn/accounts"

// admits looks at what a method's admission needs beside itself.
func (c *checker) admits(path string, m *Method) {
	if m.Admit.ByMail() && c.file.Mail == nil && !c.faulty("mail") {
		c.fault(join(path, "verify"), FaultAt{
			Problem: "people prove at the first sign-in with a code by e-mail that the account is theirs, and there is no section mail",
			Remedy:  "add the section mail with your mail server; verify: none links accounts without a proof",
		})
	}
	if m.Admit.Account == accounts.AccountExisting && m.Admit.Verify == accounts.VerifyNone {
		c.warn(join(path, "verify"), "whoever a provider gives the e-mail address or name of an account gets that account, without a proof", "write verify: mail")
	}
}

// emergency is a method for when nothing else works: it must need nothing else.
type emergency interface{ Emergency() bool }

func isEmergency(m *Method) bool {
	e, ok := m.Config.(emergency)
	return ok && e.Emergency()
}

// standsAlone checks that an emergency method asks for no accounts.
func (c *checker) standsAlone(path string, m *Method) {
	if isEmergency(m) && !m.Admit.Zero() {
		c.fault(path, FaultAt{
			Problem: "an emergency way in must work without accounts, so nothing but its own section says who may come in",
			Remedy:  "remove admit",
		})
	}
}

// NeedsAccounts reports whether the file makes use of accounts.
func (f *File) NeedsAccounts() bool {
	if len(f.Admin.Allow) > 0 || len(f.Organisations) > 0 {
		return true
	}
	for i := range f.Methods {
		m := &f.Methods[i]
		if !m.Admit.Zero() {
			return true
		}
		if p, ok := m.Config.(interface{ NeedsPeople() bool }); ok && p.NeedsPeople() {
			return true
		}
	}
	return false
}
