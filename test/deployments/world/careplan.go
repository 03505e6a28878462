package world

import (
	"foregate/internal/mailtest"
	"foregate/internal/optest"
)

// People of the providers.
const (
	Password = "pw-1-Secret"
	Desk     = "desk-pass-1-Secret"
)

// user is somebody whom a provider knows.
func user(email, name string, groups ...string) optest.User {
	return optest.User{"password": Password, "email": email, "email_verified": true, "name": name, "groups": groups}
}

func careplan(w *World) {
	at := w.host("careplan.hospital.example", "careplan")
	w.OP = optest.Start(w.T, optest.Options{
		IDTokenTTL: int(w.options.Authorised.Seconds()),
		Title:      "Northfield", RedirectURIs: []string{at + "/sso/callback/entra"}, PostLogoutRedirectURIs: []string{at + "/sso/sign-out"},
		Users: map[string]optest.User{
			"nora": user("nora@hospital.example", "Nora Nurse", "Careplan-Users"),
			"otto": user("otto@hospital.example", "Otto Outsider", "Kitchen"),
			"anna": user("anna@elsewhere.example", "Anna Abroad", "Careplan-Users"),
			"desk": user("desk@hospital.example", "Service Desk", "Service-Desk"),
		},
	})
	w.provider(w.OP)
	w.mail("smtp.hospital.example:587", "careplan")
	w.Notes = []string{
		"Open " + at + " and sign in as nora, password " + Password + "; the code comes by mail (shown here).",
		"otto is not in the group Careplan-Users: a page says whom to ask.",
	}
}

// provider puts a real provider in the place of Entra ID.
func (w *World) provider(op *optest.Provider) {
	w.swap("      preset: entra\n      issuer: https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0",
		"      scopes: [openid, profile, email, groups]\n      issuer: "+op.Issuer)
	w.swap("client_id: 00000000-0000-0000-0000-000000000000", "client_id: "+optest.ClientBasic)
	w.secret("secrets/entra", optest.Secret)
}

// mail starts the mail server.
func (w *World) mail(address, username string) {
	w.Mail = mailtest.Start(w.T, mailtest.Options{Username: username, Password: Password})
	w.swap(`address: "`+address+`", username: `+username, `address: "`+w.Mail.Addr+`", ca: "`+w.Mail.CA+`", username: `+username)
	w.secret("secrets/mail", Password)
}
