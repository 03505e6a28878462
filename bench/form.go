package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// form is an HTML form as a browser would send it.
type form struct {
	action   *url.URL
	method   string
	values   url.Values // what the page filled in itself
	user     string     // name of the input for the user name, if any
	password string     // name of the password input, if any
}

// parseForm finds the form of a page that asks for a password, or else the first
// one that is posted.
func parseForm(page *url.URL, r io.Reader) (*form, error) {
	doc, err := html.Parse(r)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", page.Path, err)
	}
	var first *form
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		f, err := readForm(page, n)
		if err != nil {
			return nil, err
		}
		if f.password != "" {
			return f, nil
		}
		if first == nil && f.method == http.MethodPost {
			first = f
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no form to fill in on %s", page.Path)
	}
	return first, nil
}

func readForm(page *url.URL, n *html.Node) (*form, error) {
	action, err := page.Parse(attribute(n, "action"))
	if err != nil {
		return nil, fmt.Errorf("the action of a form on %s: %w", page.Path, err)
	}
	f := &form{action: action, method: strings.ToUpper(attribute(n, "method")), values: url.Values{}}
	for in := range n.Descendants() {
		if in.Type == html.ElementNode && in.Data == "input" {
			f.addInput(in)
		}
	}
	return f, nil
}

func (f *form) addInput(n *html.Node) {
	name := attribute(n, "name")
	if name == "" {
		return
	}
	switch strings.ToLower(attribute(n, "type")) {
	case "password":
		f.password = name
	case "hidden":
		f.values.Add(name, attribute(n, "value"))
	case "", "text", "email":
		f.values.Add(name, attribute(n, "value"))
		if f.user == "" {
			f.user = name
		}
	}
}

// fill returns what is posted.
func (f *form) fill(user, password string) url.Values {
	if f.user != "" {
		f.values.Set(f.user, user)
	}
	if f.password != "" {
		f.values.Set(f.password, password)
	}
	return f.values
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == key {
			return a.Val
		}
	}
	return ""
}
