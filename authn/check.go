package authn

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// Checker is a MethodConfig whose other side can be looked at before anybody
// signs in. It is asked after Validate.
type Checker interface{ Checks() []Check }

// Check looks at one thing outside of Foregate. Look ends with ctx, changes
// nothing over there, and sends a password only to a server that has proved who
// it is.
type Check struct {
	Target string // what is looked at, for people: an address
	Look   func(ctx context.Context, w *Witness) Finding
}

// Finding is what a Check found. The zero value is that all is well.
type Finding struct {
	Detail  string // what is there, in a few words
	Warning string // what will not do for long, or not everywhere
	Err     error  // why it cannot be used
	Remedy  string // what to do about Warning or Err; empty where the kind of error says it
}

// Witness notes what the other side tells by the way: its clock, and when its
// certificate ends. It may be used concurrently.
type Witness struct {
	mu     sync.Mutex
	offset time.Duration
	heard  bool
	ends   time.Time
}

// Transport is next, with what it is told noted.
func (w *Witness) Transport(next http.RoundTripper) http.RoundTripper { return witnessed{w, next} }

type witnessed struct {
	w    *Witness
	next http.RoundTripper
}

func (t witnessed) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := time.Now()
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.TLS != nil {
		t.w.Certificate(*resp.TLS)
	}
	// A Date is cut to the second, so half of one is added. An answer from a cache
	// is as old as it says (RFC 9111, section 5.1).
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && resp.Header.Get("Age") == "" {
		t.w.Clock(date.Add(time.Second/2), asked)
	}
	return resp, nil
}

// Clock notes the time over there, which was asked for at asked and has come now.
func (w *Witness) Clock(there, asked time.Time) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset, w.heard = there.Sub(asked.Add(now.Sub(asked)/2)), true
}

// Offset is how far the clock over there is before ours, and whether it was told.
func (w *Witness) Offset() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.offset, w.heard
}

// Certificate notes when the certificate that was shown ends. Those above it are the
// authority's to renew, and an old root is often sent along for old clients.
func (w *Witness) Certificate(s tls.ConnectionState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(s.PeerCertificates) == 0 {
		return
	}
	if end := s.PeerCertificates[0].NotAfter; w.ends.IsZero() || end.Before(w.ends) {
		w.ends = end
	}
}

// TLS is a copy of cfg that notes the certificate of each connection that it accepts.
func (w *Witness) TLS(cfg *tls.Config) *tls.Config {
	noted := cmp.Or(cfg, &tls.Config{MinVersion: tls.VersionTLS12}).Clone()
	before := noted.VerifyConnection
	noted.VerifyConnection = func(s tls.ConnectionState) error {
		if before != nil {
			if err := before(s); err != nil {
				return err
			}
		}
		w.Certificate(s)
		return nil
	}
	return noted
}

// Ends is when a certificate that was shown ends first; zero if none was.
func (w *Witness) Ends() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends
}
