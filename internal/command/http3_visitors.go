package command

import (
	"context"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// visitors are the connections of HTTP/3. The library leaves two things to us: to end those
// on which nobody asks anything, whatever else they send, and to end the quiet ones when
// Foregate leaves and the client does not.
type visitors struct {
	mu  sync.Mutex
	all map[*visitor]struct{}
}

// visitor is one connection.
type visitor struct {
	conn *quic.Conn

	mu    sync.Mutex
	asked int       // requests under way
	since time.Time // when the last one ended
}

type visitorKey struct{}

func visitorOf(ctx context.Context) *visitor { return ctx.Value(visitorKey{}).(*visitor) }

// enter notes a connection, from its beginning to its end.
func (s *visitors) enter(ctx context.Context, conn *quic.Conn) context.Context {
	v := &visitor{conn: conn, since: time.Now()}
	s.mu.Lock()
	if s.all == nil {
		s.all = make(map[*visitor]struct{})
	}
	s.all[v] = struct{}{}
	s.mu.Unlock()
	context.AfterFunc(conn.Context(), func() {
		s.mu.Lock()
		delete(s.all, v)
		s.mu.Unlock()
	})
	return context.WithValue(ctx, visitorKey{}, v)
}

func (v *visitor) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
}

func (v *visitor) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked--
	v.since = time.Now()
}

// quiet reports whether nothing has been asked for so long.
func (v *visitor) quiet(now time.Time, long time.Duration) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked == 0 && now.Sub(v.since) >= long
}

// dismiss ends the connections that have been quiet for so long.
func (s *visitors) dismiss(long time.Duration) {
	now := time.Now()
	var quiet []*visitor
	s.mu.Lock()
	for v := range s.all {
		if v.quiet(now, long) {
			quiet = append(quiet, v)
		}
	}
	s.mu.Unlock()
	for _, v := range quiet {
		_ = v.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// watch ends connections that are idle, until over.
func (s *visitors) watch(idle time.Duration, over <-chan struct{}) {
	tick := time.NewTicker(max(idle/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			s.dismiss(idle)
		}
	}
}

// lingerTime is how long the end of an answer may need to arrive.
const lingerTime = time.Second

// see ends those who have got what they asked for, until all are gone or ctx ends.
func (s *visitors) see(ctx context.Context, gone <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-ctx.Done():
			select { // what was cut off is told so
			case <-gone:
			case <-time.After(askTime):
			}
			return
		case <-tick.C:
			s.dismiss(lingerTime)
		}
	}
}
