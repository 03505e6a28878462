package command

import (
	"context"
	"errors"
	"sync/atomic"

	"foregate/authn"
	"foregate/internal/config"
	"foregate/internal/mail"
	"foregate/proxy/admin"
)

// post is the mailer of the configuration in force. It stays the same through
// reloads, so that no letter is lost in one.
type post struct{ mailer atomic.Pointer[mail.Mailer] }

// mailer is what the methods of a file send letters with; nil without a section mail.
// A mailer that is there already keeps its settings until it is told to use others.
func (fg *running) mailer(file *config.File) (*mail.Mailer, error) {
	if file.Mail == nil {
		return nil, nil // the methods of the file before may still send
	}
	if m := fg.post.mailer.Load(); m != nil {
		return m, nil
	}
	m, err := mail.Open(*file.Mail, fg.log)
	if err != nil {
		return nil, err
	}
	fg.post.mailer.Store(m)
	return m, nil
}

// Send is authn.Mailer.
func (p *post) Send(ctx context.Context, l authn.Letter) error {
	m := p.mailer.Load()
	if m == nil {
		return errors.New("no mail server is configured")
	}
	return m.Send(ctx, l)
}

// close lets waiting letters go out.
func (p *post) close() {
	if m := p.mailer.Load(); m != nil {
		_ = m.Close()
	}
}

func (p *post) stats() mail.Stats {
	if m := p.mailer.Load(); m != nil {
		return m.Stats()
	}
	return mail.Stats{}
}

// up is 1 unless the mail server took no letter when it was last tried.
func (p *post) up() float64 {
	if m := p.mailer.Load(); m != nil && m.Health() != nil {
		return 0
	}
	return 1
}

// figures registers what is known of letters.
func (p *post) figures(m *admin.Metrics) {
	m.Gauge("foregate_mail_up", "0 if the mail server took no letter when it was last tried.", p.up)
	m.Gauge("foregate_mail_waiting", "Letters that wait to be sent.", func() float64 { return float64(p.stats().Waiting) })
	for result, read := range map[string]func(mail.Stats) int64{
		"sent":    func(s mail.Stats) int64 { return s.Sent },
		"retried": func(s mail.Stats) int64 { return s.Retried },
		"refused": func(s mail.Stats) int64 { return s.Refused },
		"dropped": func(s mail.Stats) int64 { return s.Dropped },
	} {
		m.Counter("foregate_mail_letters_total", "Letters by what became of them: sent, tried in vain for now (retried), not accepted for sending (refused), given up (dropped).",
			"result", result, func() float64 { return float64(read(p.stats())) })
	}
}
