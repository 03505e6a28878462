package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Each token is sent once, whatever the connections do.
func TestEachQueryIsSentOnce(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]int)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.RawQuery]++
		mu.Unlock()
		if r.Header.Get("Cookie") != "" {
			t.Error("a sign-in comes with a cookie")
		}
		w.WriteHeader(http.StatusSeeOther)
	}))
	p, err := newPartnerPage("jwe")
	if err != nil {
		t.Fatal(err)
	}
	o := order{Kind: "page", Path: "/page", Conns: 4, For: 20 * time.Second, Status: http.StatusSeeOther, Size: -1}
	if o.Queries, err = p.tokens("bench.test", 50); err != nil {
		t.Fatal(err)
	}
	o.Most = int64(len(o.Queries))
	res, err := carry(t, server, o)
	if err != nil || res.Done != 50 || len(seen) != 50 {
		t.Fatalf("%d sent, %d different, %v", res.Done, len(seen), err)
	}
	for query, n := range seen {
		if n != 1 || !strings.HasPrefix(query, "token=") {
			t.Errorf("%.20s was sent %d times", query, n)
		}
	}
}
