package pages

import (
	"bytes"
	_ "embed" // the script
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

//go:embed script/warning.js
var warning []byte

// timeLeft is the one message of the script that is counted there.
const timeLeft = "You will be signed out in {{.count}} seconds because nothing happened for a while."

// warningIn is the script with its words.
func (t *tongue) warningIn() ([]byte, error) {
	words, err := json.Marshal(map[string]any{
		"lang": t.Tag, "dir": t.Dir, "left": t.forms[timeLeft],
		"there":  t.say("Are you still there?"),
		"stay":   t.say("Stay signed in"),
		"leave":  t.say("Sign out now"),
		"again":  t.say("Sign in again in a new tab"),
		"close":  t.say("Close"),
		"shared": t.say("Shared device"),
		"finish": t.say("Finish"),
		"over":   t.say("You were signed out"),
		"kept":   t.say("What you typed on this page is still here. Sign in again in a new tab, then come back and go on."),
	})
	if err != nil {
		return nil, fmt.Errorf("pages: words of the script: %w", err)
	}
	return bytes.Replace(warning, []byte("WORDS"), words, 1), nil
}

// WriteWarning answers with the script that tells people before their session ends. A
// browser may keep it for an hour, while it asks with the same cookies.
func (p *Pages) WriteWarning(w http.ResponseWriter, reader Reader) {
	t := p.tongue(reader)
	h := w.Header()
	SecurityHeaders(h)
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Language", t.Tag)
	h.Set("Content-Length", strconv.Itoa(len(t.warning)))
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(t.warning) // the browser may be gone
}
