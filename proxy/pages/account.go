package pages

import "time"

// Account is the person's own page. The buttons send FieldSession with a Session's ID,
// or FieldOthers with "1", to Sessions.
type Account struct {
	Done    string // what was just done; may be empty
	Problem string // what did not work; may be empty
	Facts   []Fact // who the person is here
	Now     time.Time

	Sessions    []Session // the first is this one
	More        int       // sessions that are not shown
	SessionsURL string    // where their buttons post to

	Identities []Identity // by which the account can be entered; may be empty
	Factors    []Factor   // what the person can change; may be empty
	Login      *Login     // their own name and password for the application; nil: nothing of it is said

	Home    string // the application's start page
	SignOut string
}

// Names of what the buttons of Account send.
const (
	FieldSession = "session"
	FieldOthers  = "others"
)

// Fact is one thing that is known of a person. What of it is there is said in this
// order, with commas.
type Fact struct {
	Label string
	Words []string  // each one of ours
	Value string    // as it is
	Since time.Time // said as "2 hours ago", with the date
	Until time.Time // said as a date
	More  int       // how much there is besides
}

// Session is one browser in which the person is signed in.
type Session struct {
	ID    string
	Where string    // the application's name for people; empty: another application
	Since time.Time // zero: nobody knows
	From  string    // an address; may be empty
	This  bool      // the browser that asks
}

// Identity is a way by which the person comes to the account.
type Identity struct {
	Title string    // of the method
	Note  string    // who they are there; may be empty
	Used  time.Time // zero: never
}

// Factor is a password or an authenticator app.
type Factor struct {
	Title  string
	Note   string // whether it is set up
	Codes  int    // recovery codes that are left, said in place of Note; 0 is none of it
	Action string // words of the link
	URL    string
}

// Login is a person's own name and password for the application, which nobody is shown.
type Login struct {
	Kept    bool
	Changed time.Time // when they were entered
	URL     string    // of the form
}

// sheet does not say that it posts: no other site ever answers these forms.
func (a Account) sheet(*tongue, *Look) sheet {
	return sheet{file: "account", heading: "Your account", problem: a.Problem}
}
