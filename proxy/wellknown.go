package proxy

// changePassword is where password managers send people to change their password (A
// Well-Known URL for Changing Passwords, W3C). Where Foregate keeps no passwords it is the
// application's.
const changePassword = "/.well-known/change-password"

// keepsPasswords reports whether people of the app can change a password here.
func (set *Set) keepsPasswords(app *App) bool {
	for _, name := range app.all() {
		if password, _ := set.keeps(name); password {
			return true
		}
	}
	return false
}
