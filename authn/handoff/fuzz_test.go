package handoff

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzOpen holds anything against every format: nothing opens but what the vectors
// are, nothing panics, and every refusal has a code.
func FuzzOpen(f *testing.F) {
	type taken struct {
		partner *Partner
		vector  vector
	}
	var all []taken
	known := make(map[string]bool)
	for _, v := range vectors(f) {
		c := v.config(f)
		p, err := NewPartner(c, "st-elsewhere")
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, taken{p, v})
		known[strings.TrimRight(v.token, "=")] = true
		f.Add(v.token, v.mac)
		f.Add("k1."+v.token, v.mac)
		f.Add(v.token[:len(v.token)-1], v.mac)
	}
	f.Add("....", "")
	f.Add("e30..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", "00")
	f.Add(strings.Repeat("A", 2049), strings.Repeat("0", 64))
	at := Circumstances{Host: host, Now: noon}
	f.Fuzz(func(t *testing.T, token, mac string) {
		for _, one := range all {
			c, reason := one.partner.Open(url.Values{"token": {token}, "mac": {mac}}, at)
			switch {
			case reason != nil && reason.Code == "":
				t.Errorf("%s: a refusal without a code: %v", one.vector.name, reason)
			case reason == nil && one.partner.cfg.authenticated() && !known[strings.TrimRight(token, "=")]:
				t.Errorf("%s: opens %q", one.vector.name, token)
			case reason == nil && c.check() != nil:
				t.Errorf("%s: opens %q against its grammar", one.vector.name, token)
			}
		}
	})
}

// FuzzRecognize compares with the form that net/url reads.
func FuzzRecognize(f *testing.F) {
	b := newBench(f, config(formatBlowfish))
	for _, q := range []string{"token=x", "a=b&t%6fken=x&c=%41", "tok+en=x", "token%", "&&token&", "token=%zz", "a;token=x", "mac=1&token=2&mac=3"} {
		f.Add("/a/b", q)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		u, err := url.ParseRequestURI("/" + strings.TrimLeft(path, "/") + "?" + query)
		if err != nil || u.RawQuery != query {
			t.Skip("no address that a server would have read")
		}
		r := get("/")
		r.URL = u
		rest, found := b.Recognize(r)
		values, err := url.ParseQuery(query)
		if err == nil && found != values.Has("token") {
			t.Errorf("Recognize(%q) = %v, the form says %v", query, found, values.Has("token"))
		}
		if !found {
			return
		}
		after, err := url.ParseRequestURI(rest)
		if err != nil || after.EscapedPath() != u.EscapedPath() {
			t.Fatalf("%q leaves %q, %v", u, rest, err)
		}
		if got, _ := url.ParseQuery(after.RawQuery); got.Has("token") || got.Has("mac") {
			t.Errorf("%q leaves %q", u, rest)
		}
		r.URL = after
		if again, found := b.Recognize(r); found {
			t.Errorf("%q leaves %q, and that %q", u, rest, again)
		}
	})
}

// FuzzTimestamp: what is read is a time of this age, and is written as it was read.
func FuzzTimestamp(f *testing.F) {
	var clocks []*clock
	for _, c := range [][2]string{{"unix", "UTC"}, {"unix-ms", "UTC"}, {"iso8601", "Europe/London"}, {"yyyyMMddHHmmss", "Asia/Tokyo"}, {"dd.MM.yyyy HH:mm:ss", "Europe/London"}} {
		made, err := newClock(c[0], c[1])
		if err != nil {
			f.Fatal(err)
		}
		clocks = append(clocks, made)
		f.Add(made.write(noon))
	}
	f.Add("2026-10-25T01:30:00")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range clocks {
			s, err := c.read(text, noon)
			if err != nil {
				continue
			}
			if s.text == "" || s.latest.Before(s.at) || s.latest.Sub(s.at) > 3*time.Hour {
				t.Errorf("%s: %q is read as %+v", c.kind, text, s)
			}
			if (c.kind == "unix" || c.kind == "unix-ms" || c.kind == "pattern") && c.write(s.at) != text {
				t.Errorf("%s: %q is written as %q", c.kind, text, c.write(s.at))
			}
		}
	})
}

func benchmarkOpen(b *testing.B, format string) {
	bench := newBench(b, config(format))
	v := bench.mint(b, "alice")
	at := Circumstances{Host: host, Now: noon}
	b.ReportAllocs()
	for b.Loop() {
		if _, reason := bench.partner.Open(v, at); reason != nil {
			b.Fatal(reason)
		}
	}
}

func BenchmarkOpenBlowfish(b *testing.B) { benchmarkOpen(b, formatBlowfish) }
func BenchmarkOpenGCM(b *testing.B)      { benchmarkOpen(b, formatAESGCM) }
func BenchmarkOpenJWE(b *testing.B)      { benchmarkOpen(b, formatJWE) }

func BenchmarkRecognizeNothing(b *testing.B) {
	bench := newBench(b, config(formatBlowfish))
	r := get("/drugs?q=amoxicillin&page=2&sort=name&order=asc")
	b.ReportAllocs()
	for b.Loop() {
		if _, found := bench.Recognize(r); found {
			b.Fatal("found")
		}
	}
}
