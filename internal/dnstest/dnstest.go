// Package dnstest runs a name server for tests.
package dnstest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// Silence is a mode in which no question is answered.
const Silence = -1

// Server gives every host the same addresses.
type Server struct {
	Resolver *net.Resolver // that asks it

	addresses []string
	mode      atomic.Int32
	asked     atomic.Int32
}

// Start listens at address (UDP) until the test ends. The server gives every host the IPv4
// addresses.
func Start(t *testing.T, address string, addresses ...string) *Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{addresses: addresses}
	s.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	server := &dns.Server{PacketConn: conn, Handler: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return s
}

// Answer sets the code of answers from now on, dns.RcodeServerFailure for one, or Silence.
func (s *Server) Answer(code int) { s.mode.Store(int32(code)) }

// Asked is how many questions have come.
func (s *Server) Asked() int { return int(s.asked.Load()) }

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	s.asked.Add(1)
	code := int(s.mode.Load())
	if code == Silence {
		return
	}
	m := new(dns.Msg)
	m.SetRcode(r, code)
	if code == dns.RcodeSuccess && r.Question[0].Qtype == dns.TypeA {
		for _, a := range s.addresses {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(a)})
		}
	}
	_ = w.WriteMsg(m)
}
