package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

const (
	contentType = "application/scim+json"
	retryLater  = 5 * time.Second
)

// answer is what a request is answered with.
type answer struct {
	status   int
	body     any    // nil: none
	location string // of what was made
	version  string // entity tag
}

func (a answer) write(w http.ResponseWriter) error {
	head := w.Header()
	plainHeaders(head)
	if a.location != "" {
		head.Set("Location", a.location)
	}
	if a.version != "" {
		head.Set("ETag", a.version)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return nil
	}
	data, err := json.Marshal(a.body)
	if err != nil {
		return refuse(w, fmt.Errorf("scim: write answer: %w", err))
	}
	head.Set("Content-Type", contentType)
	head.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(a.status)
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("scim: write answer: %w", err)
	}
	return nil
}

func plainHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// problem is a request that was not carried out (RFC 7644, section 3.12).
type problem struct {
	status int
	kind   string // scimType, may be empty
	detail string // for the provider's administrators, who find it in its log
	retry  time.Duration
	err    error // for our log, may be nil
}

func (p *problem) Error() string {
	text := "scim: " + p.detail
	if p.err != nil {
		text += ": " + p.err.Error()
	}
	return text
}

func (p *problem) Unwrap() error { return p.err }

func notFound() *problem {
	return &problem{status: http.StatusNotFound, detail: "There is no such resource."}
}

// wrong is a request that can never be carried out (400).
func wrong(kind, detail string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, kind: kind, detail: authn.CutControl(fmt.Sprintf(detail, args...), 512)}
}

// The scimType of section 3.12.
const (
	invalidFilter = "invalidFilter"
	tooMany       = "tooMany"
	uniqueness    = "uniqueness"
	mutability    = "mutability"
	invalidSyntax = "invalidSyntax"
	invalidPath   = "invalidPath"
	noTarget      = "noTarget"
	invalidValue  = "invalidValue"
)

// problemOf gives what accounts say its place in the protocol.
func problemOf(err error) *problem {
	var (
		p     *problem
		fault *authn.Fault
		large *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, accounts.ErrNotFound):
		return notFound()
	case errors.Is(err, accounts.ErrTaken):
		return &problem{status: http.StatusConflict, kind: uniqueness, detail: "The name or externalId is taken.", err: err}
	case errors.As(err, &fault):
		return wrong(invalidValue, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	case errors.As(err, &large):
		return &problem{status: http.StatusRequestEntityTooLarge, detail: "The body is larger than 1 MiB; send less at once.", err: err}
	}
	return &problem{status: http.StatusServiceUnavailable, detail: "This cannot be done right now. Try again in a moment.", retry: retryLater, err: err}
}

// refuse writes an error and returns it for the log.
func refuse(w http.ResponseWriter, err error) error {
	p := problemOf(err)
	body := map[string]any{"schemas": []string{errorSchema}, "status": strconv.Itoa(p.status), "detail": p.detail}
	if p.kind != "" {
		body["scimType"] = p.kind
	}
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="scim"`)
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.retry.Seconds())))
	}
	return errors.Join(p, answer{status: p.status, body: body}.write(w))
}
