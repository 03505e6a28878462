package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"foregate/authn"
	"foregate/internal/resolve"
)

// troubleError says that the mail server takes letters from nobody: it cannot be reached,
// speaks no TLS, has the wrong certificate, does not know us.
type troubleError struct {
	err       error
	ourSignIn bool // the server refused our user name or password
}

func (e *troubleError) Error() string { return e.err.Error() }
func (e *troubleError) Unwrap() error { return e.err }

// refusedError says that the server will never take this letter.
type refusedError struct {
	err    error
	sender bool // because of whom it is from, so that it will take no other either
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// message puts a letter into words and into the form that is sent.
func (s *settings) message(l authn.Letter, now time.Time) (*gomail.Msg, error) {
	w, ok := s.texts.find(l.App, l.Language, l.Kind)
	if !ok {
		return nil, fmt.Errorf("mail: there is no letter of kind %q", l.Kind)
	}
	words, err := w.fill(Values{Code: l.Values["code"], Minutes: l.Values["minutes"], App: l.Values["app"], Name: l.Values["name"]})
	if err != nil {
		return nil, fmt.Errorf("mail: fill letter: %w", err)
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	if s.replyTo != nil {
		m.ReplyToMailAddress(s.replyTo)
	}
	m.ToMailAddress(&netmail.Address{Address: l.To})
	m.Subject(words.Subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(rand.Text() + "@" + s.fromDomain)
	// So that no holiday notice comes back (RFC 3834, and what Exchange looks at).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(gomail.TypeTextPlain, words.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, words.HTML)
	return m, nil
}

// deliver sends one message over a connection of its own. It returns nil once the
// server has taken it, a *troubleError, a *refusedError, or another error if a later
// try may succeed.
func (s *settings) deliver(ctx context.Context, m *gomail.Msg) error {
	return s.connected(ctx, func(client *gomail.Client, c *smtp.Client) error {
		err := client.SendWithSMTPClient(c, m)
		var failed *gomail.SendError
		switch {
		case m.IsDelivered(): // even if the farewell went wrong
			return nil
		case errors.As(err, &failed) && failed.ErrorCode() >= 500:
			return &refusedError{err, failed.Reason == gomail.ErrSMTPMailFrom}
		case errors.As(err, &failed) && failed.ErrorCode() >= 400:
			return err
		}
		return &troubleError{err: err} // the connection broke
	})
}

// probe goes as far as a letter's first word would. It returns nil or a *troubleError.
func (s *settings) probe(ctx context.Context) error {
	return s.connected(ctx, func(*gomail.Client, *smtp.Client) error { return nil })
}

// connected calls do with a connection on which we are signed in.
func (s *settings) connected(ctx context.Context, do func(*gomail.Client, *smtp.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.smtp.Timeout)
	defer cancel()
	signIn := &login{username: s.smtp.Username, password: s.smtp.Password}
	client, err := s.client(signIn, func(dialling context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.dial(dialling, network, addr)
		if err != nil {
			return nil, err
		}
		// The library bounds each command and not all of them, and leaves a
		// connection open on which something went wrong: it ends with ctx.
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		return conn, nil
	})
	if err != nil {
		return &troubleError{err: err}
	}
	c, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &troubleError{err: err, ourSignIn: signIn.started}
	}
	err = do(client, c)
	_ = c.Quit()
	return err
}

func (s *settings) client(signIn *login, dial gomail.DialContextFunc) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.smtp.Timeout), gomail.WithHELO(s.smtp.HELO),
		gomail.WithTLSConfig(s.tls()), gomail.WithTLSPolicy(gomail.TLSMandatory),
		gomail.WithDialContextFunc(dial), gomail.WithoutSMTPUTF8(),
	}
	if s.smtp.ImplicitTLS || s.smtp.InsecureNoTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS)) // dial does it, or nobody
	}
	if s.smtp.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(signIn))
	}
	return gomail.NewClient(s.host, options...)
}

func (s *settings) tls() *tls.Config {
	cfg := &tls.Config{ServerName: s.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	if s.witness != nil {
		return s.witness.TLS(cfg)
	}
	return cfg
}

func (s *settings) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := resolve.Dial(ctx, new(net.Dialer), network, addr)
	if err != nil || !s.smtp.ImplicitTLS {
		return conn, err
	}
	encrypted := tls.Client(conn, s.tls())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}

// login signs in to the mail server, over TLS only, by what it offers.
type login struct {
	username string
	password authn.Secret

	started bool
	smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, smtp.ErrUnencrypted
	}
	password := l.password.Reveal()
	switch {
	case slices.Contains(server.Auth, "PLAIN"):
		l.Auth = smtp.PlainAuth("", l.username, password, server.Name, false)
	case slices.Contains(server.Auth, "LOGIN"):
		l.Auth = smtp.LoginAuth(l.username, password, server.Name, false)
	case slices.Contains(server.Auth, "SCRAM-SHA-256"):
		l.Auth = smtp.ScramSHA256Auth(l.username, password)
	default:
		return "", nil, fmt.Errorf("mail: the server offers none of PLAIN, LOGIN, SCRAM-SHA-256 but %q", server.Auth)
	}
	l.started = true
	return l.Auth.Start(server)
}
