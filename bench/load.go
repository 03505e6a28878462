package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// order tells the load generator what to do. It is read from standard input, so
// that no cookie shows in the list of processes.
type order struct {
	Kind     string        // "page", "events", "upload", "download", "sign-in", "rush", "handshake" or "sockets"
	Addr     string        // host:port to dial
	Host     string        // Host header
	Path     string        // path and query
	Queries  []string      // page: added to Path, each in one request; none: Path alone
	Bodies   []string      // page: forms that are posted in place of a GET, each in one request
	Lines    string        // page: further header lines, each with its CR LF
	Cookies  []string      // Cookie headers, used in turn; none: the header is absent
	Conns    int           // connections at once
	For      time.Duration // how long, the warm-up included
	Most     int64         // sign-in, page: stop after so many; 0: only For counts
	Status   int           // the only status that is right
	Size     int64         // page: bytes of a right body, -1 for any; upload, download: bytes to carry
	User     string        // sign-in: what is put into the form; rush: with %d, of whom there are People
	People   int           // rush
	Password string        //
	Root     string        // handshake: PEM certificate to trust; Host is the name that is asked for
	Resume   bool          // handshake: by the ticket of a first one
}

// outcome is what the load generator answers on standard output.
type outcome struct {
	Done     int64         // completed requests, events, transfers or sign-ins, the warm-up included
	Seconds  float64       // how long that took
	Rate     float64       // per second, without the warm-up
	P50, P99 time.Duration // of one request, or the delay of one event; without the warm-up
	Reopened int64         // connections that the server closed between two requests
	Cookies  []string      // sign-in: one Cookie header for each session
	Wrong    int64         // rush: who was let in as somebody else, or with a wrong password
	Busy     int64         // rush: who was told to try again
}

// warmUp is the part of a run in which latencies are not counted: connections
// are opened then, and a Go proxy starts its goroutines.
func (o *order) warmUp() time.Duration { return o.For / 10 }

func loadRole(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("load: reading the order: %w", err)
	}
	res, err := o.carryOut(ctx)
	if err != nil {
		return fmt.Errorf("load: %s %s%s: %w", o.Kind, o.Host, o.Path, err)
	}
	return json.NewEncoder(out).Encode(res)
}

func (o *order) carryOut(ctx context.Context) (outcome, error) {
	switch o.Kind {
	case "page":
		return pages(ctx, o)
	case "events":
		return events(ctx, o)
	case "upload":
		return upload(ctx, o)
	case "download":
		return download(ctx, o)
	case "sign-in":
		return signIns(ctx, o)
	case "rush":
		return rush(ctx, o)
	case "sockets":
		return sockets(ctx, o)
	case "handshake":
		return handshakes(ctx, o)
	}
	return outcome{}, fmt.Errorf("no such kind of load")
}
