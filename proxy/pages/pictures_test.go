package pages_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/proxy/pages"
)

const pictures = "../../docs/pictures"

// TestPicturesOfThePagesAreThere: each page has its picture, and no other is left. With
// PICTURES=1 they are made anew, with PICTURES=chooser,signout those.
func TestPicturesOfThePagesAreThere(t *testing.T) {
	want := slices.Sorted(maps.Keys(gallery()))
	switch anew := os.Getenv("PICTURES"); anew {
	case "":
	case "1":
		takePictures(t, want)
	default:
		takePictures(t, strings.Split(anew, ","))
	}
	files, err := filepath.Glob(pictures + "/*.png")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range files {
		have = append(have, strings.TrimSuffix(filepath.Base(f), ".png"))
	}
	slices.Sort(have)
	if !slices.Equal(want, have) {
		t.Errorf("pictures of %v, want of %v: make them with PICTURES=1 go test ./proxy/pages -run Pictures", have, want)
	}
}

func takePictures(t *testing.T, names []string) {
	t.Helper()
	ctx, p := openBrowser(t), newPages(t)
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page, ok := gallery()[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok { // where the forms are posted to: the browser stays on the page
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if form, ok := page.(pages.PostForm); ok {
			form.URL = "http://" + r.Host + "/posted"
			page = form
		}
		p.Write(w, http.StatusOK, pages.Reader{Choose: "/sso/language?rd=%2F&to="}, careplan, page)
	})
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		do(t, ctx, chromedp.EmulateViewport(560, 400), scheme("light"), chromedp.Navigate(origin+"/"+name))
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pictures, name+".png"), small(t, picture), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// small is a picture with the 256 colours that are in it most; the others become the
// nearest of them.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	often := make(map[color.Color]int)
	bounds := from.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			often[from.At(x, y)]++
		}
	}
	palette := slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return often[b] - often[a] })
	to := image.NewPaletted(bounds, palette[:min(len(palette), 256)])
	draw.Draw(to, bounds, from, bounds.Min, draw.Src)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
