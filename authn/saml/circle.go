package saml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/beevik/etree"
	"golang.org/x/text/unicode/norm"

	"foregate/authn"
)

const (
	nsUI         = "urn:oasis:names:tc:SAML:metadata:ui"
	nsAttributes = "urn:oasis:names:tc:SAML:metadata:attribute"

	categoryAttribute = "http://macedir.org/entity-category"
	hidden            = "http://refeds.org/category/hide-from-discovery"

	maxTitle = 200
)

// circle is the providers of a method: one, or those of a federation.
type circle struct {
	all       []*provider // by title
	byName    map[string]*provider
	described time.Time // when the log said last what this is
}

func circleOf(all ...*provider) *circle {
	c := &circle{byName: make(map[string]*provider, len(all))}
	for _, p := range all {
		if c.byName[p.entityID] == nil { // nobody takes another's name
			c.byName[p.entityID] = p
			c.all = append(c.all, p)
		}
	}
	slices.SortStableFunc(c.all, func(a, b *provider) int { return cmp.Compare(a.titles.folded, b.titles.folded) })
	return c
}

// only is the provider of a method that has one; nil for nothing known.
func (c *circle) only() *provider {
	if c == nil || len(c.all) != 1 {
		return nil
	}
	return c.all[0]
}

// named is a provider by its entity ID.
func (c *circle) named(entityID string) *provider {
	if c == nil {
		return nil
	}
	return c.byName[entityID]
}

// titles are what people call a provider.
type titles struct {
	title    string // never empty
	folded   string // as it is compared
	searched string // all that is searched, folded
	hidden   bool   // it does not want to be offered
}

// titlesOf reads the names of a provider (SAML 2.0 Metadata Extensions for Login and
// Discovery User Interface).
func titlesOf(entity, role *etree.Element) titles {
	var names, words []string
	for _, ui := range extensions(role, nsUI, "UIInfo") {
		for _, lang := range []bool{true, false} { // English first
			for _, n := range children(ui, nsUI, "DisplayName") {
				if english(n) == lang {
					names = append(names, text(n))
				}
			}
		}
		for _, k := range children(ui, nsUI, "Keywords") {
			words = append(words, strings.ReplaceAll(text(k), "+", " "))
		}
	}
	for _, o := range children(entity, nsMetadata, "Organization") {
		for _, n := range children(o, nsMetadata, "OrganizationDisplayName") {
			names = append(names, text(n))
		}
	}
	id := value(attr(entity, "entityID"))
	names = slices.DeleteFunc(append(names, id), func(s string) bool { return strings.TrimSpace(s) == "" })
	t := titles{title: authn.CutControl(names[0], maxTitle)}
	t.folded = fold(t.title)
	t.searched = fold(authn.CutControl(strings.Join(append(names, words...), " "), 4*maxTitle))
	for _, e := range extensions(entity, nsAttributes, "EntityAttributes") {
		for _, a := range children(e, nsAssertion, "Attribute") {
			for _, v := range children(a, nsAssertion, "AttributeValue") {
				t.hidden = t.hidden || attr(a, "Name") == categoryAttribute && text(v) == hidden
			}
		}
	}
	return t
}

func extensions(el *etree.Element, namespace, tag string) []*etree.Element {
	var all []*etree.Element
	for _, ext := range children(el, nsMetadata, "Extensions") {
		all = append(all, children(ext, namespace, tag)...)
	}
	return all
}

func english(el *etree.Element) bool {
	for _, a := range el.Attr {
		if a.Space == "xml" && a.Key == "lang" {
			return a.Value == "en" || strings.HasPrefix(a.Value, "en-")
		}
	}
	return false
}

// fold makes texts alike that people type alike: case and accents do not count.
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// search returns those providers in whose names all words are, those that begin with
// them first, and how many there are in all.
func (c *circle) search(typed string, most int) (found []*provider, all int) {
	words := strings.Fields(fold(typed))
	if c == nil || len(words) == 0 && len(c.all) > most {
		return nil, 0
	}
	var later []*provider
	for _, p := range c.all {
		fits := !p.titles.hidden
		for _, w := range words {
			fits = fits && strings.Contains(p.titles.searched, w)
		}
		switch {
		case !fits:
			continue
		case len(words) > 0 && !strings.HasPrefix(p.titles.folded, words[0]):
			later = append(later, p)
		default:
			found = append(found, p)
		}
		all++
	}
	found = append(found, later...)
	return found[:min(len(found), most)], all
}

// federationLimits hold for the metadata of a federation. Larger ones are for a query
// service: a signature over the whole must be verified before a byte of it counts.
var federationLimits = limits{bytes: 16 << 20, tokens: 4 << 20, comments: true}

// readFederation reads all identity providers of an aggregate. One that cannot be used does
// not spoil the others; of two of one name the first counts.
func readFederation(text []byte, only []string, signers []signer, signed bool, now time.Time, insecure bool) (c *circle, unusable int, err error) {
	root, err := metadataRoot(text, federationLimits, signers, signed)
	if err != nil {
		return nil, 0, err
	}
	var all []*provider
	var last error
	var walk func(el *etree.Element, until time.Time) error
	walk = func(el *etree.Element, until time.Time) error {
		end, err := validUntil(el)
		if err != nil {
			return err
		}
		until = earlier(until, end)
		if is(el, nsMetadata, "EntitiesDescriptor") {
			for _, c := range el.ChildElements() {
				if is(c, nsMetadata, "EntitiesDescriptor") || is(c, nsMetadata, "EntityDescriptor") {
					if err := walk(c, until); err != nil {
						unusable++
						last = err
					}
				}
			}
			return nil
		}
		if len(only) > 0 && !slices.Contains(only, value(attr(el, "entityID"))) || len(children(el, nsMetadata, "IDPSSODescriptor")) == 0 {
			return nil
		}
		p, err := readEntity(el, until, insecure)
		if err == nil {
			err = p.current(signed, now)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", short(attr(el, "entityID")), err)
		}
		all = append(all, p)
		return nil
	}
	if err := walk(root, time.Time{}); err != nil {
		return nil, 0, err
	}
	if len(all) == 0 {
		return nil, unusable, errors.Join(errors.New("metadata without an identity provider that can be used"), last)
	}
	return circleOf(all...), unusable, nil
}
