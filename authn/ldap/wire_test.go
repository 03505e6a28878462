package ldap

import (
	"bytes"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"foregate/internal/ldaptest"
)

func TestAnswersWithoutAnEndAreCutOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var sent atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				// An octet string of two gigabytes.
				_, err := c.Write([]byte{0x04, 0x84, 0x7f, 0xff, 0xff, 0xff})
				for chunk := bytes.Repeat([]byte("x"), 1<<20); err == nil; {
					var n int
					n, err = c.Write(chunk)
					sent.Add(int64(n))
				}
			}()
		}
	}()
	c := onFake("ldap://" + l.Addr().String())
	b := newBench(t, c)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if reply != nil || status(t, err) != 503 || took > 15*time.Second { // it takes two; machines may be busy
		t.Errorf("sign in = %v, %v after %v, want an error of 503", reply, err, took)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 512<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if sent.Load() == 0 {
		t.Error("nothing was sent: the test tries too little")
	}
}

func TestClosedMethodLeavesNothingBehind(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	before := runtime.NumGoroutine()
	b := newBench(t, onSlapd(s))
	b.enters(t, "alice", ldaptest.Password)
	b.refuses(t, "bob", "wrong", noMatch)
	if runtime.NumGoroutine() <= before {
		t.Error("no goroutines to count")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	// Who comes after that is served on connections that are closed at once.
	b.enters(t, "alice", ldaptest.Password)
	waitFor(t, "all goroutines have ended again", func() bool { return runtime.NumGoroutine() <= before })
}
