package command

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"foregate/internal/config"
	"foregate/internal/mail"
	"foregate/proxy/pages"
)

// The configuration offers the languages that there are, and letters are in the same.
func TestLanguagesOfTheConfigurationAreThoseOfThePages(t *testing.T) {
	field, ok := reflect.TypeFor[config.Page]().FieldByName("Languages")
	if !ok {
		t.Fatal("no such key")
	}
	var tags []string
	for _, l := range pages.Languages() {
		tags = append(tags, l.Tag)
	}
	if got, want := mail.Languages(), slices.Sorted(slices.Values(tags)); !slices.Equal(got, want) {
		t.Errorf("letters are in %v, pages in %v", got, want)
	}
	if got, want := field.Tag.Get("enum"), strings.Join(tags, "|"); got != want {
		t.Errorf("allowed are %s, want %s", got, want)
	}
	if got, want := field.Tag.Get("default"), "["+strings.Join(tags, ", ")+"]"; got != want {
		t.Errorf("default is %s, want %s", got, want)
	}
}
