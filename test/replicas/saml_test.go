package replicas

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foregate/internal/redistest"
	"foregate/internal/samltest"
)

// withSAML adds a provider whose portal sends people unasked.
func withSAML(t *testing.T, o options) (options, *samltest.IdP) {
	t.Helper()
	idp, err := samltest.New()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "idp.crt")
	if err := os.WriteFile(file, idp.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	o.methods = fmt.Sprintf("  - {name: adfs, saml: {sso_url: \"https://idp.test/sso\", certificate: %q, idp_entity_id: %q, insecure_idp_initiated: true}}\n", file, samltest.Entity)
	o.offered = "adfs, "
	return o, idp
}

// TestSM9AnswerIsUsedOnceAcrossReplicas: at whichever replica it comes again, however the
// first and Redis end in between.
func TestSM9AnswerIsUsedOnceAcrossReplicas(t *testing.T) {
	redis := redistest.Start(t)
	o, idp := withSAML(t, options{replicas: 2, redis: single(redis)})
	w := open(t, o)
	one := w.replicas[0]
	posts := func(to string, form url.Values) page { return w.browser(to).post("/sso/acs", form) }
	fresh := func() url.Values {
		t.Helper()
		forms, err := idp.Forms(origin+"/sso", 1)
		if err != nil {
			t.Fatal(err)
		}
		v, err := url.ParseQuery(forms[0])
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	answer := fresh()
	if p := posts(one.addr, answer); p.told.User != "user000" {
		t.Fatalf("the first time: %d at %s, %q", p.status, p.at, p.body)
	}
	refused := func(what string) {
		t.Helper()
		for _, r := range w.replicas {
			if p := posts(r.addr, answer); p.status != http.StatusBadRequest || p.told.User != "" || p.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %d, the application is told %q", what, p.status, p.told.User)
			}
		}
	}
	refused("at once")
	one.stop()
	one.start()
	refused("after a restart")
	<-time.After(1200 * time.Millisecond) // the append-only file is written each second
	redis.Kill()
	if p := posts(one.addr, fresh()); p.status != http.StatusServiceUnavailable {
		t.Errorf("without the store of used answers: %d", p.status)
	}
	redis.Restart()
	redistest.Eventually(t, "Redis is used again", func() bool { return posts(one.addr, fresh()).told.User == "user000" })
	refused("after Redis was gone")

	// Ten at the same moment: one of them comes in.
	answer = fresh()
	came := make(chan int)
	for i := range 10 {
		b := w.browser(w.replicas[i%2].addr)
		go func() {
			if b.post("/sso/acs", answer).told.User == "" {
				came <- 0
				return
			}
			came <- 1
		}()
	}
	in := 0
	for range 10 {
		in += <-came
	}
	if in != 1 {
		t.Errorf("%d of ten at the same moment came in", in)
	}
}
