package pages

import (
	"fmt"
	"strings"
	"testing"
)

func TestEveryColourCanBeRead(t *testing.T) {
	for n := range 16 * 16 * 16 {
		colour := fmt.Sprintf("#%03x", n)
		p := paletteOf(colour, "")
		checkShades(t, colour, p.Light, white)
		checkShades(t, colour, p.Dark, darkCard)
	}
}

func checkShades(t *testing.T, colour string, s shades, card rgb) {
	t.Helper()
	read := func(hex string) rgb {
		c, ok := parseColour(hex)
		if !ok {
			t.Fatalf("%s: made %q", colour, hex)
		}
		return c
	}
	fill, text, ink := read(s.Fill), read(s.OnFill), read(s.Ink)
	if contrast(text, fill) < 4.5 || contrast(ink, card) < 4.5 || contrast(fill, card) < 3 {
		t.Errorf("%s on %s: %+v: text %.2f, ink %.2f, fill %.2f", colour, card, s, contrast(text, fill), contrast(ink, card), contrast(fill, card))
	}
}

func TestColourThatCanBeReadAlreadyStays(t *testing.T) {
	if got := paletteOf("#1D4F91", "").Light; got.Fill != "#1d4f91" || got.OnFill != "#ffffff" || got.Ink != "#1d4f91" {
		t.Errorf("got %+v", got)
	}
}

func TestContrastIsThatOfTheStandard(t *testing.T) {
	tests := []struct {
		a, b string
		want string
	}{
		{"#000000", "#ffffff", "21.00"},
		{"#777777", "#ffffff", "4.48"}, // the best known near miss
		{"#767676", "#ffffff", "4.54"},
		{"#ffffff", "#ffffff", "1.00"},
	}
	for _, test := range tests {
		a, _ := parseColour(test.a)
		b, _ := parseColour(test.b)
		if got := fmt.Sprintf("%.2f", contrast(a, b)); got != test.want {
			t.Errorf("%s on %s: got %s, want %s", test.a, test.b, got, test.want)
		}
	}
}

func TestUnreadableColourIsTheStandardOne(t *testing.T) {
	want := paletteOf(standardColour, "")
	for _, colour := range []string{"", "#", "red", "1d4f91", "#1d4f9", "#1d4f911", "#12", "#+12345", "#zzzzzz", "#-1", "#1d4f91;}"} {
		if got := paletteOf(colour, ""); got != want {
			t.Errorf("%q: got %+v", colour, got)
		}
	}
}

func TestStyleSheetHasTheCardsThatContrastIsMeasuredOn(t *testing.T) {
	css, err := files.ReadFile("html/style.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, card := range []rgb{white, darkCard} {
		if !strings.Contains(string(css), "--card: "+card.String()+";") {
			t.Errorf("no card of colour %s", card)
		}
	}
}

// TestWordsCanBeReadOnAnyBackground: the small ones beside the card, and links.
func TestWordsCanBeReadOnAnyBackground(t *testing.T) {
	for _, background := range []string{"#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#808080", "#f1f4f6", "#4c5a66", "#aebac4", "#ffd700"} {
		for _, colour := range []string{"", "#ffff00", "#0b6e99", "#ff0000"} {
			p := paletteOf(colour, background)
			for _, side := range []struct {
				shades
				words rgb
			}{{p.Light, muted}, {p.Dark, darkMuted}} {
				back, ok := parseColour(side.Back)
				ink, _ := parseColour(side.Ink)
				if !ok || contrast(back, side.words) < 4.5 || contrast(back, ink) < 4.5 {
					t.Errorf("%s behind %q: %s, words %.2f:1, links %.2f:1", background, colour, side.Back, contrast(back, side.words), contrast(back, ink))
				}
			}
		}
	}
	if p := paletteOf("", ""); p.Light.Back != "" || p.Dark.Back != "" {
		t.Errorf("without one: %+v", p)
	}
}
