package admin

import (
	"net/http"
	"sync"
	"time"
)

// keptFaults is how many requests that were not served are remembered. A stranger who
// makes more pushes the older ones out; the log has them all.
const keptFaults = 4096

// Fault is a request that was not served, as somebody with its support code asks.
type Fault struct {
	Code   string    `json:"code"`
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Shown  string    `json:"shown,omitempty"` // to the person
	Reason string    `json:"reason"`          // as in the log
	Rule   int       `json:"rule,omitempty"`  // of the app, from 1, that refused
	Method string    `json:"method"`          // of HTTP
	Host   string    `json:"host"`
	Path   string    `json:"path"`
	App    string    `json:"app,omitempty"`
	User   string    `json:"user,omitempty"`
	Client string    `json:"client"`
}

// Faults are the last requests that were not served. The zero value is ready; nil
// keeps nothing.
type Faults struct {
	mu     sync.Mutex
	kept   []Fault
	next   int
	byCode map[string]int
}

// Add remembers one.
func (f *Faults) Add(fault Fault) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byCode == nil {
		f.byCode = make(map[string]int)
	}
	if len(f.kept) < keptFaults {
		f.kept = append(f.kept, Fault{})
	}
	if old := f.kept[f.next].Code; f.byCode[old] == f.next {
		delete(f.byCode, old)
	}
	f.kept[f.next] = fault
	f.byCode[fault.Code] = f.next
	f.next = (f.next + 1) % keptFaults
}

// Find returns the one with a support code.
func (f *Faults) Find(code string) (Fault, bool) {
	if f == nil {
		return Fault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := f.byCode[code]
	if !ok {
		return Fault{}, false
	}
	return f.kept[i], true
}

func showFault(a *API, c *call) (any, error) {
	fault, ok := a.Faults.Find(c.PathValue("code"))
	if !ok {
		return nil, &refused{http.StatusNotFound, "nothing is remembered of this code: it is of another Foregate, from before its start, or many others came since. Search for it in the log, as request_id"}
	}
	return fault, nil
}
