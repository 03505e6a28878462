package onetime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

const alice = "alice@hospital.example"

// bench is codes on a clock that stands until it is moved.
type bench struct {
	*Codes
	config Config
	tries  *authntest.Tries

	mu  sync.Mutex
	now time.Time
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	b := &bench{now: time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)}
	b.tries = authntest.NewTries(b.clock)
	c.Once, c.Tries, c.Now = authntest.NewOnce(), b.tries, b.clock
	if c.Keys == nil {
		c.Keys = [][]byte{newKey()}
	}
	b.config = c
	b.Codes = open(t, c)
	return b
}

func open(t *testing.T, c Config) *Codes {
	t.Helper()
	codes, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func newKey() []byte {
	k := make([]byte, 32)
	_, _ = rand.Read(k)
	return k
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// ask begins an attempt and has a code made for it.
func (b *bench) ask(t *testing.T, address, client string) (*authn.Attempt, string) {
	t.Helper()
	a := authntest.NewAttempt("code", "app.example")
	a.Client = netip.MustParseAddr(client)
	code, err := b.New(t.Context(), a, address)
	if err != nil {
		t.Fatal(err)
	}
	return a, code
}

const here = "192.0.2.10"

// other is a code that is not this one.
func other(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestRightCodeIsTakenAsPeopleTypeIt(t *testing.T) {
	for _, spell := range []func(string) string{
		func(c string) string { return c },
		func(c string) string { return " " + c[:3] + " " + c[3:] + "\r\n" },
		func(c string) string { return c[:3] + "-" + c[3:] },
		func(c string) string { return c[:3] + "\u00a0\u2013" + c[3:] + "\u200b" },
	} {
		b := newBench(t, Config{})
		a, code := b.ask(t, alice, here)
		got, err := b.Check(t.Context(), a, spell(code))
		if got != alice || err != nil {
			t.Errorf("Check(%q) = %q, %v", spell(code), got, err)
		}
	}
}

func TestWhatCannotBeACodeIsNoTry(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	before := len(b.tries.Counts())
	for _, typed := range []string{"", " ", "12345", "1234567", "abcdef", "\xff\xfe", strings.Repeat("1", 1<<20), code + "\x00", "１２３４５６"} {
		if _, err := b.Check(t.Context(), a, typed); !errors.Is(err, ErrWrong) {
			t.Errorf("Check(%.20q) = %v, want ErrWrong", typed, err)
		}
	}
	if after := len(b.tries.Counts()); after != before {
		t.Errorf("%d counters, want %d", after, before)
	}
	if _, err := b.Check(t.Context(), a, code); err != nil {
		t.Errorf("the code itself: %v", err)
	}
}

func TestOT1FifthTryIsTheLast(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	for range triesOfCode {
		if _, err := b.Check(t.Context(), a, other(code)); !errors.Is(err, ErrWrong) {
			t.Fatalf("wrong code: %v", err)
		}
	}
	if _, err := b.Check(t.Context(), a, code); !errors.Is(err, ErrDead) {
		t.Errorf("the right code at the sixth try: %v, want ErrDead", err)
	}
}

func TestOT1ParallelGuessesAllCount(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	var all sync.WaitGroup
	var judged, dead atomic.Int64
	for range 100 {
		copied := *a
		copied.Values = maps.Clone(a.Values)
		all.Go(func() {
			switch _, err := b.Check(context.Background(), &copied, other(code)); {
			case errors.Is(err, ErrWrong):
				judged.Add(1)
			case errors.Is(err, ErrDead):
				dead.Add(1)
			}
		})
	}
	all.Wait()
	if judged.Load() != triesOfCode || dead.Load() != 100-triesOfCode {
		t.Errorf("%d judged and %d refused, want %d and %d", judged.Load(), dead.Load(), triesOfCode, 100-triesOfCode)
	}
}

func TestOT1GuessesAtOneAddressInADay(t *testing.T) {
	b := newBench(t, Config{})
	judged := 0
	for hour := range 24 {
		for code := range 2 * addressCodes {
			a := authntest.NewAttempt("code", "app.example")
			a.Client = netip.AddrFrom4([4]byte{198, 51, byte(hour), byte(code)})
			right, err := b.New(t.Context(), a, alice)
			if errors.Is(err, ErrAddressLimit) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 2 * triesOfCode {
				if _, err := b.Check(t.Context(), a, other(right)); errors.Is(err, ErrWrong) {
					judged++
				}
			}
		}
		b.pass(time.Hour)
	}
	if chance := float64(judged) / 1e6; judged != triesInDay || chance >= 1e-4 {
		t.Errorf("%d guesses judged in a day, want %d: a chance of %g", judged, triesInDay, chance)
	}
}

func TestOT1CodesForAnAddressAndForANetwork(t *testing.T) {
	b := newBench(t, Config{})
	for i := range addressCodes {
		b.ask(t, alice, fmt.Sprintf("198.51.100.%d", i))
	}
	a := authntest.NewAttempt("code", "app.example")
	if _, err := b.New(t.Context(), a, alice); !errors.Is(err, ErrAddressLimit) {
		t.Errorf("sixth code for an address: %v, want ErrAddressLimit", err)
	}
	if len(a.Values) != 0 {
		t.Errorf("a refused code leaves %v", a.Values)
	}
	b.pass(sendWindow)
	b.ask(t, alice, here)

	b = newBench(t, Config{})
	for i := range DefaultNetworkCodes {
		b.ask(t, fmt.Sprintf("user%d@hospital.example", i), fmt.Sprintf("2001:db8:0:7::%x", i))
	}
	a.Client = netip.MustParseAddr("2001:db8:0:7:ffff::1")
	if _, err := b.New(t.Context(), a, "user99@hospital.example"); !errors.Is(err, ErrNetworkLimit) {
		t.Errorf("21st code for a /64: %v, want ErrNetworkLimit", err)
	}
	b.ask(t, "user99@hospital.example", "2001:db8:0:8::1")
}

func TestOneNetworkCannotUseUpTheCodesOfAnAddress(t *testing.T) {
	b := newBench(t, Config{NetworkCodes: 3})
	for range 50 {
		a := authntest.NewAttempt("code", "app.example")
		_, _ = b.New(t.Context(), a, alice)
	}
	b.ask(t, alice, "198.51.100.7")
	b.ask(t, alice, "198.51.100.8")
}

func TestAMappedAddressIsItsIPv4Address(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := network(netip.MustParseAddr(addr)); got != want {
			t.Errorf("network(%s) = %s, want %s", addr, got, want)
		}
	}
	if got := network(netip.Addr{}); got == "" {
		t.Error("an unknown address has no counter")
	}
}

func TestOT2CodeIsGoodInItsOwnBrowserOnly(t *testing.T) {
	b := newBench(t, Config{})
	_, code := b.ask(t, alice, here)
	another, its := b.ask(t, alice, here)
	if its == code {
		t.Skip("two equal codes, one time in a million")
	}
	if _, err := b.Check(t.Context(), another, code); !errors.Is(err, ErrWrong) {
		t.Errorf("another browser's code: %v, want ErrWrong", err)
	}
	// What is kept is not enough with another attempt around it.
	moved := authntest.NewAttempt("code", "app.example")
	moved.Values = maps.Clone(another.Values)
	if _, err := b.Check(t.Context(), moved, its); !errors.Is(err, ErrWrong) {
		t.Errorf("values in another attempt: %v, want ErrWrong", err)
	}
	if _, err := b.Check(t.Context(), another, its); err != nil {
		t.Errorf("its own code: %v", err)
	}
}

func TestOT2NewCodeKillsTheOld(t *testing.T) {
	b := newBench(t, Config{})
	a, old := b.ask(t, alice, here)
	before := *a
	before.Values = maps.Clone(a.Values) // a browser that keeps the old cookie
	code, err := b.New(t.Context(), a, alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Check(t.Context(), &before, old); !errors.Is(err, ErrDead) {
		t.Errorf("the old code with the old cookie: %v, want ErrDead", err)
	}
	if _, err := b.Check(t.Context(), a, code); err != nil {
		t.Errorf("the new code: %v", err)
	}
}

func TestOT2RaceHasOneWinner(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	var all sync.WaitGroup
	var won atomic.Int64
	for range 50 {
		all.Go(func() {
			if _, err := b.Check(context.Background(), a, code); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 50 got in, want 1", won.Load())
	}
}

func TestOT2CodeEnds(t *testing.T) {
	b := newBench(t, Config{Lifetime: 3 * time.Minute})
	a, code := b.ask(t, alice, here)
	if a.Began != b.clock() {
		t.Error("the attempt does not begin anew")
	}
	b.pass(3*time.Minute - time.Second)
	copied := *a
	copied.Values = maps.Clone(a.Values)
	if _, err := b.Check(t.Context(), &copied, other(code)); !errors.Is(err, ErrWrong) {
		t.Errorf("just before its end: %v", err)
	}
	b.pass(time.Second)
	if _, err := b.Check(t.Context(), a, code); !errors.Is(err, ErrDead) {
		t.Errorf("at its end: %v, want ErrDead", err)
	}
}

func TestAttemptWithoutACodeIsDead(t *testing.T) {
	b := newBench(t, Config{})
	a, _ := b.ask(t, alice, here)
	for _, missing := range []string{keepSerial, keepUntil} {
		copied := *a
		copied.Values = maps.Clone(a.Values)
		delete(copied.Values, missing)
		if _, err := b.Check(t.Context(), &copied, "123456"); !errors.Is(err, ErrDead) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	delete(a.Values, keepMAC)
	if _, err := b.Check(t.Context(), a, "123456"); !errors.Is(err, ErrWrong) {
		t.Errorf("without a hash: %v", err)
	}
	if _, err := b.Check(t.Context(), new(authn.Attempt), "123456"); !errors.Is(err, ErrDead) {
		t.Errorf("empty attempt: %v", err)
	}
}

func TestCodesOutliveAChangeOfTheSecret(t *testing.T) {
	old, fresh := newKey(), newKey()
	b := newBench(t, Config{Keys: [][]byte{old}})
	for _, keys := range [][][]byte{{fresh, old}, {old, fresh}} {
		a, code := b.ask(t, alice, here)
		c := b.config
		c.Keys = keys
		if _, err := open(t, c).Check(t.Context(), a, code); err != nil {
			t.Errorf("with the old key among several: %v", err)
		}
	}
	a, code := b.ask(t, alice, here)
	c := b.config
	c.Keys = [][]byte{fresh}
	if _, err := open(t, c).Check(t.Context(), a, code); !errors.Is(err, ErrWrong) {
		t.Errorf("without the old key: %v", err)
	}
}

func TestStoreThatDoesNotAnswerLetsNobodyIn(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	for name, change := range map[string]func(*Config){
		"counters": func(c *Config) { c.Tries = authntest.Down{} },
		"marks":    func(c *Config) { c.Once = authntest.Down{} },
	} {
		c := b.config
		change(&c)
		down := open(t, c)
		if _, err := down.Check(t.Context(), a, code); !errors.Is(err, authntest.ErrDown) {
			t.Errorf("Check without %s: %v", name, err)
		}
		if _, err := down.New(t.Context(), a, alice); !errors.Is(err, authntest.ErrDown) {
			t.Errorf("New without %s: %v", name, err)
		}
	}
	if _, err := b.Check(t.Context(), a, code); err != nil {
		t.Errorf("when it answers again: %v", err)
	}
}

// TestOT5CodesAreUniform counts each digit of each place, and first pairs, which
// leading zeros that are lost or a modulus that is not a power of ten would skew.
func TestOT5CodesAreUniform(t *testing.T) {
	const n = 100_000
	var digit [6][10]int
	var pair [100]int
	for range n {
		code, err := random(6)
		if err != nil || len(code) != 6 {
			t.Fatalf("%q, %v", code, err)
		}
		for place, d := range []byte(code) {
			digit[place][d-'0']++
		}
		pair[int(code[0]-'0')*10+int(code[1]-'0')]++
	}
	// Limits that chance exceeds once in ten million runs: χ² of 9 and of 99 degrees.
	for place := range digit {
		if x := chiSquare(digit[place][:], n); x > 50 {
			t.Errorf("place %d: χ² = %.1f", place, x)
		}
	}
	if x := chiSquare(pair[:], n); x > 187 {
		t.Errorf("first two places: χ² = %.1f", x)
	}
}

func chiSquare(counts []int, n int) float64 {
	want := float64(n) / float64(len(counts))
	var x float64
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return x
}

func TestOpenRefusesWhatIsNotSafe(t *testing.T) {
	good := Config{Keys: [][]byte{newKey()}}
	for name, change := range map[string]func(*Config){
		"no key":         func(c *Config) { c.Keys = nil },
		"a short key":    func(c *Config) { c.Keys = [][]byte{newKey(), make([]byte, 31)} },
		"four digits":    func(c *Config) { c.Length = 4 },
		"eleven digits":  func(c *Config) { c.Length = 11 },
		"a long life":    func(c *Config) { c.Lifetime = 11 * time.Minute },
		"no life at all": func(c *Config) { c.Lifetime = time.Millisecond },
	} {
		c := good
		change(&c)
		if _, err := Open(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := Open(good); err != nil {
		t.Error(err)
	}
}

func TestStoreIsToldNoAddressAndNoCode(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, alice, here)
	_, _ = b.Check(t.Context(), a, code)
	for key := range b.tries.Counts() {
		if strings.Contains(key, "alice") || strings.Contains(key, code) || strings.Contains(key, here) || len(key) > 64 {
			t.Errorf("key %q", key)
		}
	}
	for key, value := range a.Values {
		if strings.Contains(value, code) {
			t.Errorf("the attempt keeps the code as %q", key)
		}
	}
}

func FuzzTypedCode(f *testing.F) {
	for _, seed := range []string{"123456", " 123 456\r\n", "123-456", "１２３４５６", "\xff12345", "12345\u202e6"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := digitsOf(typed, 6)
		if !ok {
			return
		}
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, typed)
		if len(code) != 6 || code != digits {
			t.Fatalf("digitsOf(%q) = %q", typed, code)
		}
	})
}
