package pages

import (
	"image/color"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is the margin without which cameras do not find the code (ISO/IEC 18004,
// section 9.1).
const quiet = 4

// drawing is a QR code as one line of an SVG image: a stroke for each run of dark
// modules, one unit high.
type drawing struct {
	Size int
	Path string
}

// picture draws the address of an authenticator app's secret. Anything else is nil:
// it is not shown.
func picture(address string) *drawing {
	if !strings.HasPrefix(address, "otpauth://totp/") || len(address) > 1024 {
		return nil
	}
	code, err := qr.Encode(address, qr.M, qr.Auto)
	if err != nil {
		return nil
	}
	side := code.Bounds().Dx()
	var b strings.Builder
	dark := func(x, y int) bool { return x < side && code.At(x, y) == color.Black }
	for y := range side {
		for x := 0; x < side; x++ {
			if !dark(x, y) {
				continue
			}
			start := x
			for dark(x, y) {
				x++
			}
			b.WriteString("M" + strconv.Itoa(start+quiet) + " " + strconv.Itoa(y+quiet) + ".5h" + strconv.Itoa(x-start))
		}
	}
	return &drawing{Size: side + 2*quiet, Path: b.String()}
}

// groups writes a key as people copy it: four letters at a time.
func groups(key string) string {
	key = plain(key)
	var b strings.Builder
	for i, r := range key {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
