package pages

import (
	"slices"

	"golang.org/x/text/language"
)

// maxAccept bounds what is read of a header of a stranger, in bytes. Browsers send
// less than 100.
const maxAccept = 256

// Language is the language of a page: the one that the person has chosen, else the
// first that their browser asks for (Accept-Language, RFC 9110, section 12.5.4), else
// the application's first, always one of those that the application offers.
func (p *Pages) Language(look *Look, chosen, accept string) string {
	if look == nil {
		look = &Look{}
	}
	if look.Offers(chosen) {
		return chosen
	}
	for _, tag := range wanted(accept) {
		_, i, confidence := p.matcher.Match(tag)
		if confidence > language.No && look.Offers(languages[i].Tag) {
			return languages[i].Tag
		}
	}
	return look.own()
}

// wanted are the languages of a header, best first. What cannot be read is none.
func wanted(accept string) []language.Tag {
	if accept == "" || len(accept) > maxAccept {
		return nil
	}
	tags, weights, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return nil
	}
	if i := slices.Index(weights, 0); i >= 0 { // "not this one"; they are in order of their weights
		tags = tags[:i]
	}
	return tags
}

// Offers reports whether pages of the application are to be had in a language.
func (l *Look) Offers(tag string) bool {
	known := slices.ContainsFunc(languages, func(l Language) bool { return l.Tag == tag })
	return known && (len(l.Languages) == 0 || slices.Contains(l.Languages, tag))
}

// own is the language of the application.
func (l *Look) own() string {
	if len(l.Languages) > 0 && l.Offers(l.Languages[0]) {
		return l.Languages[0]
	}
	return languages[0].Tag
}

// tongueLink is one language at the foot of a page.
type tongueLink struct {
	Language
	URL     string
	Current bool
}

// links lead from a page to itself in every language that is offered. There are none
// where there is no choice, or where the page cannot be shown once more.
func (t *tongue) links(s sheet, r Reader, look *Look) []tongueLink {
	if r.Choose == "" || s.once {
		return nil
	}
	var all []tongueLink
	for _, l := range languages {
		if look.Offers(l.Tag) {
			all = append(all, tongueLink{l, link(r.Choose + l.Tag), l.Tag == t.Tag})
		}
	}
	if len(all) < 2 {
		return nil
	}
	return all
}

// tongue is that of a reader.
func (p *Pages) tongue(r Reader) *tongue {
	if make, ok := p.tongues[r.Language]; ok {
		if t, err := make(); err == nil {
			return t
		}
	}
	return p.english
}
