package pages

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

// Look is how one application presents itself on its pages. The zero value is
// complete.
type Look struct {
	Name       string // the application's name
	Title      string // what people call it, if that is not Name
	Logo       string // data URI of an image, as LoadLogo returns it; anything else is not shown
	Background string // the same, behind the card; shades on which words can be read are made from it; empty: the standard one

	Colour string // "#rrggbb" or "#rgb"; shades that can be read are made from it; anything else is the standard colour
	Help   string // whom to ask; line breaks are kept
	Footer string // the small print; line breaks are kept

	// Languages are the tags of those that are offered. The first is spoken if the
	// browser asks for none of them. Empty: all, and English first.
	Languages []string

	// Own are pages with its own templates, as Load makes them; nil: the built-in ones.
	Own *Pages
}

func (l *Look) brand() string {
	if l.Title != "" {
		return plain(l.Title)
	}
	return plain(l.Name)
}

// initial is the first letter of the brand.
func (l *Look) initial() string {
	r, _ := utf8.DecodeRuneInString(l.brand())
	return strings.ToUpper(string(r))
}

// logo trusts only what LoadLogo makes: an image type and base64, whose letters
// cannot end an attribute.
func (l *Look) logo() template.URL {
	head, data, _ := strings.Cut(l.Logo, ",")
	switch head {
	case "data:image/png;base64", "data:image/jpeg;base64", "data:image/webp;base64", "data:image/svg+xml;base64":
	default:
		return ""
	}
	if _, err := base64.StdEncoding.DecodeString(data); data == "" || err != nil {
		return ""
	}
	return template.URL(l.Logo)
}

// maxLogo is in bytes. The logo travels inside every page.
const maxLogo = 100 << 10

// LoadLogo reads a PNG, JPEG, WebP or SVG file of at most 100 KiB and returns it
// as a data URI. The content decides, not the name of the file. An SVG is safe
// because pages show it only in an img element, where browsers run no script and
// load nothing for it.
func LoadLogo(path string) (dataURI string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("pages: open logo: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLogo+1))
	if err != nil {
		return "", fmt.Errorf("pages: read logo %q: %w", path, err)
	}
	if len(data) > maxLogo {
		return "", fmt.Errorf("pages: logo %q is larger than 100 KiB; save it smaller", path)
	}
	kind, err := imageType(data)
	if err != nil {
		return "", fmt.Errorf("pages: logo %q: %w", path, err)
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data), nil
}

func imageType(data []byte) (string, error) {
	switch kind := http.DetectContentType(data); kind {
	case "image/png":
		_, err := png.DecodeConfig(bytes.NewReader(data))
		return kind, err
	case "image/jpeg":
		_, err := jpeg.DecodeConfig(bytes.NewReader(data))
		return kind, err
	case "image/webp":
		return kind, nil
	default:
		return "image/svg+xml", checkSVG(data)
	}
}

var errNotImage = errors.New("not a PNG, JPEG, WebP or SVG image")

// checkSVG wants well-formed XML with an svg element of the SVG namespace
// outermost: without the namespace browsers show a broken image.
func checkSVG(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for root := true; ; {
		token, err := d.Token()
		if err == io.EOF && !root {
			return nil
		}
		if err != nil {
			return errNotImage
		}
		start, ok := token.(xml.StartElement)
		if ok && root && (start.Name.Local != "svg" || start.Name.Space != "http://www.w3.org/2000/svg") {
			return errNotImage
		}
		root = root && !ok
	}
}
