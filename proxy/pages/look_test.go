package pages_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foregate/proxy/pages"
)

const svg = `<?xml version="1.0"?><!-- drawn by hand --><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>`

func logos(t *testing.T) map[string][]byte {
	t.Helper()
	var p, j bytes.Buffer
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	if err := png.Encode(&p, picture); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, picture, nil); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"png":     p.Bytes(),
		"jpeg":    j.Bytes(),
		"svg+xml": []byte(svg),
		"webp":    []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"),
	}
}

func saveLogo(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logo.bin")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogoIsShownInsideThePage(t *testing.T) {
	for kind, data := range logos(t) {
		uri, err := pages.LoadLogo(saveLogo(t, data))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		_, _, doc := write(t, &pages.Look{Name: "Careplan", Logo: uri}, pages.Problem{})
		img := one(t, doc, "img")
		if got := attr(img, "src"); got != uri || !strings.HasPrefix(got, "data:image/"+kind+";base64,") {
			t.Errorf("%s: src %q", kind, got)
		}
		if !has(img, "alt") || text(one(t, doc, "header")) != "Careplan" {
			t.Errorf("%s: the name is beside the logo and is not read twice", kind)
		}
	}
}

func TestNameStandsInForALogo(t *testing.T) {
	_, _, doc := write(t, &pages.Look{Name: "öffnen"}, pages.Problem{})
	if got := text(one(t, doc, "header")); got != "Ö öffnen" {
		t.Errorf("got %q", got)
	}
}

func TestLogoThatIsNoImageIsRefused(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"too large":         {svg + strings.Repeat(" ", 100<<10), "larger than 100 KiB"},
		"empty":             {"", "not a PNG"},
		"text":              {"hello", "not a PNG"},
		"page":              {"<!doctype html><html><svg></svg></html>", "not a PNG"},
		"page with svg":     {`<html xmlns="http://www.w3.org/1999/xhtml">` + svg[strings.Index(svg, "<svg"):] + "</html>", "not a PNG"},
		"no namespace":      {"<svg></svg>", "not a PNG"},
		"cut off svg":       {strings.TrimSuffix(svg, "</svg>"), "not a PNG"},
		"gif":               {"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "not a PNG"},
		"cut off png":       {string(logos(t)["png"][:20]), "unexpected EOF"},
		"cut off jpeg":      {string(logos(t)["jpeg"][:20]), "unexpected EOF"},
		"only a png's mark": {"\x89PNG\r\n\x1a\n", "EOF"},
	}
	for name, test := range tests {
		uri, err := pages.LoadLogo(saveLogo(t, []byte(test.data)))
		if err == nil || uri != "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %.40q, %v; want %q", name, uri, err, test.want)
		}
	}
	if _, err := pages.LoadLogo(filepath.Join(t.TempDir(), "none.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestSE10OnlyAnImageInTheURIIsShown(t *testing.T) {
	for _, logo := range []string{
		"https://evil.example/x.png", "data:text/html;base64,PHN2Zz4=", "data:image/svg+xml,<svg/>", "data:image/png;base64,", "data:image/png;base64", "data:image/gif;base64,R0lG",
		`data:image/png;base64,AAAA"onerror=x`, "data:image/png;base64,A", "DATA:image/png;base64,AAAA", "javascript:alert(1)",
	} {
		_, _, doc := write(t, &pages.Look{Name: "Careplan", Logo: logo}, pages.Problem{})
		if len(all(doc, "img")) != 0 {
			t.Errorf("%q is shown", logo)
		}
	}
}
