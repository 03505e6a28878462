package mail

import (
	"context"
	"errors"
	"time"

	"foregate/authn"
)

// Check greets the mail server, turns encryption on and signs in, and sends
// nothing.
func (c *Config) Check() authn.Check { return authn.Check{Target: c.SMTP.Address, Look: c.look} }

func (c *Config) look(ctx context.Context, w *authn.Witness) authn.Finding {
	s, err := c.settings()
	if err != nil {
		return authn.Finding{Err: err}
	}
	s.witness = w
	if end, ok := ctx.Deadline(); ok {
		s.smtp.Timeout = min(s.smtp.Timeout, max(time.Until(end), time.Millisecond))
	}
	err = s.probe(ctx)
	f := authn.Finding{Detail: "greeted, encrypted"}
	if s.smtp.Username != "" {
		f.Detail += ", signed in"
	}
	var trouble *troubleError
	switch {
	case errors.As(err, &trouble) && trouble.ourSignIn:
		return authn.Finding{Err: errors.New("the server refuses our user name or password"), Remedy: "compare mail.smtp.username and password with the server; it may want a password made for this purpose alone"}
	case err != nil:
		return authn.Finding{Err: err, Remedy: "the server must offer STARTTLS at this port; for TLS from the first byte (port 465) write implicit_tls: true"}
	case s.smtp.InsecureNoTLS:
		f.Detail, f.Warning, f.Remedy = "greeted", "letters go in plain text, where anybody between can read the codes", "remove insecure_no_tls"
	}
	return f
}
