package command

import (
	"context"
	"net/http"
	"os"
	"sync"
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
	if asked := await(ends, fg.file.Load().Listen.Drain); asked < 2 {
		go func() {
			select {
			case <-ends:
				cancel()
			case <-ctx.Done():
			}
		}()
	} else {
		cancel()
	}
	fg.depart(ctx)
	fg.close()
}

// await waits for drain to pass, or for the person who does not want to. It returns
// how often the end has been asked for.
func await(ends <-chan os.Signal, drain time.Duration) (asked int) {
	over := time.After(drain)
	for {
		select {
		case sig := <-ends:
			asked++
			if sig == os.Interrupt || asked > 1 {
				return asked
			}
		case <-over:
			return asked
		}
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
		wait.Go(func() { shut(ctx, srv) })
	}
	if fg.api != nil {
		fg.api.Close()
	}
	left := fg.tunnels.Leave(ctx)
	wait.Wait()
	for _, srv := range fg.private {
		shut(ctx, srv)
	}
	if left > 0 {
		fg.log.Warn("WebSockets were cut off", "open", left)
	}
}

func shut(ctx context.Context, srv *http.Server) {
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}
