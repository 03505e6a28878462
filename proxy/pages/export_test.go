package pages

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Functions are what templates may call beside those of Go.
func Functions() []string { return slices.Sorted(maps.Keys((&tongue{}).funcs())) }

// Elsewhere are the messages that other packages put together.
func Elsewhere() []string { return elsewhere }

// NewWith makes pages that speak one more language, in which each message is what
// translate makes of its English.
func NewWith(l Language, messages []string, translate func(string) string) (*Pages, error) {
	p, err := New()
	if err != nil {
		return nil, err
	}
	catalogue := make(map[string]any)
	for _, id := range messages {
		said := translate(id)
		catalogue[id] = said
		if newPattern(id).counts() {
			catalogue[id] = map[string]string{"zero": said, "one": said, "two": said, "few": said, "many": said, "other": said}
		}
	}
	data, err := json.Marshal(catalogue)
	if err != nil {
		return nil, err
	}
	t, err := newTongue(l, data, p.texts)
	p.tongues[l.Tag] = func() (*tongue, error) { return t, err }
	return p, err
}

func (p pattern) counts() bool {
	for _, name := range p.names {
		if name == "count" {
			return true
		}
	}
	return false
}

// Ago says when something was, in a language.
func (p *Pages) Ago(tag string, at, now time.Time) string {
	return p.tongue(Reader{Language: tag}).ago(at, now)
}

// Moment says a date and a time of day.
func (p *Pages) Moment(tag string, at time.Time) string {
	return p.tongue(Reader{Language: tag}).moment(at)
}

// Counted renders a message that is counted, and says whether the language has words
// for that number.
func (p *Pages) Counted(tag, id string, n int) (string, error) {
	t := p.tongue(Reader{Language: tag})
	for _, name := range newPattern(id).names {
		if name != "count" && name != "names" {
			return "", fmt.Errorf("%q has a part %s", id, name)
		}
	}
	return t.localized(id, map[string]string{"count": t.number(n), "names": "A, B"}, n)
}

// Say is a sentence in a language.
func (p *Pages) Say(tag, sentence string) string {
	return p.tongue(Reader{Language: tag}).say(sentence)
}

// Speaks is the language in which somebody who wants tag is answered.
func (p *Pages) Speaks(tag string) string { return p.tongue(Reader{Language: tag}).Tag }
