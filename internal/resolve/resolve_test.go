package resolve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"foregate/internal/dnstest"
)

// accept takes connections at 127.0.0.1 and returns the port.
func accept(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func dialer(s *dnstest.Server) *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, Resolver: s.Resolver}
}

func connect(t *testing.T, s *dnstest.Server, n *Names, host, port string) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	conn, err := n.Dial(t.Context(), dialer(s), "tcp", net.JoinHostPort(host, port))
	if err == nil {
		_ = conn.Close()
	}
	return time.Since(began), err
}

// due lets the name servers be asked again at once.
func due(n *Names) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.known {
		h.next = time.Time{}
	}
}

func TestFM21WithoutNameServersTheLastAddressesAreUsed(t *testing.T) {
	for name, code := range map[string]int{"SERVFAIL": dns.RcodeServerFailure, "refused": dns.RcodeRefused, "silence": dnstest.Silence} {
		t.Run(name, func(t *testing.T) {
			server, port := dnstest.Start(t, "127.0.0.1:0", "127.0.0.1"), accept(t)
			var log bytes.Buffer
			n := new(Names)
			n.log.Store(slog.New(slog.NewTextHandler(&log, nil)))
			if _, err := connect(t, server, n, "app.test", port); err != nil {
				t.Fatal(err)
			}
			server.Answer(code)
			took, err := connect(t, server, n, "app.test", port)
			if err != nil || took > 2*time.Second {
				t.Fatalf("at first: %v after %v", err, took)
			}
			asked := server.Asked()
			for range 50 {
				if took, err := connect(t, server, n, "app.test", port); err != nil || took > 500*time.Millisecond {
					t.Fatalf("then: %v after %v", err, took)
				}
			}
			if server.Asked() != asked {
				t.Error("a name server that fails is asked for each connection")
			}
			for range 3 {
				due(n)
				if _, err := connect(t, server, n, "app.test", port); err != nil {
					t.Fatal(err)
				}
			}
			if server.Asked() == asked {
				t.Error("the name server is not asked again")
			}
			if got := strings.Count(log.String(), "do not answer"); got != 1 {
				t.Errorf("told %d times:\n%s", got, &log)
			}
			server.Answer(dns.RcodeSuccess)
			due(n)
			if _, err := connect(t, server, n, "app.test", port); err != nil || strings.Count(log.String(), "answer again") != 1 {
				t.Errorf("afterwards: %v\n%s", err, &log)
			}
		})
	}
}

func TestHostsWithoutAnAddressStayUnknown(t *testing.T) {
	server, port := dnstest.Start(t, "127.0.0.1:0", "127.0.0.1"), accept(t)
	n := new(Names)
	server.Answer(dns.RcodeServerFailure)
	var lookUp *net.DNSError
	var op *net.OpError
	if _, err := connect(t, server, n, "new.test", port); !errors.As(err, &lookUp) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("never found: %v", err)
	}
	server.Answer(dns.RcodeSuccess)
	if _, err := connect(t, server, n, "app.test", port); err != nil {
		t.Fatal(err)
	}
	server.Answer(dns.RcodeNameError)
	if _, err := connect(t, server, n, "app.test", port); !errors.As(err, &lookUp) || !lookUp.IsNotFound {
		t.Errorf("taken away: %v", err)
	}
	server.Answer(dns.RcodeServerFailure)
	if _, err := connect(t, server, n, "app.test", port); err == nil {
		t.Error("a host that was taken away is connected to while the name servers fail")
	}
}

func TestSeveralAddressesAreTriedInTurn(t *testing.T) {
	server, port := dnstest.Start(t, "127.0.0.1:0", "127.0.0.9", "127.0.0.1"), accept(t) // nobody listens at the first
	n := new(Names)
	for _, code := range []int{dns.RcodeSuccess, dns.RcodeServerFailure} {
		server.Answer(code)
		if _, err := connect(t, server, n, "app.test", port); err != nil {
			t.Error(code, err)
		}
	}
}

func TestAnAddressIsForgottenAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Names
		n.remember("app.test", nil)
		time.Sleep(keep)
		if n.remembered("app.test") == nil {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Second)
		if n.remembered("app.test") != nil {
			t.Error("kept for longer")
		}
	})
}

func TestWhoGivesUpIsNoOutage(t *testing.T) {
	server, port := dnstest.Start(t, "127.0.0.1:0", "127.0.0.1"), accept(t)
	n := new(Names)
	if _, err := connect(t, server, n, "app.test", port); err != nil {
		t.Fatal(err)
	}
	server.Answer(dnstest.Silence)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	cancel()
	if conn, err := n.Dial(ctx, dialer(server), "tcp", net.JoinHostPort("app.test", port)); err == nil {
		_ = conn.Close()
		t.Error("connected for nobody")
	}
	if n.known["app.test"].down {
		t.Error("taken for an outage")
	}
}
