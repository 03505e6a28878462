package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPeersAreReadInTheirOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(file, []byte("_oauth2_proxy=abc=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseOptions([]string{"-target", "oauth2-proxy=http://127.0.0.1:4180", "-target-cookie", "oauth2-proxy=@" + file,
		"-target-pid", "oauth2-proxy=42", "-target", "other=http://127.0.0.1:1", "-target-cookie", "other=a=b; c=d"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []peer{
		{name: "oauth2-proxy", url: "http://127.0.0.1:4180", cookie: "_oauth2_proxy=abc=", pid: 42},
		{name: "other", url: "http://127.0.0.1:1", cookie: "a=b; c=d"},
	}
	if len(o.wanted) != 2 || o.wanted[0] != want[0] || o.wanted[1] != want[1] {
		t.Errorf("peers = %+v, want %+v", o.wanted, want)
	}
}

func TestQuickIsShortWhereNothingElseIsSaid(t *testing.T) {
	o, err := parseOptions([]string{"-sessions", "7", "-quick"}, io.Discard)
	if err != nil || o.rounds != 3 || o.length != time.Second || o.short() != 500*time.Millisecond || o.sessions != 7 || o.sockets != 2000 {
		t.Errorf("options = %+v, %v", o, err)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-length 1h", "-algorithm none", "-upstream 0.0.0.0:9", "-upstream :9", "extra",
		"-target nameonly", "-target-pid nobody=1", "-target a=http://127.0.0.1:1 -target-pid a=-3", "-target-cookie a=b"} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
	if _, err := parseOptions([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
