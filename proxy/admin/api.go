package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"foregate/authn/accounts"
)

// Parts are what the API needs of the running Foregate.
type Parts struct {
	Sessions Sessions
	Accounts *accounts.Accounts // nil: none are kept
	Guard    *Guard             // gives passes; nil: the socket asks for none
	Methods  func() []MethodState
	Logins   func() []string // applications that are sent people's own names and passwords; nil: none
	// Refresh compares accounts with the directory of a method now; nil: none are kept.
	// It tells how far it is; tell may be nil.
	Refresh func(ctx context.Context, method string, how RefreshOrder, tell func(RefreshProgress)) (accounts.Refreshed, error)
	// Try gives out links to try-outs; nil: nobody can try anything.
	Try Trier
	// Config is the configuration in force as YAML, with secrets masked.
	Config func() ([]byte, error)
	Log    *slog.Logger
	Level  *LogLevel // of Log; nil: it stays as it is
	Faults *Faults   // that people may ask about; nil: none are remembered
}

const (
	apiTime  = 10 * time.Minute // all sessions of a large store may have to end, one by one
	bodyTime = time.Minute      // for a request that is no file to arrive
	maxOrder = 256 << 10        // bytes of a request that is no file
	maxFile  = 64 << 20
)

// API is the operator's API below /api/v1, see routes. Who asks is for the caller of For
// to say: on the socket its owner, on the admin listener whom the Guard knows.
type API struct {
	Parts
	describe func() ([]byte, error) // the OpenAPI description
	closing  context.Context        // ends what goes on until the client leaves
	close    context.CancelFunc
	streams  chan struct{}
	pace     time.Duration // of following the audit trail
}

// NewAPI returns an API.
func NewAPI(p Parts) *API {
	a := &API{Parts: p, streams: make(chan struct{}, maxStreams), pace: time.Second, describe: describe()}
	a.closing, a.close = context.WithCancel(context.Background())
	return a
}

// Close ends the answers that would go on for as long as the client listens.
func (a *API) Close() { a.close() }

// For returns the API for those whom who knows.
func (a *API) For(who func(*http.Request) (Who, error)) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.HandleFunc(rt.method+" "+base+rt.path, func(w http.ResponseWriter, r *http.Request) {
			r = numbered(r)
			if !rt.endless {
				ctx, cancel := context.WithTimeout(r.Context(), apiTime)
				defer cancel() // after the answer is written: a file is read as it is sent
				r = r.WithContext(ctx)
			}
			a.answer(w, r, func() (any, error) { return a.carryOut(w, r, rt, who) })
		})
	}
	return mux
}

// call is one request of somebody who may make it.
type call struct {
	*http.Request
	who   Who
	still func() bool // whether it is still whose it was
}

func (a *API) carryOut(w http.ResponseWriter, r *http.Request, rt *route, who func(*http.Request) (Who, error)) (any, error) {
	asks, err := who(r)
	if err != nil && !rt.open {
		return nil, err
	}
	if err := permit(rt, asks); err != nil {
		return nil, err
	}
	if rt.people && a.Accounts == nil {
		return nil, errNoAccounts
	}
	if err := rightKind(r, rt); err != nil {
		return nil, err
	}
	if err := takeBody(w, r, rt); err != nil {
		return nil, err
	}
	still := func() bool {
		now, err := who(r)
		return err == nil && now == asks
	}
	return rt.do(a, &call{Request: r, who: asks, still: still})
}

// takeBody reads what is no file before anything is done: a client that sends slowly
// holds nothing but its connection, and that for a minute.
func takeBody(w http.ResponseWriter, r *http.Request, rt *route) error {
	if rt.file {
		r.Body = http.MaxBytesReader(w, r.Body, maxFile)
		return nil
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyTime)) // what has no deadline is a test
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case err != nil:
		return &refused{http.StatusRequestTimeout, "the request did not arrive whole"}
	}
	_ = conn.SetReadDeadline(time.Time{}) // or the answer would end with it
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return nil
}

// rightKind refuses what a form of another site could send without asking: text, form
// fields, files (Fetch, section 2.2.2, "CORS-safelisted request-header").
func rightKind(r *http.Request, rt *route) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		return nil
	}
	want := "application/json"
	if rt.file {
		want = "text/csv"
	}
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		return &refused{http.StatusUnsupportedMediaType, "send it with Content-Type: " + want}
	}
	return nil
}

// read reads the body into v; an empty one is an empty object.
func (c *call) read(v any) error {
	d := json.NewDecoder(c.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("there is more behind it")
	}
	if err == nil || c.ContentLength == 0 {
		return nil
	}
	return badOrder{errors.New("read the request: " + err.Error())}
}

// context is on whose behalf the call changes something.
func (c *call) context() accounts.Context { return c.who.Context(c.Request) }
