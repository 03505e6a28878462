// Package mail sends letters that hold a code.
//
// Send checks a letter and puts it into a bounded queue; it never waits. Two workers
// take letters out, put them into words (texts.go) and hand them to the mail server
// (deliver.go), over TLS unless the configuration says otherwise by the name of the
// risk. What the server refuses for good is dropped, what it refuses for now is tried
// again until the code in it is too old. A server that takes letters from nobody is
// left alone for a while, with all letters waiting, and Health says so.
//
// No line of the log holds a code or a whole address.
package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"foregate/authn"
	"foregate/internal/address"
)

var (
	// ErrFull is returned by Send when too many letters wait.
	ErrFull = errors.New("mail: too many letters wait to be sent")
	// ErrDomain is returned by Send for an address outside of allowed_domains.
	ErrDomain = errors.New("mail: letters may not be sent to this domain")
	// ErrClosed is returned by Send after Close.
	ErrClosed = errors.New("mail: closed")
)

const (
	workers   = 2
	lifetime  = 10 * time.Minute // of a letter that does not say its own
	drainTime = 5 * time.Second
)

// pauses are how long to wait before the next try. Each is doubled from the first to
// the longest, and every wait is a random half to whole of it.
type pauses struct {
	first, letter, server time.Duration // the longest for one letter, and for the server
	signIn                time.Duration // after the server refused our password: it may lock us out
}

var usual = pauses{first: time.Second, letter: time.Minute, server: 20 * time.Second, signIn: time.Minute}

// Mailer is an authn.Mailer. Open makes one.
type Mailer struct {
	log      *slog.Logger
	pauses   pauses
	settings atomic.Pointer[settings]
	server   server

	ready   chan *job // its capacity is all letters that there may be, so nothing waits to put one in
	pending atomic.Int64
	figures figures
	ctx     context.Context // ends with the workers
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.RWMutex // held for reading while a letter is put in
	closed bool
	empty  chan struct{} // told when the last letter is gone
}

// job is a letter on its way.
type job struct {
	letter  authn.Letter
	address address.Address
	until   time.Time
	tries   int
}

var (
	_ authn.Mailer   = (*Mailer)(nil)
	_ authn.Healther = (*Mailer)(nil)
)

// Open starts a Mailer. It does not wait for the mail server.
func Open(c Config, log *slog.Logger) (*Mailer, error) { return open(c, log, usual) }

func open(c Config, log *slog.Logger, p pauses) (*Mailer, error) {
	s, err := c.settings()
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	m := &Mailer{log: log, pauses: p, ready: make(chan *job, max(c.Queue, 1)), empty: make(chan struct{}, 1)}
	m.settings.Store(s)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for range workers {
		m.running.Go(m.work)
	}
	return m, nil
}

// Use puts another configuration in force, for letters that wait too. The size of the
// queue stays.
func (m *Mailer) Use(c Config) error {
	s, err := c.settings()
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	m.settings.Store(s)
	m.server.forget() // it may be another one
	return nil
}

// Send implements authn.Mailer. It returns ErrFull, ErrDomain, ErrClosed, or an error
// for an address that is not one bare address or a letter of no known kind. It takes
// the same time for every address.
func (m *Mailer) Send(_ context.Context, l authn.Letter) error {
	to, err := address.Parse(l.To)
	if err != nil {
		m.figures.refused.Add(1)
		return fmt.Errorf("mail: recipient: %w", err)
	}
	l.To = to.String()
	s := m.settings.Load()
	if !s.mayWriteTo(to.Domain()) {
		m.figures.refused.Add(1)
		return ErrDomain
	}
	if _, ok := s.texts.find(l.App, l.Language, l.Kind); !ok {
		return fmt.Errorf("mail: there is no letter of kind %q", l.Kind)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	if m.pending.Add(1) > int64(cap(m.ready)) {
		m.gone()
		m.figures.refused.Add(1)
		return ErrFull
	}
	m.ready <- &job{letter: l, address: to, until: time.Now().Add(lifetimeOf(l))}
	return nil
}

// lifetimeOf is how long a letter is worth sending.
func lifetimeOf(l authn.Letter) time.Duration {
	if n, err := strconv.Atoi(l.Values["minutes"]); err == nil && n > 0 && n <= 60 {
		return time.Duration(n) * time.Minute
	}
	return lifetime
}

// Health implements authn.Healther: why the mail server took no letter when it was
// last tried, or nil.
func (m *Mailer) Health() error {
	if err := m.server.trouble(); err != nil {
		return authn.Unavailable("E-mails cannot be sent right now. Try again in a few minutes, or sign in another way.", err)
	}
	return nil
}

// Close lets waiting letters go out for five seconds, then drops the rest.
func (m *Mailer) Close() error { return m.close(drainTime) }

func (m *Mailer) close(patience time.Duration) error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for m.pending.Load() > 0 {
		select {
		case <-m.empty:
		case <-timeout.C:
			m.log.Warn("letters not sent before the end", "letters", m.pending.Load())
			m.cancel()
			m.running.Wait()
			return nil
		}
	}
	m.cancel()
	m.running.Wait()
	return nil
}

func (m *Mailer) gone() {
	if m.pending.Add(-1) == 0 {
		select {
		case m.empty <- struct{}{}:
		default:
		}
	}
}

func (m *Mailer) work() {
	for {
		select {
		case <-m.ctx.Done():
			return
		case j := <-m.ready:
			m.try(j)
		}
	}
}

// try sends a letter, or puts it back for later, or gives it up.
func (m *Mailer) try(j *job) {
	now := time.Now()
	if rest := m.server.resting(now); rest > 0 {
		m.later(j, rest+jittered(m.pauses.first))
		return
	}
	j.tries++
	s := m.settings.Load()
	msg, err := s.message(j.letter, now)
	if err != nil {
		m.drop(j, "letter not sent", err)
		return
	}
	err = s.deliver(m.ctx, msg)
	if m.ctx.Err() != nil {
		return // Close has counted and logged it
	}
	m.judge(j, s, err)
}

// judge does what follows from an answer of the server.
func (m *Mailer) judge(j *job, s *settings, err error) {
	var trouble *troubleError
	var refused *refusedError
	switch {
	case errors.As(err, &trouble):
		m.figures.retried.Add(1)
		rest := m.server.failed(trouble, time.Now(), m.pauses)
		if rest.watch {
			m.running.Go(m.watch)
		}
		if rest.first {
			m.log.Error("mail server takes no letters", "server", s.smtp.Address, "err", m.masked(j, err))
		}
		m.later(j, rest.pause)
	case errors.As(err, &refused):
		if refused.sender {
			m.server.note(refused.err)
		} else {
			m.answers(s)
		}
		m.drop(j, "letter refused by the mail server", err)
	case err != nil:
		m.answers(s)
		m.figures.retried.Add(1)
		m.log.Info("letter not taken yet", "to", j.address.Masked(), "kind", j.letter.Kind, "tries", j.tries, "err", m.masked(j, err))
		m.later(j, jittered(doubled(m.pauses.first, j.tries, m.pauses.letter)))
	default:
		m.answers(s)
		m.figures.sent.Add(1)
		m.log.Info("letter sent", "to", j.address.Masked(), "kind", j.letter.Kind, "app", j.letter.App, "tries", j.tries)
		m.gone()
	}
}

func (m *Mailer) answers(s *settings) {
	if m.server.answered() {
		m.log.Info("mail server takes letters again", "server", s.smtp.Address)
	}
}

// later puts a letter back, unless its code would be too old by then.
func (m *Mailer) later(j *job, pause time.Duration) {
	if time.Now().Add(pause).After(j.until) {
		m.drop(j, "letter not sent in time", m.server.trouble())
		return
	}
	time.AfterFunc(pause, func() { m.ready <- j })
}

func (m *Mailer) drop(j *job, why string, err error) {
	m.figures.dropped.Add(1)
	m.log.Warn(why, "to", j.address.Masked(), "kind", j.letter.Kind, "app", j.letter.App, "tries", j.tries, "err", m.masked(j, err))
	m.gone()
}

// masked is the text of an error without the address and the code, which servers
// repeat.
func (m *Mailer) masked(j *job, err error) string {
	if err == nil {
		return ""
	}
	text := regexp.MustCompile("(?i)"+regexp.QuoteMeta(j.address.String())).ReplaceAllLiteralString(err.Error(), j.address.Masked())
	if code := j.letter.Values["code"]; code != "" {
		text = strings.ReplaceAll(text, code, "***")
	}
	return authn.CutControl(strings.ReplaceAll(text, "\n", " "), 400)
}
