package cookies

import "context"

// Person is somebody by the key of an identity, see authn.Identity.
type Person struct{ Issuer, Subject string }

// Of returns the sessions of these people, in no order: of one, as a rule, who signs in
// in several ways. One whose summary does not open is left out.
func (s *Sessions) Of(ctx context.Context, people ...Person) ([]Listed, error) {
	theirs := make(map[string]bool)
	for _, p := range people {
		if p.Issuer == "" || p.Subject == "" {
			continue // nobody has no sessions
		}
		keys, err := s.tagged(ctx, "person", p.Issuer, p.Subject)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			theirs[key] = true
		}
	}
	if len(theirs) == 0 {
		return []Listed{}, nil
	}
	return s.List(ctx, func(l Listed) bool { return theirs[l.Key] }, len(theirs))
}
