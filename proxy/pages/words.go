package pages

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
)

// sheet is what the layout must know of a page.
type sheet struct {
	file    string // template, without ".html"
	heading string
	problem string // first words of the window's title
	posts   bool   // has a form
	script  bool   // continues by itself
	wide    bool   // a page of many details
	next    string // address that the browser goes on to by itself
	once    bool   // is not to be had again, or goes on by itself: no other language is offered
}

func (c Chooser) sheet(t *tongue, l *Look) sheet {
	s := sheet{file: "chooser", heading: signInTo(t, l), problem: c.Problem, posts: c.Resume != nil && c.Else != ""}
	if c.Form != nil {
		s.posts = true
		s.problem = cmp.Or(c.Form.Form.Problem, c.Problem)
	}
	return s
}

func (f FormPage) sheet(t *tongue, l *Look) sheet {
	heading := f.words(t).heading
	if heading == "" {
		heading = cmp.Or(plain(f.Title), signInTo(t, l))
	}
	return sheet{file: "formpage", heading: heading, problem: f.Form.Problem, posts: true, once: f.Form.Step == "recovery-codes"}
}

func (p PostForm) sheet(*tongue, *Look) sheet {
	s := sheet{file: "postform", heading: "One moment", posts: true, once: true}
	s.script = link(p.URL) != "#" // pressing a button that leads here again would never end
	return s
}

func (h Handshake) sheet(*tongue, *Look) sheet {
	return sheet{file: "handshake", heading: "One moment", next: link(h.Others), once: true}
}

func (KeptForm) sheet(*tongue, *Look) sheet {
	return sheet{file: "keptform", heading: "Your form was kept", posts: true}
}

func (p Problem) sheet(*tongue, *Look) sheet {
	return sheet{file: "problem", heading: cmp.Or(plain(p.Heading), "Something went wrong")}
}

func (SignOut) sheet(t *tongue, l *Look) sheet {
	if l.brand() == "" {
		return sheet{file: "signout", heading: "Sign out?", posts: true}
	}
	return sheet{file: "signout", heading: t.with("Sign out of {{.app}}?", "app", l.brand()), posts: true}
}

func (SignedOut) sheet(*tongue, *Look) sheet {
	return sheet{file: "signedout", heading: "You are signed out"}
}

func (LoopStop) sheet(*tongue, *Look) sheet {
	return sheet{file: "loopstop", heading: "We keep sending you round in circles"}
}

// stepWords are the words around one step of a form.
type stepWords struct {
	heading string // empty: the method's title
	Lead    string
	More    string // what helps if it does not go smoothly
	Button  string
}

// words are in the reader's language.
func (f FormPage) words(t *tongue) stepWords {
	w := f.english(t)
	return stepWords{t.say(w.heading), t.say(w.Lead), t.say(w.More), t.say(w.Button)}
}

func (f FormPage) english(t *tongue) stepWords {
	address := plain(f.Form.Facts["address"])
	switch f.Form.Step {
	case "password":
		w := stepWords{Button: "Sign in"}
		if address != "" {
			w.Lead = "The code was right. Now type your password too."
		}
		return w
	case "code":
		w := stepWords{heading: "Enter your code", Lead: "Type the code to finish signing in.", Button: "Continue"}
		if address != "" {
			w.Lead = t.with("If {{.address}} is known here, we have just sent a code to it.", "address", address)
			w.More = t.holds(f.Form.Facts["minutes"])
		}
		return w
	case "proof":
		w := stepWords{heading: "Is this your account?", Button: "Continue"}
		w.Lead = "You sign in here this way for the first time. We have sent a code to the address on your account: type it here, and you will not be asked again."
		if address != "" {
			w.Lead = t.with("You sign in here this way for the first time. We have sent a code to {{.address}}: type it here, and you will not be asked again.", "address", address)
		}
		w.More = t.holds(f.Form.Facts["minutes"])
		if f.Form.Facts["unsent"] != "" {
			w.Lead, w.More = "You sign in here this way for the first time. A code that is sent to the address on your account shows that it is yours.", ""
		}
		return w
	case "totp":
		return stepWords{heading: "Enter the code from your app", Button: "Continue",
			Lead: "Open the authenticator app on your phone and type the six digits that it shows for this site.",
			More: "A new code comes every 30 seconds, and each is good once."}
	case "totp-recovery":
		return stepWords{heading: "Use a recovery code", Button: "Continue",
			Lead: "Type one of the codes that you kept when you set up your app. Each is good once."}
	case "totp-begin":
		return stepWords{heading: "Set up an authenticator app", Button: "Begin",
			Lead: "An authenticator app on your phone shows a new code every 30 seconds. You will be asked for one when you sign in with your password, so that a stolen password alone is not enough.",
			More: "If you have no such app yet, install one now: Microsoft Authenticator, Google Authenticator, Aegis and many others will do."}
	case "enrol":
		return stepWords{heading: "Set up your authenticator app", Button: "Continue",
			Lead: "Open the authenticator app on your phone, add an account and scan this picture. Then type the code that the app shows.",
			More: "If you have no such app yet, install one first: Microsoft Authenticator, Google Authenticator, Aegis and many others will do."}
	case "recovery-codes":
		return stepWords{heading: "Keep your recovery codes", Button: "I have kept them",
			Lead: "If you ever lose your phone, one of these codes lets you in. Each is good once.",
			More: "Print this page or write them down, and keep them away from your phone. They are not shown again."}
	case "totp-change":
		return stepWords{heading: "Change your authenticator app", Button: "Make new recovery codes",
			Lead: "First type a code from your app, so that we know it is you. If you have lost it, a recovery code will do.",
			More: "New recovery codes replace the old ones. To change to another phone, remove the app here and set it up anew."}
	case "new-password":
		return stepWords{heading: "Change your password", Button: "Change it",
			Lead: "Choose a password of at least 12 characters that you use nowhere else. A few words in a row are easy to remember.",
			More: "You stay signed in here and are signed out everywhere else."}
	case "app-login":
		w := stepWords{heading: "Your name and password for this application", Button: "Keep them",
			Lead: "Type what you would type if the application asked you itself. Nobody is shown it again, and it is sent to this application alone.",
			More: "When your password there changes, change it here too."}
		if app := plain(f.Form.Facts["app"]); app != "" {
			w.heading = t.with("Your name and password for {{.app}}", "app", app)
		}
		return w
	case "emergency":
		return stepWords{heading: "Emergency access", Lead: "Use this only when no other way works. Each use is recorded, and people are told of it at once.", Button: "Sign in"}
	case "discover":
		return stepWords{heading: "Which is your e-mail address?", Lead: "It tells us where you sign in. We only look at what stands behind the @.", Button: "Continue"}
	case "organisation":
		w := stepWords{heading: "Which is your organisation?", Button: "Search", Lead: "Type a part of its name, then choose it."}
		if n, err := strconv.Atoi(f.Form.Facts["more"]); err == nil && n > 0 {
			w.More = t.counted("{{.count}} more fit. Type more of the name.", n)
		}
		return w
	case "email":
		return stepWords{heading: "Get a code by e-mail", Lead: "We will send a code to your e-mail address. You sign in with it.", Button: "Send the code"}
	default:
		return stepWords{Button: "Continue"}
	}
}

// holds says what helps to find a letter, and how long its code is good for where that
// is known.
func (t *tongue) holds(minutes string) string {
	said := []string{t.say("It can take a minute to arrive. Look among the unwanted mail (spam) too.")}
	if n, err := strconv.Atoi(minutes); err == nil && n > 0 {
		said = append(said, t.counted("The code holds for {{.count}} minutes.", n))
	}
	return strings.Join(said, " ")
}

func signInTo(t *tongue, l *Look) string {
	if l.brand() == "" {
		return "Sign in"
	}
	return t.with("Sign in to {{.app}}", "app", l.brand())
}

// link returns s if it is a path of this host or absolute https or http, and "#"
// otherwise. A backslash counts as a slash in browsers, so "/\host" leaves.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || strings.Contains(s, `\`) {
		return "#"
	}
	if strings.HasPrefix(s, "/") && u.Host == "" && !strings.HasPrefix(s, "//") {
		return s
	}
	if (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" {
		return s
	}
	return "#"
}
