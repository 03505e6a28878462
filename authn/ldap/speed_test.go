package ldap

import (
	"runtime"
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

// BenchmarkEverybody reads fifty thousand people.
func BenchmarkEverybody(b *testing.B) {
	const many = 50_000
	s := ldaptest.StartSlapd(b, ldaptest.Options{People: many})
	m := newBench(b, onSlapd(s))
	for b.Loop() {
		n := 0
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
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "people/s")
		b.ReportMetric(float64(peak>>20), "MiB-heap")
	}
}
