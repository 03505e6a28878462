package handoff

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn/authntest"
)

// day lets n people sign in within a day and counts the complaints.
func day(s *steady, now time.Time, n int, user func(int) string) (complaints int) {
	for i := range n {
		if s.saw(user(i), now.Add(24*time.Hour*time.Duration(i)/time.Duration(n))) {
			complaints++
		}
	}
	return complaints
}

func TestSessionIdentifiersAreNoticed(t *testing.T) {
	tests := map[string]struct {
		each int
		user func(day, i int) string
		want bool
	}{
		"a session each time": {100, func(d, i int) string { return fmt.Sprint("session-", d, "-", i) }, true},
		"the same people":     {300, func(_, i int) string { return fmt.Sprint("user-", i%200) }, false},
		"each person once":    {3000, func(_, i int) string { return fmt.Sprint("user-", i) }, false},
		"a tenth come again": {100, func(d, i int) string {
			if i%10 == 0 {
				return fmt.Sprint("user-", i)
			}
			return fmt.Sprint("session-", d, "-", i)
		}, false},
		"too few to tell":        {40, func(d, i int) string { return fmt.Sprint("session-", d, "-", i) }, false},
		"very many, all strange": {9000, func(d, i int) string { return fmt.Sprint("session-", d, "-", i) }, true},
	}
	for name, test := range tests {
		s := newSteady(noon)
		for d := range 3 {
			n := day(s, noon.Add(time.Duration(d)*24*time.Hour), test.each, func(i int) string { return test.user(d, i) })
			if d == 0 && n > 0 {
				t.Errorf("%s: complains on the first day, when everybody is new", name)
			}
			if n > 24 {
				t.Errorf("%s: %d complaints in a day", name, n)
			}
		}
		if got := s.unstable(); got != test.want {
			t.Errorf("%s: unstable is %v, want %v", name, got, test.want)
		}
	}
}

func TestUnsteadyPartnerIsToldOfInTheLog(t *testing.T) {
	var log bytes.Buffer
	env := authntest.NewEnv("st-elsewhere")
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := newBenchIn(t, config(formatAESGCM), env)
	*b.clock = noon.Add(25 * time.Hour)
	for i := range 60 {
		b.enters(t, b.mint(t, fmt.Sprint("session-", i)))
	}
	if n := strings.Count(log.String(), "session identifiers"); n != 1 || !b.Unstable() {
		t.Errorf("%d warnings, unstable is %v; want one in the hour:\n%s", n, b.Unstable(), log.String())
	}
	if strings.Contains(log.String(), "session-5") {
		t.Errorf("the log names people: %s", log.String())
	}
}

func TestTK6NonceThatIsUsedTwiceIsToldOfInTheLog(t *testing.T) {
	for _, format := range []string{formatAESGCM, formatJWE, formatBlowfish} {
		var log bytes.Buffer
		env := authntest.NewEnv("st-elsewhere")
		env.Log = slog.New(slog.NewTextHandler(&log, nil))
		b := newBenchIn(t, config(format), env)
		for i := range 2000 {
			c := Content{iv: []byte(fmt.Sprint("nonce-", i))}
			if b.drawn.again(c.iv, noon) {
				t.Fatalf("nonce %d is taken for an earlier one", i)
			}
		}
		v := b.mint(t, "alice")
		b.enters(t, v)
		if log.Len() > 0 {
			t.Errorf("%s: a first token is complained of: %s", format, log.String())
		}
		// A page that draws its nonce once: another person's token has it too.
		c, reason := b.partner.Open(v, Circumstances{host, noon})
		if reason != nil || c.iv == nil {
			t.Fatalf("%s: %v, nonce %x", format, reason, c.iv)
		}
		if !b.drawn.again(c.iv, noon) || b.drawn.again(c.iv, noon.Add(time.Minute)) || !b.drawn.again(c.iv, noon.Add(time.Hour)) {
			t.Errorf("%s: the same nonce in another token is not complained of once an hour", format)
		}
	}
}

func TestTK6PageThatDrawsItsNonceOnceIsFound(t *testing.T) {
	var log bytes.Buffer
	env := authntest.NewEnv("st-elsewhere")
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := newBenchIn(t, config(formatAESGCM), env)
	nonce := make([]byte, 12)
	for i, user := range []string{"alice", "bob", "carol"} {
		plain := fmt.Sprintf(`{"ts":1767225600,"sub":%q,"aud":%q,"jti":"0123456789abcdef"}`, user, host)
		sealed := b.partner.keys[0].aead.Seal(nonce, nonce, []byte(plain), additional("st-elsewhere", host))
		b.enters(t, url.Values{"token": {encodeWire(wireBase64URL, sealed)}})
		if n := strings.Count(log.String(), "the same nonce or IV"); n != min(i, 1) {
			t.Errorf("%d complaints after %d tokens under one nonce", n, i+1)
		}
	}
}
