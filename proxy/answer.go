package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"foregate/authn"
	"foregate/proxy/pages"
)

// storeRetry is what a client is told to wait when a store does not answer.
const storeRetry = 5 * time.Second

// refusal is a request that is wrong in itself: no person's doing, so a status
// and a few words are enough.
type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// answer is the one place where an error becomes a response and a line in the
// log. What the person reads says what to do; the reason is in the log under the
// support code.
func (s *Server) answer(x *exchange, r *http.Request, err error) {
	page := pages.Problem{Code: x.id}
	status := http.StatusInternalServerError
	var known *authn.Error
	var wrong *refusal
	switch {
	case errors.As(err, &wrong):
		status = wrong.status
		page.Heading, page.Message = refusalWords(status)
	case errors.As(err, &known):
		status = known.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		page.Heading, page.Message = headingOf(status), known.Public
		if untimely := (*authn.Untimely)(nil); errors.As(err, &untimely) {
			page.Heading = "That came too late"
			if untimely.Early {
				page.Heading = "Two clocks differ"
			}
		}
		if known.RetryAfter > 0 {
			x.Header().Set("Retry-After", strconv.Itoa(int(known.RetryAfter.Seconds()+0.999)))
		}
	default:
		page.Heading = "Something went wrong"
		page.Message = "This is our fault, not yours. Try again in a moment; if it happens again, give the code below to the people who look after this application."
	}
	s.logFault(x, r, status, err)
	s.remember(x, r, status, page.Message, err)
	if x.status != 0 {
		return // the answer has begun: nothing can be added to it
	}
	if !isPage(r) {
		pages.JSON(x, status, map[string]string{"error": http.StatusText(status), "message": page.Message, "code": x.id})
		return
	}
	if own, found := s.loginPage(x, err); found {
		page = own
	} else {
		s.addWayOut(x, r, status, err, &page)
	}
	s.show(x, status, page)
}

// addWayOut offers the one thing that may help.
func (s *Server) addWayOut(x *exchange, r *http.Request, status int, err error, page *pages.Problem) {
	if x.app == nil {
		return
	}
	var other *otherWay
	switch {
	case errors.As(err, &other):
		page.Action, page.ActionURL = other.title, other.address
	case x.again != "":
		page.Action, page.ActionURL = "Back to signing in", x.again
	case status == http.StatusForbidden && !x.who.Anonymous():
		page.Action, page.ActionURL = "Sign in as somebody else", s.Prefix+"/sign-out"
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout || status == http.StatusServiceUnavailable && !below(r.URL.Path, s.Prefix):
		page.Action, page.ActionURL = "Try again", r.URL.RequestURI()
	case below(r.URL.Path, s.accountURL("")) && !x.who.Anonymous():
		page.Action, page.ActionURL = "Back to my account", s.accountURL("")
	case below(r.URL.Path, s.Prefix):
		page.Action, page.ActionURL = "Back to signing in", s.Prefix+"/sign-in?choose=1"
	}
}

// show answers with a page in the language of whoever asks. It is the one place that
// does.
func (s *Server) show(x *exchange, status int, page pages.Page) {
	look := x.look()
	if err := s.Pages.Write(x, status, s.reader(x, look), look, page); err != nil {
		s.Log.Error("page not as it should be", "request_id", x.id, "app", x.appName(), "reason", err.Error())
	}
}

func (x *exchange) look() *pages.Look {
	if x.app == nil {
		return &pages.Look{}
	}
	return &x.app.Look
}

func (s *Server) logFault(x *exchange, r *http.Request, status int, err error) {
	log := s.Log.Info
	if status >= 500 && status != http.StatusServiceUnavailable {
		log = s.Log.Error
	}
	log("request not served", "request_id", x.id, "status", status, "reason", authn.CutControl(err.Error(), 2048),
		"method", authn.CutControl(r.Method, 32), "host", authn.CutControl(r.Host, 255), "path", authn.CutControl(r.URL.Path, 1024),
		"app", x.appName(), "user", x.user(), "client", x.peer)
}

func headingOf(status int) string {
	switch {
	case status == http.StatusForbidden:
		return "You may not open this"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return "Please try again in a moment"
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return "The application does not answer"
	}
	return "That did not work"
}

// UpstreamFailed answers for an application that did not. It is what
// upstream.Config.OnError is set to.
func (s *Server) UpstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	x, ok := w.(*exchange)
	if !ok {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	s.answer(x, r, err)
}

func refusalWords(status int) (heading, message string) {
	switch status {
	case http.StatusMisdirectedRequest:
		return "Nothing is set up at this address", "Check the address in your browser, or ask the people who gave it to you."
	case http.StatusNotFound:
		return "There is no such page", "Check the address in your browser, or go back to where you came from."
	case http.StatusMethodNotAllowed:
		return "That is not possible here", "Go back to where you came from and try again."
	case http.StatusRequestURITooLong:
		return "This address is too long", "Go back to where you came from and use a shorter link."
	case http.StatusRequestEntityTooLarge:
		return "That was too much at once", "Go back and send less."
	case http.StatusForbidden:
		return "That came from another site", "For your safety it was not accepted. Open the page itself and try again."
	case http.StatusInternalServerError:
		return "Something went wrong", "This is our fault, not yours. Try again in a moment."
	}
	return "This address cannot be opened", "Something in it cannot be read safely. Check the address in your browser, or go back to where you came from."
}
