package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 {k: v}\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "a%d: &a%[1]d [*a%d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d]\n", i, i-1)
	}
	return b.String()
}

func TestAliasBombIsRefusedQuickly(t *testing.T) {
	tests := map[string]string{
		"any value": "methods: [{name: a, badge: {server: x, free: {" + strings.ReplaceAll(strings.TrimSpace(bomb(12)), "\n", ", ") + "}}}]\n",
		"structs":   "apps:\n" + strings.Repeat("- &a {rules: [{}, {}, {}]}\n", 1) + strings.Repeat("- *a\n", 100_000),
		"cycle":     "methods: [{name: a, badge: {server: x, free: &f {again: *f}}}]\n",
		"no bomb":   "apps: [" + strings.Repeat("{},", 200_000) + "]\n",
	}
	for name, text := range tests {
		began := time.Now()
		_, err := parse(t, text)
		if err == nil || !strings.Contains(err.Error(), "too many values once its aliases are written out") {
			t.Errorf("%s: %.200v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add(bomb(5))
	f.Add("a: &a {b: *a}\n")
	f.Add(least + "session: {secrets: [{env: HOME}], idle: 20}\n")
	f.Add(least + "    rules: [{path: /a/**}, {path: /a/*}]\n    return_hosts: [.a.example]\n")
	if data, err := os.ReadFile("testdata/mistakes.yaml"); err == nil {
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file:") {
			t.Skip("it could name any file")
		}
		_, err := Parse("x", []byte(text), "/nowhere", kinds())
		var faults *Faults
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("not *Faults: %v", err)
		}
		if faults == nil {
			return
		}
		lines := 2 // the last one, and the end of the file behind it
		for _, breaks := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(text, breaks)
		}
		for _, fault := range faults.All {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 {
				t.Fatalf("fault outside of the file of %d lines: %#v", lines, fault)
			}
			if strings.ContainsAny(fault.String(), "\n\r\x1b") {
				t.Fatalf("fault of several lines: %q", fault.String())
			}
		}
	})
}

func FuzzCanonicalHost(f *testing.F) {
	for _, s := range []string{"a.example", "A.example:80", "[::1]:8443", "bücher.example", "https://a/b", "0x7f.1", "a..b", "ａ.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := canonicalHost(s)
		if err != nil {
			return
		}
		if again, err := canonicalHost(host); err != nil || again != host {
			t.Fatalf("%q becomes %q, which becomes %q, %v", s, host, again, err)
		}
		if strings.ToLower(host) != host || strings.ContainsAny(host, "/@*?# \t\n") {
			t.Fatalf("%q becomes %q", s, host)
		}
	})
}
