package cookies

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

func testStamper(t testing.TB, secrets ...string) stamper {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, bytes.Repeat([]byte(s), 32))
	}
	s, err := newStamper(all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStampOfAnySecretIsKnown(t *testing.T) {
	value := testStamper(t, "a").stamped("sealed")
	if got, ok := testStamper(t, "b", "a").sealed(value); !ok || got != "sealed" {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := testStamper(t, "b").sealed(value); ok {
		t.Error("the stamp of another secret is believed")
	}
}

func TestAnyChangedByteOfAStampedTicketIsNoticed(t *testing.T) {
	s := testStamper(t, "a")
	value := s.stamped(strings.Repeat("x", 176))
	for i := range value {
		changed := []byte(value)
		changed[i]++
		if _, ok := s.sealed(string(changed)); ok {
			t.Errorf("byte %d may be changed", i)
		}
	}
	for _, other := range []string{"", ".", value[:len(value)-1], value + "A", value[1:], value[len(value)-stampLength-1:]} {
		if _, ok := s.sealed(other); ok {
			t.Errorf("%q is believed", other)
		}
	}
}

func FuzzStamp(f *testing.F) {
	// Each fuzzing process has its own secret: what the others stamped is forged.
	s := testStamper(f, rand.Text(), rand.Text())
	valid := s.stamped("sealed")
	f.Add(valid)
	f.Add("")
	f.Add(strings.Repeat(".", maxTicketCookie))
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > maxTicketCookie {
			return // refused before
		}
		if _, ok := s.sealed(value); ok && value != valid {
			t.Errorf("%q was forged", value)
		}
	})
}
