package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// What is said stands in English where it is said, here and in the packages whose
// words reach a page, and the English sentence is the name of the message. A page is
// told what to say in English and says it in the reader's language; a text that no
// catalogue knows (a title from the configuration, a person's name) stays as it is.

//go:embed languages
var catalogues embed.FS

// Language is one that every page is complete in.
type Language struct {
	Tag  string // BCP 47
	Name string // what its speakers call it
	Dir  string // "ltr" or "rtl"
}

// Languages are all that there are. The first is the one that is spoken if nothing
// else is asked for.
func Languages() []Language { return slices.Clone(languages) }

var languages = []Language{
	{"en", "English", "ltr"},
	{"cy", "Cymraeg", "ltr"},
	{"de", "Deutsch", "ltr"},
	{"fr", "Français", "ltr"},
	{"nl", "Nederlands", "ltr"},
	{"es", "Español", "ltr"},
}

// tongue says everything in one language. It is safe for concurrent use.
type tongue struct {
	Language
	sentences map[string]string // of messages without parts
	localizer *i18n.Localizer   // of messages with parts
	numbers   *message.Printer
	forms     map[string]map[string]string // plural forms (CLDR) of messages that are counted
	warning   []byte                       // the script

	templates map[string]*template.Template // by the name of the file in html/
}

// newTongue reads the catalogue of a language, and the templates. English has only the messages with parts.
func newTongue(l Language, catalogue []byte, texts map[string]string) (*tongue, error) {
	tag, err := language.Parse(l.Tag)
	if err != nil {
		return nil, fmt.Errorf("pages: language %q: %w", l.Tag, err)
	}
	bundle := i18n.NewBundle(tag)
	all, err := bundle.ParseMessageBytes(tag, catalogue, json.Unmarshal)
	if err != nil {
		return nil, fmt.Errorf("pages: catalogue of %s: %w", l.Tag, err)
	}
	t := &tongue{Language: l, sentences: make(map[string]string, len(all)), forms: make(map[string]map[string]string), numbers: message.NewPrinter(tag)}
	t.localizer = i18n.NewLocalizer(bundle, l.Tag)
	for _, m := range all {
		switch {
		case !strings.Contains(m.ID, "{{"):
			t.sentences[m.ID] = m.Other
		case strings.Contains(m.ID, "{{.count}}"):
			t.forms[m.ID] = formsOf(m)
		}
	}
	if t.warning, err = t.warningIn(); err != nil {
		return nil, err
	}
	return t, t.parse(texts)
}

// formsOf are the plural forms that a message has.
func formsOf(m *i18n.Message) map[string]string {
	forms := map[string]string{"zero": m.Zero, "one": m.One, "two": m.Two, "few": m.Few, "many": m.Many, "other": m.Other}
	maps.DeleteFunc(forms, func(_, text string) bool { return text == "" })
	return forms
}

// say is a sentence in the language of the reader: one of ours, or one that was put
// together from one of ours and parts.
func (t *tongue) say(sentence string) string {
	if sentence == "" {
		return ""
	}
	if said, ok := t.sentences[sentence]; ok {
		return said
	}
	if t.Tag == languages[0].Tag {
		return sentence
	}
	for i := range varied {
		if parts, ok := varied[i].parts(sentence); ok {
			return t.render(varied[i].id, parts, nil)
		}
	}
	return sentence
}

// with is a message with its parts: names and values by turns.
func (t *tongue) with(id string, pairs ...string) string {
	return t.render(id, t.parts(pairs), nil)
}

// parts are isolated where the script runs from right to left: a name in letters that
// run the other way would carry away the punctuation beside it (Unicode UAX 9).
func (t *tongue) parts(pairs []string) map[string]string {
	parts := make(map[string]string, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		parts[pairs[i]] = pairs[i+1]
		if t.Dir == "rtl" {
			parts[pairs[i]] = "\u2068" + pairs[i+1] + "\u2069"
		}
	}
	return parts
}

// counted is with for a message whose words depend on the part named count.
func (t *tongue) counted(id string, n int, pairs ...string) string {
	parts := t.parts(pairs)
	parts["count"] = t.number(n)
	return t.render(id, parts, n)
}

// number writes a number as the reader does: 1,000 or 1.000.
func (t *tongue) number(n int) string { return t.numbers.Sprint(n) }

func (t *tongue) render(id string, parts map[string]string, count any) string {
	said, err := t.localized(id, parts, count)
	if err != nil {
		return fill(id, parts) // no such message: tests see to it that there is none
	}
	return said
}

func (t *tongue) localized(id string, parts map[string]string, count any) (string, error) {
	return t.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: parts, PluralCount: count})
}

// fill is a message in English.
func fill(id string, parts map[string]string) string {
	for name, value := range parts {
		id = strings.ReplaceAll(id, "{{."+name+"}}", value)
	}
	return id
}

// pattern recognises what an English message with parts has become.
type pattern struct {
	id    string
	names []string // of the parts, in their order
	fixed []string // what stands before, between and behind them
}

// newPattern takes an ID apart: "Sign in to {{.app}}".
func newPattern(id string) pattern {
	p := pattern{id: id}
	for {
		before, rest, found := strings.Cut(id, "{{.")
		p.fixed = append(p.fixed, before)
		if !found {
			return p
		}
		name, behind, _ := strings.Cut(rest, "}}")
		p.names = append(p.names, name)
		id = behind
	}
}

// parts are what stands in a sentence for the names of the pattern. Each is as short
// as it can be, and none is empty.
func (p *pattern) parts(sentence string) (map[string]string, bool) {
	rest, ok := strings.CutPrefix(sentence, p.fixed[0])
	if !ok {
		return nil, false
	}
	parts := make(map[string]string, len(p.names))
	for i, name := range p.names {
		next := p.fixed[i+1]
		end := strings.Index(rest, next)
		if i == len(p.names)-1 {
			end = len(rest) - len(next)
			if !strings.HasSuffix(rest, next) {
				return nil, false
			}
		}
		if end < 1 {
			return nil, false
		}
		parts[name], rest = rest[:end], rest[end+len(next):]
	}
	return parts, true
}

// elsewhere are the messages with parts that other packages put together.
var elsewhere = []string{
	"Continue as {{.name}}",
	"This link from “{{.partner}}” could not be used. Such a link can be used once, and only for a few minutes by the clocks of both sides. Go back to the page where you found it and follow the link again. If that does not help, tell the people who look after that page.",
	"Too many links from “{{.partner}}” could not be used in the last minute. Wait a minute, go back to the page where you found the link, and follow it again.",
	"Your organisation, {{.organisation}}, wants you to use its own sign-in, and this application does not have that. Ask your service desk.",
	"Your organisation, {{.organisation}}, wants you to use {{.ways}} here.",
}

var varied = func() []pattern {
	all := make([]pattern, len(elsewhere))
	for i, id := range elsewhere {
		all[i] = newPattern(id)
	}
	return all
}()
