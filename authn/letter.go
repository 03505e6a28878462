package authn

import (
	"context"
	"net/http"
	"strings"
)

// Mailer sends a letter. It takes it into a queue and does not wait for the mail
// server, so that its answer and its time tell nothing about the address.
type Mailer interface {
	// Send queues a letter. An error means that it will not be sent: the queue is full,
	// or the address may not be written to.
	Send(ctx context.Context, l Letter) error
}

// Letter is one e-mail to one person.
type Letter struct {
	To       string // a bare address, as it is stored and never as somebody typed it
	Kind     string // which text: "code" (a code to sign in), "verify" (a code to link an account)
	App      string // configured name of the app, whose texts may differ
	Language string // BCP 47, "" for the default
	// Values fill the text: "code", "minutes", "app" (its title), "name".
	Values map[string]string
}

// LanguageOf is what a browser would like best (Accept-Language, RFC 9110, section
// 12.5.4), for Letter; "" where it does not say.
func LanguageOf(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	tag, _, _ := strings.Cut(first, ";")
	if tag = strings.TrimSpace(tag); len(tag) > 35 || tag == "*" {
		return ""
	}
	return tag
}
