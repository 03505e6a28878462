package pages

import "foregate/authn"

// Names of the hidden fields that a form sends back beside its own.
const (
	FieldAttempt = "attempt" // FormPage.Attempt
	FieldReturn  = "rd"      // FormPage.Return

	FieldEverywhere = "everywhere" // SignOut.Everywhere, if its button was pressed
	FieldElse       = "else"       // SignOut.Else or Chooser.Else, if its button was pressed
)

// Reader is whom a page is for. The zero value reads English.
type Reader struct {
	Language string // as Pages.Language returns it
	Choose   string // address that, with a tag behind it, shows the page in that language; may be empty
}

// Page is what to tell somebody: Chooser, FormPage, PostForm, Handshake, KeptForm, Problem,
// Account, SignOut, SignedOut, LoopStop, TryStart
// or TryOut. Every text in it may come from a stranger. An address
// that is neither a path of this host ("/…") nor absolute https or http becomes
// "#". Sentences are in English, and are said in the reader's language where a
// catalogue has them.
type Page interface {
	sheet(*tongue, *Look) sheet
}

// Chooser offers the ways to sign in, in the order given.
type Chooser struct {
	Resume  *Choice // back into the session that was there, without signing in; may be nil
	Else    string  // where who is not the person of Resume posts FieldElse with "1" to; may be empty
	Choices []Choice
	Problem string    // why the person is here again; may be empty
	Form    *FormPage // the one method with a form, shown below the choices; may be nil
	Others  *Choice   // a link to further ways, without a note; may be nil
}

// Choice is one button of a Chooser.
type Choice struct {
	Title string // "Sign in with Microsoft"
	URL   string
	Note  string // why it may not work now: "cannot be reached at the moment"; may be empty
}

// FormPage asks for something and posts the answer to Action.
type FormPage struct {
	Title   string     // of the method; empty: general words
	Action  string     //
	Attempt string     // sent back as FieldAttempt, if not empty
	Return  string     // sent back as FieldReturn, if not empty
	Form    authn.Form // its Step picks the words: "password", "code", "email", …; any other: general words
	Others  string     // address of the other ways to sign in; may be empty
	Back    string     // address of the person's own page; may be empty
}

// PostForm takes the browser elsewhere with a form post, behind a button.
// Where scripts run it presses itself.
type PostForm struct {
	URL    string            // absolute
	Fields map[string]string //
	To     string            // where it leads, for people: "Microsoft"; may be empty
}

// Handshake is what a browser shows that cannot answer a challenge. It goes on to
// Others by itself.
type Handshake struct {
	Others string // address of the other ways to sign in
}

// KeptForm offers to send a form that met an ended session. Its button posts Field
// with Value to Action, the other one posts to Discard.
type KeptForm struct {
	Action  string
	Field   string
	Value   string
	Discard string
}

// Problem says what went wrong and what to do next.
type Problem struct {
	Heading   string // empty: general words
	Message   string
	Next      string // what the person can do; may be empty
	Action    string // words of the button; shown if ActionURL is there too
	ActionURL string
	Code      string // support code; may be empty
}

// SignOut asks whether to sign out. Only the button's POST does it.
type SignOut struct {
	Action string
	User   string // who is signed in, for people; may be empty
	Stay   string // address of "Stay signed in"; may be empty

	// Everywhere offers to sign out on all devices too: the button sends
	// FieldEverywhere with "1".
	Everywhere bool

	// Else offers to sign in as somebody else: the button sends FieldElse with "1".
	Else bool
}

// SignedOut says that it is done.
type SignedOut struct {
	SignIn string // address to sign in again; may be empty
	Note   string // what else to know: still signed in at the provider; may be empty
}

// LoopStop ends a circle of redirects: signed in again and again, and each time
// without a session afterwards.
type LoopStop struct {
	Again   string // address to try once more; may be empty
	Code    string // support code; may be empty
	Partner string // whose own page the person was sent to and back from; may be empty
}
