package local

import "foregate/authn"

// Asks implements authn.Asker: the first answer is always the form for a user
// name and a password.
func (m *method) Asks() authn.Form { return form("", "") }
