package upstream

import "foregate/authn"

// Sent is one header that tells an application who is asking.
type Sent struct {
	Name  string `json:"name"`
	Value string `json:"value"`           // as it is sent; empty for what is not shown
	Claim string `json:"claim,omitempty"` // what it is filled from; empty for a fixed value
	None  bool   `json:"none,omitempty"`  // the claim has no value: the header is not sent
}

// Preview is what the application would be told about id, by name, for a person who sets
// it up. A fixed value is often a secret of the application's, and an assertion lets
// its holder in: neither is shown.
func (u *Upstream) Preview(id *authn.Identity) []Sent {
	var all []Sent
	if id.Anonymous() {
		return all
	}
	for _, h := range u.headers {
		s := Sent{Name: h.name, Claim: h.source.Claim}
		if s.Claim != "" {
			s.Value = h.source.read(id)
			s.None = s.Value == ""
		}
		all = append(all, s)
	}
	if u.cfg.Assertion {
		all = append(all, Sent{Name: AssertionHeader})
	}
	return all
}
