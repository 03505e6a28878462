package pages

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// try renders each page without anything in it and with everything. A control of a form
// that the built-in template has must not be missing: the sign-in would not go on.
func (p *Pages) try() error {
	built, err := New()
	if err != nil {
		return err
	}
	seen := make(map[string]error)
	for _, kind := range samples() {
		for _, full := range []bool{false, true} {
			page := sample(kind, full)
			got, err := p.sampled(page, full)
			if err == nil {
				err = lacks(page, built, got, full)
			}
			if err != nil {
				seen[err.Error()] = err // that of the layout comes with each page
			}
		}
	}
	var faults []error
	for _, text := range slices.Sorted(maps.Keys(seen)) {
		faults = append(faults, seen[text])
	}
	return errors.Join(faults...)
}

func (p *Pages) sampled(page Page, full bool) ([]byte, error) {
	look, reader := &Look{}, Reader{}
	if full {
		look = &Look{Name: something, Logo: "data:image/png;base64,AAAA", Help: something, Footer: something}
		reader.Choose = something + "?to="
	}
	t := p.tongue(reader)
	body, _, err := t.page("sample", reader, look, page)
	if err != nil {
		return nil, faultOf(err, page)
	}
	return body, nil
}

func lacks(page Page, built *Pages, got []byte, full bool) error {
	want, err := built.sampled(page, full)
	if err != nil {
		return err
	}
	have := controls(got)
	for _, c := range controls(want) {
		if !slices.Contains(have, c) {
			t := built.tongue(Reader{})
			return &Fault{File: page.sheet(t, &Look{}).file + ".html", Problem: "leaves out " + c + ", without which people cannot go on"}
		}
	}
	return nil
}

// controls are the forms of a page and the names of what they send.
func controls(body []byte) []string {
	var all []string
	tokens := html.NewTokenizer(strings.NewReader(string(body)))
	for tokens.Next() != html.ErrorToken {
		token := tokens.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		attrs := make(map[string]string)
		for _, a := range token.Attr {
			attrs[a.Key] = a.Val
		}
		switch {
		case token.Data == "form":
			all = append(all, fmt.Sprintf("the form that is sent to %s by %s", attrs["action"], attrs["method"]))
		case (token.Data == "input" || token.Data == "button") && attrs["name"] != "":
			all = append(all, fmt.Sprintf("the field %q", attrs["name"]))
		}
	}
	return all
}

// samples are the types of all pages.
func samples() []reflect.Type {
	all := []Page{Chooser{}, FormPage{}, PostForm{}, Handshake{}, KeptForm{}, Problem{}, Account{}, SignOut{}, SignedOut{}, LoopStop{}, TryStart{}, TryOut{}}
	types := make([]reflect.Type, len(all))
	for i, p := range all {
		types[i] = reflect.TypeOf(p)
	}
	return types
}

// sample is a page without anything or with everything.
func sample(kind reflect.Type, full bool) Page {
	v := reflect.New(kind).Elem()
	if full {
		stuff(v, 0)
	}
	return v.Interface().(Page)
}

// something is good as words and as an address.
const something = "/sample"

// stuff puts something into everything.
// i tells the items of a list apart.
func stuff(v reflect.Value, i int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(something)
	case reflect.Bool:
		v.SetBool(i == 0)
	case reflect.Int:
		v.SetInt(2)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		stuff(v.Elem(), i)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			stuff(v.Index(i), i)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{
			"sample": something, "address": "alice@hospital.example", "minutes": "10", "change": something, "more": "2",
			"secret": "SAMPLE", "codes": "sample\nsample", "url": "otpauth://totp/sample?secret=SAMPLE",
		}))
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Field(n).CanSet() { // of a time nothing: it says nothing
				stuff(v.Field(n), i)
			}
		}
	}
}
