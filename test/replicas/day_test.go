package replicas

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// TestDayInTheLife is "make soak": the people of the five deployments in one Foregate of
// two replicas, who sign in, work, go for lunch, sign out and come back, while Redis, the
// directory, the providers' keys, the configuration and the replicas change under them.
// Every answer carries its own person, nobody is signed out who should not be, and nobody
// stays who should not. Without FOREGATE_SOAK it is a short day with few people.
func TestDayInTheLife(t *testing.T) {
	length, each := 45*time.Second, 4
	if text := os.Getenv("FOREGATE_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		each = 40
	}
	d := openDay(t, each)
	d.until = time.Now().Add(length)
	var all sync.WaitGroup
	for _, p := range d.people {
		all.Go(func() { p.live() })
	}
	d.disturb()
	all.Wait()
	fmt.Printf("a day of %s, %d people at two replicas\n%s", length, len(d.people), d.table())
	d.judge()
}

// judge fails the test for what must never be.
func (d *day) judge() {
	for name, c := range d.counts {
		if c.wrong.Load() > 0 || c.lost.Load() > 0 || c.stayed.Load() > 0 || c.failed.Load() > 0 {
			d.t.Errorf("%s: %d answers of somebody else, %d people signed out, %d who stayed, %d sign-ins that failed",
				name, c.wrong.Load(), c.lost.Load(), c.stayed.Load(), c.failed.Load())
		}
		if c.in.Load() < int64(d.each) || c.right.Load() < int64(10*d.each) {
			d.t.Errorf("%s: too little happened to tell anything", name)
		}
	}
	for _, f := range d.faults {
		if !f.done {
			d.t.Errorf("%s did not happen", f.name)
		}
	}
}
