package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"foregate/authn"
	"foregate/authn/accounts"
)

// badOrder is a request that cannot be carried out as it is.
type badOrder struct{ error }

// refused is a request that is not carried out, for the reason that its status says.
type refused struct {
	status int
	words  string
}

func (r *refused) Error() string { return r.words }

var errNoAccounts = &refused{http.StatusNotFound, "Foregate keeps no accounts here; give a method the section admit, or keep sessions in storage.path"}

// download is an answer that is not JSON, or too large to be held.
type download struct {
	kind  string // media type
	name  string // of a file; empty: shown
	write func(w io.Writer) error
}

// ErrorInfo is what the API answers instead.
type ErrorInfo struct {
	Error  string      `json:"error"`
	Faults []FaultInfo `json:"faults,omitempty"` // what is wrong with fields
	Rows   []RowInfo   `json:"rows,omitempty"`   // what is wrong with lines of a file
}

// FaultInfo is what is wrong with one field.
type FaultInfo struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

// RowInfo is what is wrong with one line of a file.
type RowInfo struct {
	Line    int    `json:"line"`
	Problem string `json:"problem"`
}

// answer is the one place where the API writes.
func (a *API) answer(w http.ResponseWriter, r *http.Request, do func() (any, error)) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Request-Id", requestID(r.Context()))
	v, err := do()
	if d, ok := v.(download); ok && err == nil {
		err = send(w, d)
		if err == nil {
			return
		}
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, v)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the peer may be gone
}

// send writes a download. An error before its first byte is answered as any other; later
// the connection breaks, so that nobody takes a part for the whole.
func send(w http.ResponseWriter, d download) error {
	out := &late{w: w, download: d}
	err := d.write(out)
	if err != nil && out.begun {
		panic(http.ErrAbortHandler)
	}
	if err == nil && !out.begun {
		out.begin()
	}
	return err
}

// late writes its header with the first byte.
type late struct {
	download
	w     http.ResponseWriter
	begun bool
}

func (l *late) begin() {
	l.begun = true
	l.w.Header().Set("Content-Type", l.kind)
	if l.name != "" {
		l.w.Header().Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
	}
	l.w.WriteHeader(http.StatusOK)
}

func (l *late) Write(p []byte) (int, error) {
	if !l.begun {
		l.begin()
	}
	return l.w.Write(p)
}

// Flush sends what was written.
func (l *late) Flush() error { return http.NewResponseController(l.w).Flush() }

// refuse answers with what is wrong. What the caller cannot help is logged.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, info := explain(err)
	var said *authn.Error
	if errors.As(err, &said) && said.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(said.RetryAfter.Seconds())))
	}
	switch {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="foregate"`)
	case status >= http.StatusInternalServerError:
		a.Log.Warn("operator's request failed", "request_id", requestID(r.Context()), "path", r.URL.Path, "err", err)
	}
	writeJSON(w, status, info)
}

// explain says what an error means to who asked.
func explain(err error) (int, ErrorInfo) {
	info := ErrorInfo{Error: err.Error()}
	info.collect(err)
	var (
		bad   badOrder
		no    *refused
		large *http.MaxBytesError
		said  *authn.Error
	)
	switch {
	case len(info.Rows) > 0:
		info.Error = "nothing was imported: the file has faults"
		return http.StatusUnprocessableEntity, info
	case len(info.Faults) > 0:
		info.Error = "nothing was changed: fields have faults"
		return http.StatusUnprocessableEntity, info
	case errors.As(err, &bad), errors.Is(err, accounts.ErrCursor):
		return http.StatusBadRequest, info
	case errors.As(err, &no):
		return no.status, info
	case errors.As(err, &large):
		info.Error = "the request is too large"
		return http.StatusRequestEntityTooLarge, info
	case errors.Is(err, errNobody):
		return http.StatusUnauthorized, info
	case errors.Is(err, accounts.ErrNotFound):
		info.Error = "there is none, or it is not for you to see"
		return http.StatusNotFound, info
	case errors.Is(err, accounts.ErrTaken):
		info.Error = "taken: the user name, external ID or identity is somebody else's, or the account has an identity of this method"
		return http.StatusConflict, info
	case errors.As(err, &said):
		info.Error = said.Public
		if said.Status == 0 {
			return http.StatusBadRequest, info
		}
		return said.Status, info
	}
	return http.StatusServiceUnavailable, info
}

// collect takes apart errors that were joined.
func (i *ErrorInfo) collect(err error) {
	var row *accounts.RowError
	if r, ok := err.(*accounts.RowError); ok { //nolint:errorlint // each is looked at, the outermost first
		row = r
	}
	switch e := err.(type) { //nolint:errorlint // likewise
	case *accounts.RowError:
		i.Rows = append(i.Rows, RowInfo{Line: row.Line, Problem: rowProblem(row.Err)})
	case *authn.Fault:
		i.Faults = append(i.Faults, FaultInfo{Field: e.Path, Problem: e.Problem, Remedy: e.Remedy})
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			i.collect(inner)
		}
	case interface{ Unwrap() error }:
		i.collect(e.Unwrap())
	}
}

func rowProblem(err error) string {
	if errors.Is(err, accounts.ErrTaken) {
		return "the user name or external ID is somebody else's"
	}
	return err.Error()
}
