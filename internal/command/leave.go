package command

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// finishTime is how long requests under way may still take at the end.
const finishTime = 30 * time.Second

// leave ends as SIGTERM asks for: first /readyz says no while everything is still
// served, so that balancers look elsewhere before a connection is refused; then
// nothing new is accepted and what is under way may finish. Ctrl-C does not wait for
// a balancer, and whoever asks a second time does not wait at all.
func (fg *running) leave(ends <-chan os.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fg.announceEnd()
	first := signalOf(ends)
	over := time.After(fg.file.Load().Listen.Drain)
	if first == os.Interrupt {
		over = time.After(0)
	}
	select {
	case <-ends:
		cancel()
	case <-over:
		go func() {
			select {
			case <-ends:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	fg.depart(ctx)
	fg.close()
}

// signalOf takes the signal that ended us, which comes by two ways: it must not be taken for
// a second one.
func signalOf(ends <-chan os.Signal) os.Signal {
	select {
	case sig := <-ends:
		return sig
	case <-time.After(200 * time.Millisecond): // ended by something else
		return nil
	}
}

// announceEnd makes /readyz say no, and connections close after the answer that they
// wait for: the next one goes where the balancer looks by then.
func (fg *running) announceEnd() {
	notify(daemon.SdNotifyStopping)
	if fg.admin != nil {
		fg.admin.Drain()
	}
	for _, srv := range fg.public {
		srv.SetKeepAlivesEnabled(false)
	}
}

// depart accepts nothing more and lets what is under way finish, until ctx ends or
// finishTime has passed. WebSockets are told to go elsewhere.
func (fg *running) depart(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	if fg.admin != nil {
		fg.admin.Drain()
	}
	var wait sync.WaitGroup
	for _, srv := range fg.public {
		wait.Go(func() { srv.shut(ctx) })
	}
	if fg.quic != nil {
		wait.Go(func() { fg.quic.shut(ctx) })
	}
	if fg.api != nil {
		fg.api.Close()
	}
	left := fg.tunnels.Leave(ctx)
	wait.Wait()
	for _, srv := range fg.private {
		end(ctx, srv.Server)
	}
	if left > 0 {
		fg.log.Warn("WebSockets were cut off", "open", left)
	}
}

// served is a server with its listener.
type served struct {
	*http.Server
	listener net.Listener
	leaving  atomic.Bool   // the listener is closed on purpose
	over     chan struct{} // closed when nothing more is accepted
}

// askTime is how long whoever was let in at the last moment has to say what they want.
const askTime = 100 * time.Millisecond

// shut accepts nothing more and waits for what is under way. Shutdown drops requests that
// it finds unread, so the listener is closed first, and those who are in get to ask.
func (s *served) shut(ctx context.Context) {
	s.leaving.Store(true)
	_ = s.listener.Close()
	<-s.over
	select {
	case <-ctx.Done():
	case <-time.After(askTime):
	}
	end(ctx, s.Server)
}

func end(ctx context.Context, srv *http.Server) {
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}
