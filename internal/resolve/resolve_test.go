package resolve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers for any host with its addresses, or as mode says.
type nameServer struct {
	resolver  *net.Resolver // that asks it
	addresses atomic.Pointer[[]string]
	code      atomic.Int32 // of the answer; silence for none
	asked     atomic.Int32
}

const silence = -1

func (s *nameServer) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	s.asked.Add(1)
	code := s.code.Load()
	if code == silence {
		return
	}
	m := new(dns.Msg)
	m.SetRcode(r, int(code))
	if code == dns.RcodeSuccess && r.Question[0].Qtype == dns.TypeA {
		for _, a := range *s.addresses.Load() {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(a)})
		}
	}
	_ = w.WriteMsg(m)
}

func startNameServer(t *testing.T, addresses ...string) *nameServer {
	t.Helper()
	s := new(nameServer)
	s.addresses.Store(&addresses)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	s.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return s
}

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

func (s *nameServer) dialer() *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, Resolver: s.resolver}
}

func (s *nameServer) connect(t *testing.T, n *Names, host, port string) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	conn, err := n.Dial(t.Context(), s.dialer(), "tcp", net.JoinHostPort(host, port))
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
	for name, code := range map[string]int32{"SERVFAIL": dns.RcodeServerFailure, "refused": dns.RcodeRefused, "silence": silence} {
		t.Run(name, func(t *testing.T) {
			server, port := startNameServer(t, "127.0.0.1"), accept(t)
			var log bytes.Buffer
			n := new(Names)
			n.log.Store(slog.New(slog.NewTextHandler(&log, nil)))
			if _, err := server.connect(t, n, "app.test", port); err != nil {
				t.Fatal(err)
			}
			server.code.Store(code)
			took, err := server.connect(t, n, "app.test", port)
			if err != nil || took > 2*time.Second {
				t.Fatalf("at first: %v after %v", err, took)
			}
			asked := server.asked.Load()
			for range 50 {
				if took, err := server.connect(t, n, "app.test", port); err != nil || took > 500*time.Millisecond {
					t.Fatalf("then: %v after %v", err, took)
				}
			}
			if server.asked.Load() != asked {
				t.Error("a name server that fails is asked for each connection")
			}
			for range 3 {
				due(n)
				if _, err := server.connect(t, n, "app.test", port); err != nil {
					t.Fatal(err)
				}
			}
			if server.asked.Load() == asked {
				t.Error("the name server is not asked again")
			}
			if got := strings.Count(log.String(), "do not answer"); got != 1 {
				t.Errorf("told %d times:\n%s", got, &log)
			}
			server.code.Store(dns.RcodeSuccess)
			due(n)
			if _, err := server.connect(t, n, "app.test", port); err != nil || strings.Count(log.String(), "answer again") != 1 {
				t.Errorf("afterwards: %v\n%s", err, &log)
			}
		})
	}
}

func TestHostsWithoutAnAddressStayUnknown(t *testing.T) {
	server, port := startNameServer(t, "127.0.0.1"), accept(t)
	n := new(Names)
	server.code.Store(dns.RcodeServerFailure)
	var lookUp *net.DNSError
	var op *net.OpError
	if _, err := server.connect(t, n, "new.test", port); !errors.As(err, &lookUp) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("never found: %v", err)
	}
	server.code.Store(dns.RcodeSuccess)
	if _, err := server.connect(t, n, "app.test", port); err != nil {
		t.Fatal(err)
	}
	server.code.Store(dns.RcodeNameError)
	if _, err := server.connect(t, n, "app.test", port); !errors.As(err, &lookUp) || !lookUp.IsNotFound {
		t.Errorf("taken away: %v", err)
	}
	server.code.Store(dns.RcodeServerFailure)
	if _, err := server.connect(t, n, "app.test", port); err == nil {
		t.Error("a host that was taken away is connected to while the name servers fail")
	}
}

func TestSeveralAddressesAreTriedInTurn(t *testing.T) {
	server, port := startNameServer(t, "127.0.0.9", "127.0.0.1"), accept(t) // nobody listens at the first
	n := new(Names)
	for _, code := range []int32{dns.RcodeSuccess, dns.RcodeServerFailure} {
		server.code.Store(code)
		if _, err := server.connect(t, n, "app.test", port); err != nil {
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
	server, port := startNameServer(t, "127.0.0.1"), accept(t)
	n := new(Names)
	if _, err := server.connect(t, n, "app.test", port); err != nil {
		t.Fatal(err)
	}
	server.code.Store(silence)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	cancel()
	if conn, err := n.Dial(ctx, server.dialer(), "tcp", net.JoinHostPort("app.test", port)); err == nil {
		_ = conn.Close()
		t.Error("connected for nobody")
	}
	if n.known["app.test"].down {
		t.Error("taken for an outage")
	}
}
