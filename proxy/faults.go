package proxy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
	"foregate/proxy/admin"
)

// ruledOut says which rule of an app refused somebody: an index, -1 for none.
type ruledOut struct {
	rule   int
	reason string
}

func (e *ruledOut) Error() string { return e.reason }

// remember keeps what a support code stands for, so that whoever is asked about it need
// not search logs. Texts of strangers are cut: there may be many.
func (s *Server) remember(x *exchange, r *http.Request, status int, shown string, err error) {
	if s.Faults == nil {
		return
	}
	f := admin.Fault{
		Code: strings.Clone(x.id), // it lies within many others
		At:   time.Now().UTC(), Status: status, Shown: shown, Reason: authn.CutControl(err.Error(), 400),
		Method: authn.CutControl(r.Method, 32), Host: authn.CutControl(r.Host, 100), Path: authn.CutControl(r.URL.Path, 200),
		App: x.appName(), User: strings.Clone(x.user()), Client: x.peer,
	}
	var rule *ruledOut
	if errors.As(err, &rule) {
		f.Rule = rule.rule + 1
	}
	s.Faults.Add(f)
}
