package command

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// handedOver are the listening sockets that systemd keeps for us (sd_listen_fds(3)), by
// FileDescriptorName: http, https or admin. While Foregate restarts, connections wait
// in them instead of being refused.
type handedOver map[string]net.Listener

// takeOver takes the sockets of this process, once.
func takeOver() (handedOver, error) {
	all, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets from systemd: %w", err)
	}
	sockets := make(handedOver)
	for name, listeners := range all {
		if name != "http" && name != "https" && name != "admin" || len(listeners) != 1 {
			return nil, usageError{fmt.Errorf("systemd hands over %d sockets named %q; give each of its socket units one ListenStream, and FileDescriptorName=http, https or admin", len(listeners), name)}
		}
		sockets[name] = listeners[0]
	}
	return sockets, nil
}

// take returns the socket of that name, or binds address. A socket that the
// configuration has no use for is told of by rest.
func (h handedOver) take(name, address string) (net.Listener, error) {
	if l := h[name]; l != nil {
		delete(h, name)
		return l, nil
	}
	return bind("listen."+name, address)
}

// rest says which sockets nobody took.
func (h handedOver) rest() error {
	if len(h) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(h))
	for _, l := range h {
		_ = l.Close()
	}
	return usageError{fmt.Errorf("systemd hands over a socket for listen.%s, which the configuration does not have: set it, or stop the socket unit", strings.Join(names, " and listen."))}
}

// notify tells systemd how we are (sd_notify(3)); without it nobody is told.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// notifyReloading is for Type=notify-reload, which wants the time of it.
func notifyReloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
	}
}

// alive returns a clock at which systemd's watchdog must be told that we live; nil if
// it does not watch.
func alive() (ticks <-chan time.Time, stop func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every / 3)
	return t.C, t.Stop
}
