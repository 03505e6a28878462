package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"foregate/authn/accounts"
)

// listen follows the trail over a real connection.
func (w *world) listen(who Who, query string) (*bufio.Scanner, *http.Response) {
	w.t.Helper()
	srv := httptest.NewServer(w.api.For(func(*http.Request) (Who, error) { return who, nil }))
	w.t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	w.t.Cleanup(cancel) // before the server waits for its connections
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+base+"/audit/stream"+query, nil)
	try(w.t, err)
	resp, err := srv.Client().Do(r)
	try(w.t, err)
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewScanner(resp.Body), resp
}

func next(t *testing.T, lines *bufio.Scanner) accounts.Event {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("the stream has ended: %v", lines.Err())
	}
	var e accounts.Event
	if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
		t.Fatalf("%v: %s", err, lines.Bytes())
	}
	return e
}

func TestTrailIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.api.pace = time.Millisecond
	all, resp := w.listen(owner, "?last=1")
	one, _ := w.listen(deskOfOne, "")
	if e := next(t, all); e.Account != w.stranger.ID || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("first %+v, %v", e, resp.Header)
	}
	for _, id := range []string{w.alice.ID, w.stranger.ID, w.bob.ID} {
		try(t, w.accounts.Disable(t.Context(), accounts.Context{Actor: "test"}, id))
	}
	for _, id := range []string{w.alice.ID, w.stranger.ID, w.bob.ID} {
		if e := next(t, all); e.Account != id || e.Action != "disable" {
			t.Errorf("got %+v, want %s disabled", e, id)
		}
	}
	if e := next(t, one); e.Account != w.bob.ID {
		t.Errorf("the desk of one organisation is told of %+v", e)
	}
	try(t, w.accounts.Enable(t.Context(), accounts.Context{Actor: "test"}, w.bob.ID))
	for _, lines := range []*bufio.Scanner{all, one} {
		if e := next(t, lines); e.Action != "enable" {
			t.Errorf("got %+v once more", e)
		}
	}
	w.api.Close()
	if all.Scan() || all.Err() != nil {
		t.Errorf("goes on after the end: %s, %v", all.Bytes(), all.Err())
	}
}

// TestTrailIsFollowedWhereLinesCommitLate: a replica may commit a line after another has
// committed one with a greater ID.
func TestTrailIsFollowedWhereLinesCommitLate(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest("GET", "/", nil)
	c := &call{Request: r, who: owner}
	told := tail{seen: make(map[int64]bool)}
	out := httptest.NewRecorder()
	try(t, told.begin(w.api, c, accounts.Filter{}, 0, out))
	late := w.create(accounts.Account{Username: "late"})
	w.create(accounts.Account{Username: "early"})
	newest, err := w.accounts.Audit.List(t.Context(), accounts.Filter{Limit: 2})
	try(t, err)
	told.newest, told.seen[newest[0].ID] = newest[0].ID, true // as if it had been read before the other was there
	try(t, told.more(w.api, c, accounts.Filter{}, out))
	try(t, told.more(w.api, c, accounts.Filter{}, out))
	var e accounts.Event
	d := json.NewDecoder(out.Body)
	if err := d.Decode(&e); err != nil || e.Account != late.ID || d.More() {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestTrailIsFollowedInItsOrder, also where several lines have come since the last look.
func TestTrailIsFollowedInItsOrder(t *testing.T) {
	w := newWorld(t)
	c := &call{Request: httptest.NewRequest("GET", "/", nil), who: owner}
	for _, lines := range []int{5, 2 * maxLimit} { // a young trail, and an old one
		told := tail{seen: make(map[int64]bool)}
		out := httptest.NewRecorder()
		try(t, told.begin(w.api, c, accounts.Filter{}, 0, out))
		for range lines {
			try(t, w.accounts.Audit.Append(t.Context(), accounts.Event{Actor: "x", Action: "sign_in", Result: "admitted"}))
		}
		try(t, told.more(w.api, c, accounts.Filter{}, out))
		d := json.NewDecoder(out.Body)
		n, last := 0, int64(0)
		for d.More() {
			var e accounts.Event
			try(t, d.Decode(&e))
			if e.ID <= last {
				t.Fatalf("line %d after %d", e.ID, last)
			}
			n, last = n+1, e.ID
		}
		if n != lines {
			t.Errorf("%d lines of %d", n, lines)
		}
	}
}

func TestTrailIsNotFollowedByWhoMayNotAnyMore(t *testing.T) {
	w := newWorld(t)
	w.api.pace = time.Millisecond
	w.guard.Use(rules)
	srv := httptest.NewServer(w.listener(true))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+base+"/audit/stream?last=1", nil)
	try(t, err)
	r.Header.Set("Authorization", "Bearer "+nightly)
	resp, err := srv.Client().Do(r)
	try(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	next(t, lines)
	w.guard.Use(Rules{})
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("goes on: %s, %v", lines.Bytes(), lines.Err())
	}
}

func TestHalfARequestChangesNothing(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.api.For(func(*http.Request) (Who, error) { return owner, nil }))
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	try(t, err)
	defer conn.Close()
	body := `{"exempt":true}`
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", AccountPath(w.alice.ID, "/exempt"), len(body)+1, body)
	try(t, err)
	try(t, conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	try(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %s", resp.Status)
	}
	if a, err := w.accounts.Get(t.Context(), w.alice.ID); err != nil || a.Exempt {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestTooManyFollowers(t *testing.T) {
	w := newWorld(t)
	w.api.pace = time.Millisecond
	for range maxStreams {
		w.listen(owner, "")
	}
	w.refused(owner, http.StatusTooManyRequests, "too many", "GET", "/audit/stream", "")
}
