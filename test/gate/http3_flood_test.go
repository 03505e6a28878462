package gate

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// initials are the first datagrams of connections: whole, and of nobody.
func initials(t *testing.T, n int) [][]byte {
	t.Helper()
	sink, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	client := &quic.Transport{Conn: socket}
	defer socket.Close()
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "app.test", NextProtos: []string{"h3"}, CurvePreferences: []tls.CurveID{tls.X25519}}
	var all [][]byte
	for buf := make([]byte, 2048); len(all) < n; {
		ctx, end := context.WithCancel(ctx)
		dialled := make(chan struct{})
		go func() {
			defer close(dialled)
			_, _ = client.Dial(ctx, sink.LocalAddr(), cfg, nil)
		}()
		_ = sink.SetReadDeadline(time.Now().Add(5 * time.Second))
		size, err := sink.Read(buf)
		end()
		<-dialled
		if err != nil {
			t.Fatal(err)
		}
		if size >= 1200 && buf[0]&0xf0 == 0xc0 { // an Initial; not the farewell of the one before
			all = append(all, append([]byte(nil), buf[:size]...))
		}
	}
	return all
}

// retries counts the datagrams at a socket that ask for a proof of the address (Retry, RFC
// 9000, section 17.2.5).
func retries(socket *net.UDPConn) (asked, others int) {
	for buf := make([]byte, 2048); ; {
		_ = socket.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := socket.Read(buf)
		switch {
		case err != nil:
			return asked, others
		case n > 0 && buf[0]&0xf0 == 0xf0:
			asked++
		default:
			others++
		}
	}
}

// TestHT4FloodsOfUDPTakeNothingFromOthers: garbage, and beginnings of connections from many
// addresses that never go on.
func TestHT4FloodsOfUDPTakeNothingFromOthers(t *testing.T) {
	f := start(t, options{tls: true, http3: true, program: plainProgram(t)})
	begun := initials(t, 500)
	to, err := net.ResolveUDPAddr("udp", f.https)
	if err != nil {
		t.Fatal(err)
	}
	from := func(i int) *net.UDPConn { // Linux has all of 127.0.0.0/8
		source := &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}
		conn, err := net.DialUDP("udp", source, to)
		if err != nil {
			t.Skip("floods from many addresses of 127.0.0.0/8: ", err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	served := func(what string) {
		t.Helper()
		began := time.Now()
		if page := newHTTP3Browser(f).get("/public/x"); page.StatusCode != http.StatusOK {
			t.Errorf("%s: somebody else is answered %s", what, page.Status)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: somebody else waited %s", what, took)
		}
		if page := newSecureBrowser(f).get("/public/x"); page.StatusCode != http.StatusOK {
			t.Errorf("%s: by TCP: %s", what, page.Status)
		}
	}
	served("before")
	before := f.resident(t)

	const garbage = 100_000
	var flood sync.WaitGroup
	var highest int64
	for i := range 4 {
		conn := from(i)
		flood.Go(func() {
			buf := make([]byte, 1250)
			for n := range garbage / 4 {
				size := 1 + n%len(buf)
				_, _ = rand.Read(buf[:min(size, 64)])
				if n%3 == 0 {
					size, buf[0], buf[1], buf[2], buf[3], buf[4] = len(buf), 0xc0|buf[0]&0x3f, 0, 0, 0, 1 // as if it were the first of QUIC
				}
				_, _ = conn.Write(buf[:size])
			}
		})
	}
	ended := make(chan struct{})
	go func() { flood.Wait(); close(ended) }()
	for flooding := true; flooding; {
		served("among garbage")
		highest = max(highest, f.resident(t))
		select {
		case <-ended:
			flooding = false
		case <-time.After(50 * time.Millisecond):
		}
	}

	var sockets []*net.UDPConn
	for i, datagram := range begun {
		conn := from(i)
		sockets = append(sockets, conn)
		_, _ = conn.Write(datagram)
	}
	served("among beginnings")
	highest = max(highest, f.resident(t))
	wait(time.Second) // until what comes back has come
	asked, answered := 0, 0
	for _, conn := range sockets {
		a, o := retries(conn)
		if a > 0 {
			asked++
		} else if o > 0 {
			answered++
		}
	}
	t.Logf("%d datagrams of garbage: %d MiB more at most; of %d beginnings %d had to prove their address, %d were answered at once",
		garbage, (highest-before)>>20, len(begun), asked, answered)
	if asked == 0 || answered > 2*64 { // 64 a second; those that it was too much for got nothing
		t.Error("made-up addresses are believed")
	}
	if grown := highest - before; grown > 50<<20 {
		t.Errorf("%d MiB more", grown>>20)
	}
	served("after")
}
