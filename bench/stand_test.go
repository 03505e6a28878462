package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestEveryStageMeasuresAStandIn runs the whole plan once, briefly, with the
// test binary in Foregate's place.
func TestEveryStageMeasuresAStandIn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about twenty seconds")
	}
	s := openTestStand(t)
	r := s.measure(t.Context(), io.Discard)
	for _, f := range r.Failures {
		if !strings.HasPrefix(f, "look-up: ") { // there is no BenchmarkLoadHit in the test binary
			t.Errorf("not measured: %s", f)
		}
	}
	unknown := map[string]bool{}
	for _, g := range r.Goals {
		if g.Verdict == notMeasured {
			unknown[g.ID+" "+g.What] = true
		}
	}
	if len(unknown) > 0 {
		t.Errorf("goals without a figure: %v", unknown)
	}
	for _, id := range []string{"P1", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P12", "P13", "P14", "P15", "P17", "P18", "P19", "store", "flat", "redis", "stock", "LDAP", "check", "tls", "ws"} {
		if !strings.Contains(goalIDs(r), " "+id+" ") {
			t.Errorf("no goal %s was judged, only%s", id, goalIDs(r))
		}
	}
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Signed-in GET of 1 KiB, 16 at once", "Sign-in by a partner's token", "Sign-in by SAML", "TLS 1.3 handshake, resumed", "200 WebSockets", "foregate-jwe", nameBare, nameOurs, nameLogged, "others"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	if data, err := json.Marshal(r); err != nil || bytes.Contains(data, []byte(`"notes":null`)) {
		t.Errorf("the report as JSON: %.300s, %v", data, err)
	}
}

func goalIDs(r *report) string {
	ids := " "
	for _, g := range r.Goals {
		ids += g.ID + " "
	}
	return ids
}

func TestStandEndsItsProcesses(t *testing.T) {
	s := openTestStand(t)
	p := s.bare
	if _, err := readStat(p.pid); err != nil {
		t.Fatalf("bare does not run: %v", err)
	}
	s.close()
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		t.Error("bare is still there")
	}
}

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	s := openTestStand(t)
	_, err := s.launchRole(s.loadCore, "provider", roleProvider, "none")
	if err == nil || !strings.Contains(err.Error(), `no keys for "none"`) {
		t.Errorf("launchRole = %v, want what the role said", err)
	}
}

func TestARunThatGetsTheWrongAnswerFails(t *testing.T) {
	s := openTestStand(t)
	bare, err := proxied(s.bare, "")
	if err != nil {
		t.Fatal(err)
	}
	o := order{Kind: "page", Path: "/page", Conns: 1, For: 100 * time.Millisecond, Size: pageSize, Status: 302}
	if _, err := s.run(t.Context(), bare.ask(o)); err == nil || !strings.Contains(err.Error(), "status 200, want 302") {
		t.Errorf("run = %v, want a complaint about the status", err)
	}
}

func openTestStand(t *testing.T) *stand {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("CPU times are read below /proc, which only Linux has")
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each role waits a second before it ends
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := parseOptions([]string{"-rounds", "1", "-length", "600ms", "-conns", "16", "-sessions", "300", "-stock", "100", "-transfer", "4", "-rush", "40", "-sockets", "200"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	s, err := openStand(ctx, o, t.TempDir(), built{foregate: self, lookup: self})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}
