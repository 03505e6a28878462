package pages

import "foregate/authn"

// FieldTicket is what the button of TryStart sends.
const FieldTicket = "ticket"

// TryStart offers to try a way to sign in, by which nobody signs in.
type TryStart struct {
	Title  string // of the method
	Action string
	Ticket string
}

// TryOut shows an administrator what came of it. It is a page for those who set up
// Foregate: the words are those of its configuration.
type TryOut struct {
	Title string // of the method
	App   string // its name for people; may be empty
	Code  string // support code

	LetIn string // who would be let in, as the application is told; empty: nobody
	Told  string // what people would read instead
	Why   string // and the reason, as the log has it

	Checked []authn.Noted // what was verified, and with what
	Sent    []authn.Noted // what the provider said
	Made    []authn.Made  // what became of it
	Missing []string      // what was looked for in vain
	Person  []Fact        // who the person is
	Account string        // what becomes of their account; may be empty
	Roles   []string      // in the application
	Rules   []TryRule     // of the application, in their order
	Headers []TryHeader   // what it is told
}

// TryRule is what one rule decides about the person, on the paths that it is about.
type TryRule struct{ Text, Verdict, Reason string }

// TryHeader is one header for the application.
type TryHeader struct {
	Name  string
	Value string // empty for what is not shown
	Claim string // what it is filled from; empty for a fixed value
	None  bool   // it is not sent
}

func (t TryStart) sheet(*tongue, *Look) sheet {
	return sheet{file: "trystart", heading: "Try “" + short(t.Title) + "”", posts: true}
}

func (t TryOut) sheet(*tongue, *Look) sheet {
	s := sheet{file: "tryout", heading: "It works", wide: true}
	if t.LetIn == "" {
		s.heading = "It does not work yet"
	}
	return s
}
