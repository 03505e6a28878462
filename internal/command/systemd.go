package command

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// handedOver are the sockets that systemd keeps for us (sd_listen_fds(3)), by
// FileDescriptorName: http, https or admin, and http3, which takes datagrams. While
// Foregate restarts, connections wait in them instead of being refused.
type handedOver map[string]io.Closer

const ofDatagrams = "http3"

// takeOver takes the sockets of this process, once.
func takeOver() (handedOver, error) {
	sockets := make(handedOver)
	for _, f := range activation.Files(true) {
		name := f.Name()
		socket, err := socketOf(f)
		_ = f.Close()
		if err == nil && sockets[name] != nil {
			_ = socket.Close()
			err = errors.New("it is the second one")
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("systemd hands over a socket named %q: %w; give each of its socket units one ListenStream and FileDescriptorName=http, https or admin, or one ListenDatagram and FileDescriptorName=http3", name, err)}
		}
		sockets[name] = socket
	}
	return sockets, nil
}

func socketOf(f *os.File) (io.Closer, error) {
	switch f.Name() {
	case "http", "https", "admin":
		return net.FileListener(f)
	case ofDatagrams:
		return net.FilePacketConn(f)
	}
	return nil, errors.New("no listener has this name")
}

// take returns the socket of that name, or binds address. A socket that the
// configuration has no use for is told of by rest.
func (h handedOver) take(name, address string) (net.Listener, error) {
	if l, ok := h[name].(net.Listener); ok {
		delete(h, name)
		return l, nil
	}
	return bind("listen."+name, address)
}

// takePackets is the same for datagrams.
func (h handedOver) takePackets(address string) (net.PacketConn, error) {
	if c, ok := h[ofDatagrams].(net.PacketConn); ok {
		delete(h, ofDatagrams)
		return c, nil
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen.%s: %w", ofDatagrams, err)
	}
	return c, nil
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
