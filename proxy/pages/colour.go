package pages

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// rgb is a colour in sRGB, each part from 0 to 255.
type rgb [3]float64

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(c[0]), int(c[1]), int(c[2]))
}

const standardColour = "#14616f"

// The cards that the shades lie on, as in style.css.
var (
	white    = rgb{255, 255, 255}
	black    = rgb{0, 0, 0}
	darkCard = rgb{0x1c, 0x24, 0x2b}

	muted     = rgb{0x4c, 0x5a, 0x66} // small words beside the card
	darkMuted = rgb{0xae, 0xba, 0xc4}
)

// parseColour reads "#rrggbb" or "#rgb".
func parseColour(s string) (c rgb, ok bool) {
	digits, ok := strings.CutPrefix(s, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if !ok || len(digits) != 6 || err != nil {
		return rgb{}, false
	}
	return rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

// shades of one colour that can be seen and read on a card.
type shades struct {
	Fill   string // of a button: stands out from the card by 3:1 (WCAG 2.2, 1.4.11)
	OnFill string // text on Fill, at least 4.5:1 (1.4.3)
	Ink    string // links and outlines on the card, at least 6:1
	Back   string // behind the card; empty: as in style.css
}

type palette struct{ Light, Dark shades }

// paletteOf makes both from the colour of buttons and links, and that of the background.
func paletteOf(colour, background string) palette {
	c, ok := parseColour(colour)
	if !ok {
		c, _ = parseColour(standardColour)
	}
	p := palette{Light: shadesOn(white, black, c), Dark: shadesOn(darkCard, white, c)}
	if back, ok := parseColour(background); ok {
		p.Light.Back = backOf(back, white, muted, 5.5)
		p.Dark.Back = backOf(back, black, darkMuted, 6)
	}
	return p
}

// backOf moves a background towards pole until words of that colour can be read on it, and
// with them links, which contrast more.
func backOf(c, pole, words rgb, least float64) string {
	return c.until(pole, func(c rgb) bool {
		return contrast(c, words) >= least && (pole == white) == (c.luminance() > words.luminance())
	}).String()
}

// shadesOn moves c towards pole, the end away from the card, until it can be read.
func shadesOn(card, pole, c rgb) shades {
	fill := c.until(pole, func(c rgb) bool { return contrast(c, card) >= 3 })
	ink := c.until(pole, func(c rgb) bool { return contrast(c, card) >= 6 }) // thin lines and small words need more than the least
	text := white
	if contrast(white, fill) < 4.5 {
		text = black // then at least 4.66:1
	}
	return shades{Fill: fill.String(), OnFill: text.String(), Ink: ink.String()}
}

// until mixes c with pole in small steps until enough is true. It is at pole.
func (c rgb) until(pole rgb, enough func(rgb) bool) rgb {
	const steps = 64
	for i := range steps {
		share := float64(i) / steps
		var mixed rgb
		for k := range c {
			mixed[k] = math.Round(c[k]*(1-share) + pole[k]*share)
		}
		if enough(mixed) {
			return mixed
		}
	}
	return pole
}

// contrast is the ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func (c rgb) luminance() float64 {
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

func linear(part float64) float64 {
	part /= 255
	if part <= 0.04045 {
		return part / 12.92
	}
	return math.Pow((part+0.055)/1.055, 2.4)
}
