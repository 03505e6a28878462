package cookies

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func testCodec(t testing.TB, purpose string, secrets ...string) codec {
	t.Helper()
	all := make([][]byte, len(secrets))
	for i, s := range secrets {
		all[i] = bytes.Repeat([]byte(s), 32)
	}
	c, err := newCodec(all, purpose, maxTicketCookie, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newTicket is a ticket and the plain text of its cookie.
func newTicket() (*ticket, []byte) {
	t := new(ticket)
	_, _ = rand.Read(t.id[:])
	_, _ = rand.Read(t.key[:])
	return t, append([]byte{ticketVersion}, t.key[:]...)
}

func TestP12TicketCookieIsSmall(t *testing.T) {
	_, plain := newTicket()
	value, err := testCodec(t, "session", "a").seal("__Host-foregate", plain)
	if err != nil {
		t.Fatal(err)
	}
	if value = testStamper(t, "a").stamped(value); len(value) != 164 || len(value) > maxTicketCookie {
		t.Errorf("the value has %d bytes, want 164", len(value))
	}
}

func TestTicketOpensWithAnySecretUnderItsOwnNameAndPurpose(t *testing.T) {
	want, plain := newTicket()
	value, err := testCodec(t, "session", "a").seal("__Host-foregate", plain)
	if err != nil {
		t.Fatal(err)
	}
	rotated := testCodec(t, "session", "b", "a")
	opened, ok := rotated.open("__Host-foregate", value)
	if !ok {
		t.Fatal("an older secret does not open")
	}
	if got, ok := parseTicket(opened, want.id); !ok || *got != *want {
		t.Error("the ticket changed")
	}
	for name, ok := range map[string]bool{
		"other secret":  opens(testCodec(t, "session", "b"), "__Host-foregate", value),
		"other purpose": opens(testCodec(t, "attempt", "a"), "__Host-foregate", value),
		"other name":    opens(rotated, "foregate", value),
	} {
		if ok {
			t.Errorf("%s: the ticket opens", name)
		}
	}
}

func opens(c codec, name, value string) bool {
	_, ok := c.open(name, value)
	return ok
}

func TestAnyChangedBitOfTheTicketIsNoticed(t *testing.T) {
	c := testCodec(t, "session", "a")
	_, plain := newTicket()
	value, err := c.seal("n", plain)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if opens(c, "n", base64.URLEncoding.EncodeToString(raw)) {
				t.Errorf("byte %d bit %d: the ticket opens", i, bit)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestSE17RecordOpensAtItsPlaceOnly(t *testing.T) {
	here, _ := newTicket()
	data, err := here.seal(&content{Version: contentVersion, Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.open(data); err != nil {
		t.Fatal(err)
	}
	elsewhere := *here // the same key
	elsewhere.id = recordID{}
	if _, err := elsewhere.open(data); err == nil {
		t.Error("the record opens at another key of the store")
	}
	future, err := here.seal(&content{Version: contentVersion + 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.open(future); err == nil {
		t.Error("a record of an unknown version opens")
	}
}

func FuzzTicket(f *testing.F) {
	// Each fuzzing process has its own secret: what the others sealed is forged.
	c := testCodec(f, "session", rand.Text(), rand.Text())
	_, plain := newTicket()
	valid, err := c.seal("n", plain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add(strings.Repeat("A", 176))
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		plain, ok := c.open("n", value)
		if ok && strings.NewReplacer("\r", "", "\n", "").Replace(value) != valid {
			t.Errorf("%q was forged", value)
		}
		parseTicket(plain, recordID{})
	})
}

func FuzzRecord(f *testing.F) {
	t, _ := newTicket()
	valid, err := t.seal(&content{Version: contentVersion, Audience: "a", Began: time.Now().UnixMilli()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add([]byte{})
	f.Fuzz(func(tt *testing.T, data []byte) {
		if _, err := t.open(data); err == nil && !bytes.Equal(data, valid) {
			tt.Error("a record was forged")
		}
	})
}
