package upstream

import (
	"fmt"
	"testing"
	"time"

	"foregate/authn"
)

func stickyPool(hosts ...string) *pool {
	p := &pool{sticky: true}
	for i, h := range hosts {
		p.addresses = append(p.addresses, &address{host: h, seed: fnv(offset64, h), index: i})
	}
	return p
}

func tripOf(subject string) *Trip {
	return &Trip{Client: "192.0.2.1", Who: &Credentials{id: &authn.Identity{Issuer: "idp", Subject: subject}}}
}

func TestPersonStaysAtAnAddressAndNobodyElseMoves(t *testing.T) {
	const people = 3000
	p := stickyPool("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
	at := make([]string, people)
	count := map[string]int{}
	for i := range at {
		for range 3 {
			a, _ := p.pick(0, tripOf(fmt.Sprint("person ", i)))
			if at[i] != "" && at[i] != a.host {
				t.Fatalf("person %d is at %s, and was at %s", i, a.host, at[i])
			}
			at[i] = a.host
		}
		count[at[i]]++
	}
	for host, n := range count {
		if n < people/3-200 || n > people/3+200 {
			t.Errorf("%d of %d people at %s", n, people, host)
		}
	}
	out := p.addresses[1]
	out.until.Store(time.Now().Add(time.Hour).UnixNano())
	for i := range at {
		a, _ := p.pick(0, tripOf(fmt.Sprint("person ", i)))
		if a.host == out.host || at[i] != out.host && a.host != at[i] {
			t.Fatalf("person %d of %s is at %s", i, at[i], a.host)
		}
	}
	out.until.Store(0)
	for i := range at {
		if a, _ := p.pick(0, tripOf(fmt.Sprint("person ", i))); a.host != at[i] {
			t.Fatalf("person %d is not back at %s", i, at[i])
		}
	}
	// Another replica, with the addresses in another order.
	other := stickyPool("10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80")
	for i := range at {
		if a, _ := other.pick(0, tripOf(fmt.Sprint("person ", i))); a.host != at[i] {
			t.Fatalf("another replica sends person %d to %s", i, a.host)
		}
	}
}

func TestStrangersStayByTheirAddress(t *testing.T) {
	p := stickyPool("10.0.0.1:80", "10.0.0.2:80")
	seen := map[string]bool{}
	for i := range 50 {
		trip := &Trip{Client: fmt.Sprint("192.0.2.", i)}
		a, _ := p.pick(0, trip)
		if b, _ := p.pick(0, trip); a != b {
			t.Fatalf("%s is at two addresses", trip.Client)
		}
		seen[a.host] = true
	}
	if len(seen) != 2 {
		t.Errorf("all are at %v", seen)
	}
	trip := tripOf("x")
	if n := testing.AllocsPerRun(100, func() { p.pick(0, trip) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
