package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// usual are the letters that user names are made of. Others are learned from the
// entries that a server gives before it says that there are more.
const usual = "abcdefghijklmnopqrstuvwxyz0123456789.-_"

const deepest = 32 // letters

// byLetters reads everybody whose name begins with one letter after the other, then
// whose with none of them.
func (r *reading) byLetters(ctx context.Context) error {
	if err := r.whole(ctx, ""); !tooMany(err) {
		return err
	}
	return r.below(ctx, "")
}

// beginning reads whoever has a name that begins with prefix, a letter deeper where
// those are too many.
func (r *reading) beginning(ctx context.Context, prefix string) error {
	if err := r.whole(ctx, r.begins(prefix)); !tooMany(err) {
		return err
	}
	if utf8.RuneCountInString(prefix) >= deepest {
		return fmt.Errorf("too many names begin with %q", prefix)
	}
	return r.below(ctx, prefix)
}

// below reads those of prefix letter by letter. What begins with no known letter
// comes last; if those are too many, what came of them teaches the missing letters.
func (r *reading) below(ctx context.Context, prefix string) error {
	var done []string
	next := strings.Split(usual, "")
	for {
		for _, letter := range next {
			if err := r.beginning(ctx, prefix+letter); err != nil {
				return err
			}
		}
		done = append(done, next...)
		rest, err := r.rest(ctx, prefix, done)
		if !tooMany(err) {
			return err
		}
		if next = r.letters(rest, prefix, done); len(next) == 0 {
			return fmt.Errorf("too many people have no name after %q in %s: %w", prefix, r.attribute(), err)
		}
	}
}

// rest reads those of prefix that go on with none of some letters. Too many of them
// are returned and not given.
func (r *reading) rest(ctx context.Context, prefix string, letters []string) ([]*ldap.Entry, error) {
	var none strings.Builder
	for _, letter := range letters {
		none.WriteString(r.begins(prefix + letter))
	}
	filter := "(!(|" + none.String() + "))"
	if prefix != "" {
		filter = r.begins(prefix) + filter
	}
	entries, err := r.ask(ctx, filter)
	if err != nil {
		return entries, err
	}
	return nil, r.giveAll(ctx, entries)
}

// letters are what follows prefix in the names of entries and is not among those
// known.
func (r *reading) letters(entries []*ldap.Entry, prefix string, known []string) []string {
	var found []string
	for _, e := range entries {
		for _, name := range e.GetEqualFoldAttributeValues(r.attribute()) {
			if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
				continue
			}
			first, _ := utf8.DecodeRuneInString(name[len(prefix):])
			letter := string(unicode.ToLower(first))
			for _, one := range []string{letter, string(first)} { // the second where case matters
				if first != utf8.RuneError && !slices.Contains(known, one) && !slices.Contains(found, one) {
					found = append(found, one)
				}
			}
		}
	}
	return found
}

// whole reads all that a filter fits, or gives nobody.
func (r *reading) whole(ctx context.Context, filter string) error {
	entries, err := r.ask(ctx, filter)
	if err != nil {
		return err
	}
	return r.giveAll(ctx, entries)
}

func (r *reading) giveAll(ctx context.Context, entries []*ldap.Entry) error {
	for _, e := range entries {
		if err := r.give(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// atOnce is how many entries are asked for without pages. A server whose own limit
// is lower says so in the same way.
const atOnce = 1000

// ask makes one search without pages.
func (r *reading) ask(ctx context.Context, filter string) ([]*ldap.Entry, error) {
	result, err := r.c.search(ctx, pageTime, r.search("(&"+r.cfg.Filter+filter+")", atOnce))
	return result.Entries, err
}

func (r *reading) attribute() string { return r.cfg.Attributes.User[0] }

func (r *reading) begins(prefix string) string {
	return "(" + r.attribute() + "=" + ldap.EscapeFilter(prefix) + "*)"
}
