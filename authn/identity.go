package authn

import "time"

// Identity is who a request speaks for. The zero Identity is anonymous.
//
// The key of a person is Issuer and Subject together, never an e-mail address.
type Identity struct {
	Method  string `json:"m"`            // configured name of the method that vouches
	Issuer  string `json:"i"`            // within which Subject is unique and stable
	Subject string `json:"s"`            // the person, for good
	User    string `json:"u"`            // the name that the application is given
	Email   string `json:"e,omitempty"`  //
	Checked bool   `json:"ev,omitempty"` // the issuer says that Email was verified

	// Beside each other, since memory holds many: Placed says that the identity holds only
	// where its method (Placed) says that its people are, Emergency that the person came
	// in by break-glass (authn.Emergency), past all that decides about accounts. The proxy
	// sets both.
	Placed    bool `json:"pl,omitempty"`
	Emergency bool `json:"em,omitempty"`

	PreferredUsername string         `json:"p,omitempty"`
	Name              string         `json:"n,omitempty"` // for people: "Alice Archer"
	Groups            []string       `json:"g,omitempty"`
	Roles             []string       `json:"r,omitempty"`
	Claims            map[string]any `json:"c,omitempty"` // further claims by name, for header maps and rules; JSON values

	// What is known of the person's account. Methods leave them empty.
	Organisation string `json:"og,omitempty"` // the customer that the person belongs to
	Kind         string `json:"k,omitempty"`  // of account: "staff", "patient"

	ACR           string    `json:"a,omitempty"`  // how strongly they authenticated (OpenID Connect Core 2)
	AMR           []string  `json:"am,omitempty"` // by what means (RFC 8176)
	Authenticated time.Time `json:"t"`            // when they last proved who they are
	Until         time.Time `json:"x,omitzero"`   // until when the authorisation got at sign-in is current; zero: not said

	Renew time.Time `json:"rn,omitzero"` // when the method's Refresh is due; zero: never

	// SID names the issuer's own session that this sign-in belongs to, so that the
	// issuer can end it here (OpenID Connect Back-Channel Logout 1.0). May be empty.
	SID string `json:"o,omitempty"`

	// Private is what the method alone needs later (an ID token as logout hint,
	// a refresh token). It is sealed with the session and never forwarded.
	Private map[string]string `json:"z,omitempty"`
}

// Anonymous reports whether nobody has signed in.
func (id *Identity) Anonymous() bool { return id == nil || id.Issuer == "" || id.Subject == "" }
