package world

import (
	"time"

	"foregate/authn"
	"foregate/authn/handoff"
	"foregate/internal/optest"
)

const recordsKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// SCIMToken is that of the customer.
const SCIMToken = "0123456789abcdef0123456789abcdef0123456789abcdef"

func homewatch(w *World) {
	at := w.host("portal.homewatch.example", "homewatch")
	mobile := w.host("mobile.homewatch.example", "mobile")
	users := map[string]optest.User{
		"alice": user("alice@northfield.example", "Alice Archer"),
		"carol": user("carol@home.example", "Carol Carter"),
		"erin":  user("erin@northfield.example", "Erin Eames"),
		"frank": user("frank@northfield.example", "Frank Foreign"),
		"dora":  user("dora@hospital.example", "Dora Dean"),
	}
	w.OP = optest.Start(w.T, optest.Options{Title: "Northfield", RedirectURIs: []string{at + "/sso/callback/entra"}, PostLogoutRedirectURIs: []string{at + "/sso/sign-out"}, Users: users})
	w.provider(w.OP)
	w.Google = optest.Start(w.T, optest.Options{Title: "Another provider", RedirectURIs: []string{at + "/sso/callback/google"}, PostLogoutRedirectURIs: []string{at + "/sso/sign-out"}, Users: users})
	w.swap("      preset: google\n", "      issuer: "+w.Google.Issuer+"\n")
	w.swap("client_id: 000000000000-homewatch.apps.googleusercontent.com", "client_id: "+optest.ClientBasic)
	w.swap("      hosted_domains: [clinic.example]                     # CHANGE: their Workspace domains\n", "")
	w.secret("secrets/google", optest.Secret)
	w.mail("smtp.homewatch.example:587", "homewatch")
	w.swap("page: https://records.hospital.example/homewatch", `page: "http://records.localhost/homewatch"`)
	w.secret("secrets/records", recordsKey)
	w.secret("secrets/northfield-scim", SCIMToken)
	w.Notes = []string{
		"Open " + at + ": alice signs in with Microsoft, password " + Password + "; carol@home.example by a code (shown here), then her password " + Password + ".",
		"The mobile application's address has no button: " + mobile,
	}
}

// Records is a deep link of the patient record system for one of its users.
func (w *World) Records(path, id, email string) string {
	w.T.Helper()
	p, err := handoff.NewPartner(&handoff.Config{
		Page: "http://records.localhost/homewatch", Format: "aes-gcm", Keys: []handoff.Key{{Key: authn.NewSecret(recordsKey)}},
	}, "records")
	if err != nil {
		w.T.Fatal(err)
	}
	at := w.Hosts["portal.homewatch.example"]
	query, err := p.Mint(handoff.Draft{User: id, Email: email, Made: time.Now(), Host: at[len("http://"):]})
	if err != nil {
		w.T.Fatal(err)
	}
	return at + path + "?" + query.Encode()
}
