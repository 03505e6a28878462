package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"foregate/authn"
)

// StatusOf returns the HTTP status that an error of forwarding stands for: 504
// when the application took too long, 502 when it cannot be reached or is not
// understood; 400, 408 or 413 when the client's own body was at fault; and what
// an *authn.Error says.
func StatusOf(err error) int {
	if status := describe(err).Status; status != 0 {
		return status
	}
	return http.StatusBadRequest // as authn.Error defines it
}

// transportFailed ends a request that ReverseProxy could not carry.
func (u *Upstream) transportFailed(w http.ResponseWriter, out *http.Request, err error) {
	p := passageOf(out.Context())
	if errors.Is(p.in.Context().Err(), context.Canceled) {
		// The client is gone, or may not go on. Returning would send an empty 200.
		panic(http.ErrAbortHandler)
	}
	u.fail(w, p, fmt.Errorf("upstream %q: %w", u.cfg.Name, err))
}

func (u *Upstream) fail(w http.ResponseWriter, p *passage, err error) {
	if p.trip.CloseAfter {
		w.Header().Set("Connection", "close")
	}
	u.cfg.OnError(w, p.in, describe(err))
}

const noAnswer = "The application does not answer at the moment. Wait a minute and try again. If it goes on, tell your IT desk."

// describe gives an error its words and its status.
func describe(err error) *authn.Error {
	var (
		known   *authn.Error
		tooBig  *http.MaxBytesError
		client  *bodyError
		timeout interface{ Timeout() bool }
	)
	slow := errors.As(err, &timeout) && timeout.Timeout()
	var connecting *net.OpError
	if errors.As(err, &connecting) && connecting.Op == "dial" {
		slow = false // nothing was sent that could have been saved
	}
	failed := func(status int, public string) *authn.Error {
		return &authn.Error{Public: public, Err: err, Status: status}
	}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooBig):
		return failed(http.StatusRequestEntityTooLarge, "What you sent is too large. Send less, or in several parts.")
	case errors.As(err, &client) && slow:
		return failed(http.StatusRequestTimeout, "What you sent took too long to arrive. Try again.")
	case errors.As(err, &client):
		return failed(http.StatusBadRequest, "What you sent did not arrive whole. Try again.")
	case slow:
		return failed(http.StatusGatewayTimeout,
			"The application takes too long to answer. Before you send anything again, check whether it was saved.")
	}
	return failed(http.StatusBadGateway, noAnswer)
}

func plainError(w http.ResponseWriter, _ *http.Request, err error) {
	status := StatusOf(err)
	http.Error(w, http.StatusText(status), status)
}
