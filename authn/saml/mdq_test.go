package saml

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// queried is a metadata query service.
type queried struct {
	*httptest.Server
	mu    sync.Mutex
	texts map[string]string
	asked map[string]int
	ended map[string]int
	slow  chan struct{} // if set, answers wait for its end
}

func serveQueries(t *testing.T, texts map[string]string) *queried {
	q := &queried{texts: texts, asked: make(map[string]int), ended: make(map[string]int)}
	q.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/entities/"))
		q.mu.Lock()
		text, slow := q.texts[name], q.slow
		q.asked[name]++
		q.mu.Unlock()
		if slow != nil {
			<-slow
		}
		defer func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.ended[name]++
		}()
		if err != nil || text == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(q.Close)
	return q
}

func TestQueryServiceIsAskedForWhoIsChosen(t *testing.T) {
	valid := func(p pair, text string) string {
		return signedMetadata(p, strings.Replace(text, "entityID=", `validUntil="`+stamp(time.Now().Add(2*time.Hour))+`" entityID=`, 1))
	}
	one := member(idpKeys(), idpEntity, "Hospital", registered("hospital.example"), "")
	other := member(otherKeys(), elsewhereEntity, "St Elsewhere", registered("st-elsewhere.example"), "")
	q := serveQueries(t, map[string]string{
		idpEntity:                       valid(spKeys(), one),
		elsewhereEntity:                 valid(otherKeys(), other), // signed by somebody else
		"https://swapped.example":       valid(spKeys(), other),
		"https://unsigned.example/saml": strings.ReplaceAll(one, idpEntity, "https://unsigned.example/saml"),
		"https://huge.example/saml":     "<a>" + strings.Repeat("x", mdqAnswers) + "</a>",
		"https://dtd.example/saml":      `<!DOCTYPE x [<!ENTITY y "z">]>` + one,
	})
	clk := newClock()
	c := &Config{Preset: "shibboleth", Metadata: Metadata{MDQ: q.URL + "/entities", Federation: true, Certificate: file(t, "federation.crt", spKeys().certPEM())}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := openFor(t, c, clk, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, reply, err := starts(t, m, clk, idpEntity); err != nil || !strings.Contains(fmt.Sprint(reply), "idp.hospital.example/sso") {
				t.Errorf("%+v %v", reply, err)
			}
		})
	}
	all.Wait()
	if n := q.asked[idpEntity]; n != 1 {
		t.Errorf("asked %d times for one", n)
	}
	a, reply, err := starts(t, m, clk, idpEntity)
	if err != nil {
		t.Fatal(err)
	}
	f := forge{now: clk.now(), request: attr(requestOf(t, reply), "ID"), text: sends(idpEntity, map[string]string{principalName: "alice@hospital.example"})}
	if id, err := post(m, a, f.build()); err != nil || id.User != "alice@hospital.example" {
		t.Errorf("%+v %v", id, err)
	}
	for name := range q.texts {
		if name == idpEntity {
			continue
		}
		if _, reply, err := starts(t, m, clk, name); err == nil {
			t.Errorf("%s: %+v", name, reply)
		}
		before := q.asked[name]
		if _, _, err := starts(t, m, clk, name); err == nil || q.asked[name] != before {
			t.Errorf("%s: asked again at once, %v", name, err)
		}
	}

	// When it is due to be asked again nobody waits for it, and while the service is away
	// what it said holds, until its end.
	clk.add(90 * time.Minute)
	slow := make(chan struct{})
	q.mu.Lock()
	q.slow, q.texts[idpEntity] = slow, ""
	q.mu.Unlock()
	if _, _, err := starts(t, m, clk, idpEntity); err != nil {
		t.Errorf("while it is asked for anew: %v", err)
	}
	q.mu.Lock()
	if q.ended[idpEntity] != 1 {
		t.Error("somebody waited until the service answered")
	}
	q.slow = nil
	q.mu.Unlock()
	close(slow)
	if _, _, err := starts(t, m, clk, idpEntity); err != nil {
		t.Errorf("while the service is away: %v", err)
	}
	clk.add(40 * time.Minute)
	if _, _, err := starts(t, m, clk, idpEntity); err == nil {
		t.Error("after the end of what it said")
	}
}

func TestStrangersCannotMakeUsAskWithoutEnd(t *testing.T) {
	q := serveQueries(t, nil)
	clk := newClock()
	m := openFor(t, &Config{Preset: "shibboleth", Metadata: Metadata{MDQ: q.URL + "/entities", Federation: true, Certificate: file(t, "federation.crt", spKeys().certPEM())}}, clk, nil)
	last := 0
	for i := range 3 * unknownMost {
		_, _, err := starts(t, m, clk, fmt.Sprintf("https://idp%d.example", i))
		last = statusOf(t, err)
	}
	if last != http.StatusTooManyRequests || len(q.asked) > unknownMost {
		t.Errorf("asked for %d, and the last answer was %d", len(q.asked), last)
	}
	for i := range 3 * mdqMost {
		m.query.mu.Lock()
		m.query.makeRoom()
		m.query.all[fmt.Sprint(i)] = new(asked)
		m.query.mu.Unlock()
	}
	if n := len(m.query.all); n > mdqMost {
		t.Errorf("%d are kept", n)
	}
}
