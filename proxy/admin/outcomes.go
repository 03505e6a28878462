package admin

import (
	"maps"
	"sync"
	"time"

	"foregate/authn"
)

// outcomes are how sign-ins ended in this process, by method, and why one failed last.
type outcomes struct {
	mu sync.Mutex
	of map[string]*outcome
}

type outcome struct {
	results map[string]int
	words   string
	at      time.Time
}

const faultSize = 512 // bytes of an error that is shown

// method returns the outcomes of one; o.mu is held.
func (o *outcomes) method(name string) *outcome {
	if o.of == nil {
		o.of = make(map[string]*outcome)
	}
	if o.of[name] == nil {
		o.of[name] = &outcome{results: make(map[string]int)}
	}
	return o.of[name]
}

// SignIn counts one outcome of a method.
func (m *Metrics) SignIn(method, result string) {
	m.signIns.WithLabelValues(method, result).Inc()
	m.outcomes.mu.Lock()
	defer m.outcomes.mu.Unlock()
	m.outcomes.method(method).results[result]++
}

// SignInFailed counts a sign-in that did not come to its end, as failed or unavailable,
// and remembers why.
func (m *Metrics) SignInFailed(method, result string, err error) {
	m.SignIn(method, result)
	m.outcomes.mu.Lock()
	defer m.outcomes.mu.Unlock()
	o := m.outcomes.method(method)
	o.words, o.at = authn.CutControl(err.Error(), faultSize), time.Now().UTC()
}

// State adds to a method's state what was counted, and the last error.
func (m *Metrics) State(s *MethodState) {
	m.outcomes.mu.Lock()
	defer m.outcomes.mu.Unlock()
	o := m.outcomes.method(s.Name)
	s.SignIns, s.LastError, s.LastFault = maps.Clone(o.results), o.words, o.at
}
