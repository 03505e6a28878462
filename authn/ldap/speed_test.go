package ldap

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// BenchmarkSignIn signs people in through the default number of connections.
func BenchmarkSignIn(b *testing.B) {
	s := ldaptest.StartSlapd(b, ldaptest.Options{})
	c := onSlapd(s)
	c.Lockout = Lockout{Failures: 100, AccountFailures: 30}
	m := newBench(b, c)
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if reply, err := m.signIn(b.Context(), "alice", ldaptest.Password, ward); err != nil {
				b.Error(reply, err)
			}
		}
	})
}

// BenchmarkQueuedSignIns signs in ten thousand people who come in one moment, over twenty
// connections, every tenth with a wrong password. Each gets their own answer.
func BenchmarkQueuedSignIns(b *testing.B) {
	const many, people = 10_000, 2500
	s := ldaptest.StartSlapd(b, ldaptest.Options{People: people})
	c := onSlapd(s)
	c.Connections, c.Waiting, c.Wait = 20, many, time.Minute
	m := newBench(b, c)
	for b.Loop() {
		var wrong atomic.Int32
		var all sync.WaitGroup
		start := time.Now()
		for i := range many {
			all.Go(func() {
				user, password, right := fmt.Sprintf("u%05d", i%people), ldaptest.Password, i%10 != 0
				if !right {
					password = "not it"
				}
				reply, err := m.signIn(b.Context(), user, password, fmt.Sprintf("10.%d.%d.1", i>>8, i&255))
				in, ok := reply.(authn.SignedIn)
				if err != nil || ok != right || ok && in.Identity.User != user {
					wrong.Add(1)
					b.Logf("%s: %+v, %v", user, reply, err)
				}
			})
		}
		all.Wait()
		if n := wrong.Load(); n > 0 {
			b.Fatalf("%d of %d answers are wrong", n, many)
		}
		b.ReportMetric(many/time.Since(start).Seconds(), "sign-ins/s")
	}
}

// BenchmarkEverybody reads fifty thousand people.
func BenchmarkEverybody(b *testing.B) {
	const many = 50_000
	s := ldaptest.StartSlapd(b, ldaptest.Options{People: many})
	tp := newTap(b, s.Plain)
	c := onSlapd(s)
	c.Servers, c.CA, c.InsecurePlain = []string{tp.URL}, "", true
	m := newBench(b, c)
	for b.Loop() {
		n, before := 0, len(tp.requests(b))
		var peak uint64
		start := time.Now()
		err := m.Everybody(b.Context(), func(authn.Identity, bool) error {
			if n++; n%5000 == 0 {
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				peak = max(peak, mem.HeapInuse)
			}
			return nil
		})
		if err != nil || n != many+2 {
			b.Fatalf("%d people, %v", n, err)
		}
		b.ReportMetric(float64(len(tp.requests(b))-before), "requests")
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "people/s")
		b.ReportMetric(float64(peak>>20), "MiB-heap")
	}
}
