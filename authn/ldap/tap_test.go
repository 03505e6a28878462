package ldap

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// tap is a stretch of wire in front of a server, on which everything that a client
// sends is kept.
type tap struct {
	URL string

	mu    sync.Mutex
	sent  []*bytes.Buffer // by connection
	conns []net.Conn
}

func newTap(t testing.TB, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tp := &tap{URL: "ldap://" + l.Addr().String()}
	t.Cleanup(func() { _ = l.Close(); tp.cut() })
	target := strings.TrimPrefix(strings.TrimPrefix(server, "ldap://"), "ldaps://")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go tp.carry(c, target)
		}
	}()
	return tp
}

func (tp *tap) carry(c net.Conn, target string) {
	defer c.Close()
	s, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer s.Close()
	kept := new(bytes.Buffer)
	tp.mu.Lock()
	tp.sent, tp.conns = append(tp.sent, kept), append(tp.conns, c)
	tp.mu.Unlock()
	go func() { _, _ = io.Copy(c, s); _ = c.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		tp.mu.Lock()
		kept.Write(buf[:n])
		tp.mu.Unlock()
		if _, werr := s.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut ends all connections, as a restart of the server does.
func (tp *tap) cut() {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for _, c := range tp.conns {
		_ = c.Close()
	}
	tp.conns = nil
}

// request is one LDAP request that was sent.
type request struct {
	op           ber.Tag
	dn, password string // of a bind
	filter       string // of a search
	parsed       *ber.Packet
}

// requests are all that were sent in clear text.
func (tp *tap) requests(t testing.TB) []request {
	t.Helper()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	var all []request
	for _, kept := range tp.sent {
		for r := bytes.NewReader(kept.Bytes()); r.Len() > 0; {
			p, err := ber.ReadPacket(r)
			if err != nil || len(p.Children) < 2 {
				t.Fatalf("what was sent is not LDAP: %v", err)
			}
			op := p.Children[1]
			one := request{op: op.Tag}
			switch op.Tag {
			case ldap.ApplicationBindRequest:
				one.dn, one.password = op.Children[1].Data.String(), op.Children[2].Data.String()
			case ldap.ApplicationSearchRequest:
				one.parsed = op.Children[6]
				if one.filter, err = ldap.DecompileFilter(op.Children[6]); err != nil {
					t.Fatalf("filter: %v", err)
				}
			}
			all = append(all, one)
		}
	}
	return all
}

// binds are the bind requests that were sent in clear text.
func (tp *tap) binds(t testing.TB) []request {
	var binds []request
	for _, r := range tp.requests(t) {
		if r.op == ldap.ApplicationBindRequest {
			binds = append(binds, r)
		}
	}
	return binds
}

// bytes are all octets that were sent.
func (tp *tap) bytes() string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	var all strings.Builder
	for _, kept := range tp.sent {
		all.Write(kept.Bytes())
	}
	return all.String()
}
