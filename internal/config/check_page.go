package config

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"foregate/proxy/pages"
)

const maxLogo = 100 << 10 // bytes: it is part of every sign-in page

func (c *checker) page(path string, a *App) {
	if a.Page.Title == "" {
		a.Page.Title = a.Name
	}
	c.colour(join(path, "colour"), a.Page.Colour)
	c.colour(join(path, "background"), a.Page.Background)
	c.logo(join(path, "logo"), a)
	c.templates(join(path, "templates"), string(a.Page.Templates))
	if len(a.Page.Languages) == 0 {
		c.fault(join(path, "languages"), FaultAt{Problem: "is empty, so the pages could not be read", Remedy: "name a language, such as en, or remove the key"})
	}
	for i, l := range a.Page.Languages {
		if slices.Contains(a.Page.Languages[:i], l) {
			c.fault(item(join(path, "languages"), i), FaultAt{Problem: "is listed twice", Found: quoted(l), Remedy: "remove one of the two"})
		}
	}
}

func (c *checker) colour(path, value string) {
	if value == "" || colour.MatchString(value) {
		return
	}
	c.fault(path, FaultAt{
		Problem: "is not a colour", Found: quoted(value),
		Allowed: "# and six digits, 0 to 9 and a to f", Remedy: `write it as "#0b6e99", in quotes, since # begins a comment`,
	})
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (c *checker) logo(path string, a *App) {
	data, ok := c.content(path, a.Page.Logo, maxLogo)
	if ok && !image(data) {
		c.fault(path, FaultAt{
			Problem: "is not an image that browsers show", Found: quoted(string(a.Page.Logo)),
			Allowed: "png, svg, jpeg, webp", Remedy: "save it as png or svg",
		})
	}
}

func image(data []byte) bool {
	switch http.DetectContentType(data) {
	case "image/png", "image/jpeg", "image/webp":
		return true
	}
	return bytes.Contains(data[:min(len(data), 1024)], []byte("<svg"))
}

// templates tries the templates of a folder, and has them watched.
func (c *checker) templates(path, folder string) {
	if folder == "" {
		return
	}
	_, err := pages.Load(folder)
	for _, err := range each(err) {
		fault := FaultAt{Problem: "cannot be used: " + err.Error(), Remedy: "\"foregate pages export FOLDER\" writes the built-in templates"}
		var f *pages.Fault
		if errors.As(err, &f) {
			fault.Problem = "has a fault: " + filepath.Join(folder, f.Error())
			fault.Remedy = "see the variables in docs/pages.md"
			if f.Unknown != "" {
				fault.Nearest = nearest(f.Unknown, f.Known)
			}
		}
		c.fault(path, fault)
	}
	entries, _ := os.ReadDir(folder) // it was just read
	for _, e := range entries {
		c.file.Files = append(c.file.Files, filepath.Join(folder, e.Name()))
	}
}

// each are the errors that were joined.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
