package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"foregate/authn"
	"foregate/internal/address"
	"foregate/internal/mailtest"
)

const patience = 20 * time.Second

// quick is pauses for tests.
var quick = pauses{first: time.Millisecond, letter: 10 * time.Millisecond, server: 10 * time.Millisecond, signIn: time.Minute}

func configFor(s *mailtest.Server) Config {
	return Config{
		SMTP:  SMTP{Address: s.Addr, CA: authn.Path(s.CA), Timeout: 10 * time.Second},
		From:  "Careplan <no-reply@signin.careplan.example>",
		Queue: 1000,
	}
}

// start opens a Mailer whose log is kept.
func start(t *testing.T, c Config, p pauses) (*Mailer, *lines) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	m, err := open(c, slog.New(slog.NewTextHandler(log, nil)), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.close(0) })
	return m, log
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func letterTo(to string) authn.Letter {
	return authn.Letter{To: to, Kind: "code", App: "careplan", Values: map[string]string{
		"code": "012345", "minutes": "10", "app": "Careplan", "name": "Alice Archer",
	}}
}

// until waits for what is not told by a channel.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

const alice = "Alice.Archer@hospital.example"

func TestLetterAsReceived(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{Username: "foregate", Password: "s3cret"})
	c := configFor(server)
	c.SMTP.Username, c.SMTP.Password = "foregate", authn.NewSecret("s3cret")
	c.ReplyTo = "Service desk <desk@hospital.example>"
	m, log := start(t, c, quick)
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	got := server.Next()
	if got.From != "no-reply@signin.careplan.example" || got.To != alice || !got.TLS || got.User != "foregate" {
		t.Errorf("envelope %q to %q, TLS %v, user %q", got.From, got.To, got.TLS, got.User)
	}
	for name, want := range map[string]string{
		"From": `"Careplan" <no-reply@signin.careplan.example>`, "To": "<" + alice + ">",
		"Reply-To": `"Service desk" <desk@hospital.example>`, "Subject": "Your code for Careplan",
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Cc": "", "Bcc": "", "User-Agent": "", "X-Mailer": "",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if id := got.Header.Get("Message-ID"); !strings.HasSuffix(id, "@signin.careplan.example>") || len(id) < 40 {
		t.Errorf("Message-ID %q", id)
	}
	if date, err := got.Header.Date(); err != nil || time.Since(date) > time.Hour {
		t.Errorf("Date %v, %v", date, err)
	}
	text, html := bodies(t, got.Message)
	for what, body := range map[string]string{"text": text, "html": html} {
		for _, want := range []string{"012345", "Careplan", "Alice Archer", "10 minutes"} {
			if !strings.Contains(body, want) {
				t.Errorf("the %s does not say %q:\n%s", what, want, body)
			}
		}
		for _, link := range []string{"http:", "https:", "<a", "<img", "src=", "href", "url("} {
			if strings.Contains(strings.ToLower(body), link) {
				t.Errorf("the %s has %q in it", what, link)
			}
		}
	}
	until(t, "the letter is counted", func() bool { return m.Stats() == Stats{Sent: 1} })
	if s := log.String(); strings.Contains(s, "012345") || strings.Contains(s, "Archer@") || strings.Contains(s, "s3cret") || !strings.Contains(s, "A***@hospital.example") {
		t.Errorf("log:\n%s", s)
	}
}

// bodies are the two parts of a letter.
func bodies(t *testing.T, m *netmail.Message) (text, html string) {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %q: %v", m.Header.Get("Content-Type"), err)
	}
	r := multipart.NewReader(m.Body, parameters["boundary"])
	var parts []string
	for _, want := range []string{"text/plain", "text/html"} { // the last is the one that is shown
		p, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if kind := p.Header.Get("Content-Type"); !strings.HasPrefix(kind, want) {
			t.Errorf("part is %q, want %s", kind, want)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(body))
	}
	return parts[0], parts[1]
}

func TestOT4RecipientsThatAreNotOneBareAddress(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	m, _ := start(t, configFor(server), quick)
	bad := []string{
		"", "alice", "alice@hospital.example\r\nBcc: mallory@evil.example", "alice@hospital.example,mallory@evil.example",
		"Alice <alice@hospital.example>", `"a"@hospital.example`, "alice@[127.0.0.1]", "alice@evil.example@hospital.example",
		"alice@hospital.example ", "alice@hospital.example>\r\nRCPT TO:<mallory@evil.example", strings.Repeat("a", 10<<10) + "@hospital.example",
	}
	for _, to := range bad {
		if err := m.Send(t.Context(), letterTo(to)); !errors.Is(err, address.ErrNot) {
			t.Errorf("Send to %.40q: %v", to, err)
		}
	}
	if got := m.Stats(); got != (Stats{Refused: int64(len(bad))}) {
		t.Errorf("stats %+v", got)
	}
	if err := m.Send(t.Context(), authn.Letter{To: alice, Kind: "newsletter"}); err == nil {
		t.Error("a letter of no known kind is accepted")
	}
	// What was refused did not go out before what is sent now.
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	if got := server.Next(); got.To != alice {
		t.Errorf("letter to %q", got.To)
	}
}

func TestOT4ValuesCannotAddHeaders(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	m, _ := start(t, configFor(server), quick)
	l := letterTo(alice)
	l.Values["app"] = "Care\r\nBcc: mallory@evil.example\r\n\r\nplan\u202e"
	l.Values["name"] = "<b>Alice</b>\r\n.\r\nQUIT"
	if err := m.Send(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := server.Next()
	if got.To != alice || got.Header.Get("Bcc") != "" || got.Header.Get("Subject") != "Your code for CareBcc: mallory@evil.exampleplan" {
		t.Errorf("to %q, headers %v", got.To, got.Header)
	}
	if _, html := bodies(t, got.Message); strings.Contains(html, "<b>Alice") || !strings.Contains(html, "&lt;b&gt;Alice") {
		t.Errorf("a name is markup:\n%s", html)
	}
}

func TestSubjectBeyondASCIIIsEncoded(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	m, _ := start(t, configFor(server), quick)
	l := letterTo(alice)
	l.Values["app"] = "Pflegeübersicht"
	if err := m.Send(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	raw := server.Next().Header.Get("Subject")
	got, err := new(mime.WordDecoder).DecodeHeader(raw)
	if err != nil || got != "Your code for Pflegeübersicht" || strings.ContainsFunc(raw, func(r rune) bool { return r > 126 }) {
		t.Errorf("Subject %q, read as %q, %v", raw, got, err)
	}
}

func TestAllowedDomains(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	c := configFor(server)
	c.AllowedDomains = []string{"Hospital.example", ".st-elsewhere.example"}
	m, _ := start(t, c, quick)
	for to, want := range map[string]error{
		"a@hospital.example": nil, "a@HOSPITAL.example": nil, "a@ward.st-elsewhere.example": nil,
		"a@ward.hospital.example": ErrDomain, "a@st-elsewhere.example": ErrDomain, "a@notst-elsewhere.example": ErrDomain,
		"a@evilhospital.example": ErrDomain, "a@hospital.example.evil.example": ErrDomain,
	} {
		if err := m.Send(t.Context(), letterTo(to)); !errors.Is(err, want) {
			t.Errorf("Send to %s: %v, want %v", to, err, want)
		}
	}
}

func TestWhatIsRefusedForNowIsTriedAgain(t *testing.T) {
	var tries atomic.Int64
	server := mailtest.Start(t, mailtest.Options{Rcpt: func(to string) error {
		if tries.Add(1) < 3 {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted <" + to + ">, code 012345"}
		}
		return nil
	}})
	m, log := start(t, configFor(server), quick)
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	server.Next()
	until(t, "the letter is counted", func() bool { return m.Stats() == Stats{Sent: 1, Retried: 2} })
	if err := m.Health(); err != nil {
		t.Errorf("Health: %v", err)
	}
	if s := log.String(); strings.Contains(s, "012345") || strings.Contains(s, "Archer@") {
		t.Errorf("log:\n%s", s)
	}
}

func TestWhatIsRefusedForGoodIsDropped(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{Rcpt: func(to string) error {
		if strings.HasPrefix(to, "nobody") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user " + strings.ToUpper(to)}
		}
		return nil
	}})
	m, log := start(t, configFor(server), quick)
	if err := m.Send(t.Context(), letterTo("nobody@hospital.example")); err != nil {
		t.Fatal(err)
	}
	until(t, "the letter is dropped", func() bool { return m.Stats() == Stats{Dropped: 1} })
	if s := log.String(); strings.Count(s, "\n") != 1 || strings.Contains(strings.ToLower(s), "nobody@") || !strings.Contains(s, "n***@hospital.example") || !strings.Contains(s, "550") {
		t.Errorf("log:\n%s", s)
	}
	if err := m.Health(); err != nil {
		t.Errorf("one wrong recipient makes Health %v", err)
	}
}

func TestSenderThatIsRefusedIsTheServersTrouble(t *testing.T) {
	var refuse atomic.Bool
	refuse.Store(true)
	server := mailtest.Start(t, mailtest.Options{Mail: func(string) error {
		if refuse.Load() {
			return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "sender not allowed"}
		}
		return nil
	}})
	m, _ := start(t, configFor(server), quick)
	send := func() {
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Fatal(err)
		}
	}
	send()
	until(t, "Health says so", func() bool { return m.Health() != nil && m.Stats().Dropped == 1 })
	refuse.Store(false)
	send()
	server.Next()
	until(t, "Health is well", func() bool { return m.Health() == nil })
}

func TestServerDownThenUp(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	c := configFor(server)
	server.Stop()
	m, log := start(t, c, quick)
	const letters = 20
	for i := range letters {
		start := time.Now()
		if err := m.Send(t.Context(), letterTo(fmt.Sprintf("user%d@hospital.example", i))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Send took %v", took)
		}
	}
	until(t, "Health says so", func() bool { return m.Health() != nil })
	var public *authn.Error
	if err := m.Health(); !errors.As(err, &public) || public.Public == "" {
		t.Errorf("Health: %v has no words", err)
	}
	until(t, "it was tried several times", func() bool { return m.Stats().Retried > 3 })
	again := mailtest.Start(t, mailtest.Options{Addr: server.Addr})
	c.SMTP.CA = authn.Path(again.CA)
	if err := m.Use(c); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range letters {
		seen[again.Next().To] = true
	}
	if len(seen) != letters {
		t.Errorf("%d different letters, want %d", len(seen), letters)
	}
	until(t, "all are gone", func() bool { s := m.Stats(); return s.Waiting == 0 && s.Sent == letters })
	if n := strings.Count(log.String(), "mail server takes no letters"); n < 1 || n > 2 {
		t.Errorf("%d lines about one outage:\n%s", n, log)
	}
}

func TestServerIsFoundWellWithoutALetter(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{NoTLS: true})
	c := configFor(server)
	c.SMTP.CA, c.SMTP.InsecureNoTLS = "", true
	server.Stop()
	m, log := start(t, c, quick)
	to, err := address.Parse(alice)
	if err != nil {
		t.Fatal(err)
	}
	m.pending.Add(1)
	m.try(&job{letter: letterTo(alice), address: to, until: time.Now()})
	if got := m.Stats(); got.Waiting != 0 || got.Dropped != 1 || m.Health() == nil {
		t.Fatalf("a letter out of time, and no server: %+v, Health %v", got, m.Health())
	}
	mailtest.Start(t, mailtest.Options{Addr: server.Addr, NoTLS: true})
	until(t, "Health is well", func() bool { return m.Health() == nil })
	until(t, "the log says so", func() bool { return strings.Contains(log.String(), "takes letters again") })
}

func TestServerThatTakesNoLettersAtAll(t *testing.T) {
	// A collection would close a connection that was forgotten.
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	other := mailtest.Start(t, mailtest.Options{})
	tests := map[string]struct {
		options mailtest.Options
		change  func(*Config)
		want    string
	}{
		"STARTTLS stripped by somebody between": {mailtest.Options{NoTLS: true}, func(*Config) {}, "STARTTLS"},
		"another authority":                     {mailtest.Options{}, func(c *Config) { c.SMTP.CA = authn.Path(other.CA) }, "certificate"},
		"the system's authorities":              {mailtest.Options{}, func(c *Config) { c.SMTP.CA = "" }, "certificate"},
		"another host's certificate":            {mailtest.Options{WrongName: true}, func(*Config) {}, "certificate"},
		"another host's, TLS from the start":    {mailtest.Options{WrongName: true, ImplicitTLS: true}, func(c *Config) { c.SMTP.ImplicitTLS = true }, "certificate"},
		"no TLS where it should begin with it":  {mailtest.Options{NoTLS: true}, func(c *Config) { c.SMTP.ImplicitTLS = true }, "tls"},
		"a wrong password":                      {mailtest.Options{Username: "foregate", Password: "right"}, func(c *Config) { c.SMTP.Username, c.SMTP.Password = "foregate", authn.NewSecret("wrong") }, "535"},
		"a password that nobody wants":          {mailtest.Options{}, func(c *Config) { c.SMTP.Username, c.SMTP.Password = "foregate", authn.NewSecret("right") }, "PLAIN"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, tt.options)
			c := configFor(server)
			tt.change(&c)
			m, log := start(t, c, quick)
			if err := m.Send(t.Context(), letterTo(alice)); err != nil {
				t.Fatal(err)
			}
			until(t, "Health says so", func() bool { return m.Health() != nil })
			if err := m.Health(); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Health %v, want it to say %s", err, tt.want)
			}
			c.SMTP.Address = "127.0.0.1:1" // so that no new connection is made
			if err := m.Use(c); err != nil {
				t.Fatal(err)
			}
			until(t, "no connection is left open", func() bool { return server.Open() == 0 })
			if s := m.Stats(); s.Sent != 0 || s.Waiting != 1 || len(server.Letters) != 0 {
				t.Errorf("stats %+v, %d letters", s, len(server.Letters))
			}
			if s := log.String(); strings.Contains(s, "012345") || strings.Contains(s, "Archer@") || strings.Contains(s, "=wrong") || strings.Contains(s, "=right") {
				t.Errorf("log:\n%s", s)
			}
		})
	}
}

func TestWrongPasswordIsNotTriedAgainAndAgain(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{Username: "foregate", Password: "right"})
	c := configFor(server)
	c.SMTP.Username, c.SMTP.Password = "foregate", authn.NewSecret("wrong")
	m, _ := start(t, c, quick)
	for range 10 {
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all letters met it", func() bool { return len(m.ready) == 0 && m.Health() != nil })
	if n := server.SignIns(); n > workers {
		t.Errorf("%d tries to sign in, want %d at most", n, workers)
	}
}

func TestWaysToReachAServer(t *testing.T) {
	for name, tt := range map[string]struct {
		options mailtest.Options
		change  func(*Config)
		tls     bool
	}{
		"TLS from the first byte": {mailtest.Options{ImplicitTLS: true, Username: "u", Password: "p"}, func(c *Config) {
			c.SMTP.ImplicitTLS = true
			c.SMTP.Username, c.SMTP.Password = "u", authn.NewSecret("p")
		}, true},
		"AUTH LOGIN": {mailtest.Options{Username: "u", Password: "p", LoginOnly: true}, func(c *Config) { c.SMTP.Username, c.SMTP.Password = "u", authn.NewSecret("p") }, true},
		"plain text": {mailtest.Options{NoTLS: true}, func(c *Config) { c.SMTP.InsecureNoTLS, c.SMTP.CA = true, "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, tt.options)
			c := configFor(server)
			tt.change(&c)
			m, _ := start(t, c, quick)
			if err := m.Send(t.Context(), letterTo(alice)); err != nil {
				t.Fatal(err)
			}
			if got := server.Next(); got.TLS != tt.tls || got.User != c.SMTP.Username {
				t.Errorf("TLS %v, user %q", got.TLS, got.User)
			}
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	c := configFor(server)
	server.Stop()
	c.Queue = 5
	slow := quick
	slow.first, slow.server, slow.letter = time.Hour, time.Hour, time.Hour
	m, _ := start(t, c, slow)
	// With pauses of an hour each letter that meets the outage is given up, so hold the workers.
	m.server.mu.Lock()
	for i := range 5 {
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Errorf("letter %d: %v", i, err)
		}
	}
	err := m.Send(t.Context(), letterTo(alice))
	m.server.mu.Unlock()
	if !errors.Is(err, ErrFull) {
		t.Errorf("sixth letter: %v, want ErrFull", err)
	}
	until(t, "those that cannot be sent in time are given up", func() bool { return m.Stats().Waiting == 0 })
	if got := m.Stats(); got.Dropped != 5 || got.Refused != 1 {
		t.Errorf("stats %+v", got)
	}
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

func TestOT3SendTakesTheSameTimeWhateverTheServerDoes(t *testing.T) {
	block := make(chan struct{})
	server := mailtest.Start(t, mailtest.Options{Rcpt: func(string) error { <-block; return nil }})
	t.Cleanup(func() { close(block) })
	m, _ := start(t, configFor(server), quick)
	var quickest time.Duration = time.Hour
	for range 100 {
		start := time.Now()
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, time.Since(start))
	}
	if quickest > 5*time.Millisecond {
		t.Errorf("the quickest Send took %v", quickest)
	}
}

func TestCloseLetsLettersGoOut(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	m, _ := start(t, configFor(server), quick)
	for range 10 {
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(server.Letters); n != 10 {
		t.Errorf("%d letters at the end, want 10", n)
	}
	if err := m.Send(t.Context(), letterTo(alice)); !errors.Is(err, ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	block := make(chan struct{})
	server := mailtest.Start(t, mailtest.Options{Rcpt: func(string) error { <-block; return nil }})
	t.Cleanup(func() { close(block) })
	m, log := start(t, configFor(server), quick)
	for range 3 {
		if err := m.Send(t.Context(), letterTo(alice)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := m.close(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("Close took %v", took)
	}
	if !strings.Contains(log.String(), "letters=3") {
		t.Errorf("log:\n%s", log)
	}
}

func TestServerThatHangsHoldsALetterNoLongerThanItsTime(t *testing.T) {
	block := make(chan struct{})
	var hung atomic.Bool
	server := mailtest.Start(t, mailtest.Options{Data: func() error {
		if hung.CompareAndSwap(false, true) {
			<-block
		}
		return nil
	}})
	t.Cleanup(func() { close(block) })
	c := configFor(server)
	c.SMTP.Timeout = 300 * time.Millisecond
	m, _ := start(t, c, quick)
	if err := m.Send(t.Context(), letterTo(alice)); err != nil {
		t.Fatal(err)
	}
	server.Next()
	until(t, "the letter is counted", func() bool { s := m.Stats(); return s.Sent == 1 && s.Retried >= 1 })
}

func TestPausesGrowToTheirLongest(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 1, 1: 1, 2: 2, 4: 8, 5: 10, 1000: 10} {
		if got := doubled(time.Second, failures, 10*time.Second); got != want*time.Second {
			t.Errorf("after %d failures %v, want %v", failures, got, want*time.Second)
		}
	}
	for range 1000 {
		if got := jittered(time.Second); got < time.Second/2 || got > time.Second {
			t.Fatalf("jittered to %v", got)
		}
	}
}
