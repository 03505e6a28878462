package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const tag = `<script src="/sso/warning.js" defer></script>`

// pagesWithMark have a § where the tag is to be put; none where nothing is.
var pagesWithMark = map[string]string{
	"plain":               "<!doctype html><html><head><title>Wards</title>§</head><body>x</body></html>",
	"upper case":          "<!DOCTYPE HTML><HTML><HEAD><TITLE>Wards</TITLE>§</HEAD ><BODY>x",
	"in a comment":        "<head><!-- </head><body> --><title>x</title>§</head>",
	"in a script":         `<head><script>document.write("</head><body>")</script>§</head>`,
	"script in a script":  `<head><script><!--<script></script>--></script>§</head>`,
	"in a title":          "<head><title></head></title>§</head>",
	"in an attribute":     `<head><meta name="x" content="</head>"><style>a>b{}</style>§</head>`,
	"no end of head":      `<html><head><link rel="x">§<body class="y">x`,
	"no head":             "<!doctype html>\n<title>x</title>§<p>x</p>",
	"only words":          "§Hello",
	"byte order mark":     "\ufeff<!doctype html>§<main>x",
	"noscript":            `<head><noscript><link href="x"></noscript>§</head>`,
	"template":            "<head><template><template></template><div></template>§</head>",
	"only a head":         "<title>x</title>§",
	"nothing":             "",
	"frames":              `<head></x><frameset><frame src="y">`,
	"comment cut off":     "<head><!-- x",
	"script cut off":      "<head><script>x",
	"tag cut off":         "<head><meta",
	"own policy":          `<head><meta http-equiv="content-security-policy" content="script-src 'none'"></head>`,
	"own policy allows":   `<head><meta http-equiv="Content-Security-Policy" content="default-src 'self'">§</head>`,
	"UTF-16 by its bytes": "\xff\xfe<\x00h\x00e\x00a\x00d\x00>\x00",
	"too much to hold":    "<head><script>" + strings.Repeat("x", 2<<20) + "</script></head>",
	"a long script":       "<head><script>" + strings.Repeat("x", 200<<10) + "</script>§</head>",
	"not UTF-8":           "<head><title>Sch\xf6n</title>§</head>",
}

func inserted(t *testing.T, page string, read func(io.Reader) io.Reader) string {
	t.Helper()
	p := &passage{trip: &Trip{Scheme: "https", Host: "app.test"}}
	i := &inserter{ReadCloser: io.NopCloser(read(strings.NewReader(page))), tag: tag, allows: p.policyAllows, refused: func(string) {}}
	got, err := io.ReadAll(i)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestTagIsPutAtTheEndOfTheHead(t *testing.T) {
	for name, marked := range pagesWithMark {
		page, want := strings.Replace(marked, "§", "", 1), strings.Replace(marked, "§", tag, 1)
		for cut, read := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "bytes": iotest.OneByteReader, "end with data": iotest.DataErrReader} {
			if len(page) > 4096 && cut == "bytes" {
				continue // read anew with each byte
			}
			if got := inserted(t, page, read); got != want {
				t.Errorf("%s, %s: got %.300q, want %.300q", name, cut, got, want)
			}
		}
		for at := 1; at < len(page) && len(page) < 4096; at++ { // </he and ad>
			got := inserted(t, page, func(r io.Reader) io.Reader {
				return io.MultiReader(strings.NewReader(page[:at]), strings.NewReader(page[at:]))
			})
			if got != want {
				t.Errorf("%s, cut at %d: got %.300q", name, at, got)
			}
		}
	}
}

func TestPageThatBreaksOffBreaksOff(t *testing.T) {
	broken := errors.New("broken")
	i := &inserter{ReadCloser: io.NopCloser(io.MultiReader(strings.NewReader("<head><meta"), iotest.ErrReader(broken))), tag: tag}
	if got, err := io.ReadAll(i); string(got) != "<head><meta" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzInsertLeavesThePageAsItIs(f *testing.F) {
	for _, page := range pagesWithMark {
		f.Add(strings.Replace(page, "§", "", 1), 7)
	}
	f.Fuzz(func(t *testing.T, page string, at int) {
		if strings.Contains(page, tag) || len(page) > 4096 {
			return
		}
		at = min(max(at, 0), len(page))
		got := inserted(t, page, func(r io.Reader) io.Reader {
			return io.MultiReader(strings.NewReader(page[:at]), strings.NewReader(page[at:]))
		})
		if strings.Count(got, tag) > 1 || strings.Replace(got, tag, "", 1) != page {
			t.Errorf("%q became %q", page, got)
		}
		if whole := inserted(t, page, func(r io.Reader) io.Reader { return r }); whole != got {
			t.Errorf("%q cut at %d: %q, in one piece %q", page, at, got, whole)
		}
	})
}

const loads = "Host: app.test\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, br\r\nRange: bytes=0-4\r\n\r\n"

func TestPagesAloneAreInsertedInto(t *testing.T) {
	const page, whole = "<head></head>", "<head>" + tag + "</head>"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, page)
	z.Close()
	zipped := packed.String()
	script := strings.Replace(loads, "document", "empty", 1)
	tests := map[string]struct {
		request, head, body string // of the application
		want                string
		log                 string
	}{
		"page":                {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Type: text/html; charset=utf-8", page, whole, ""},
		"in a frame":          {"GET / HTTP/1.1\r\n" + strings.Replace(loads, "document", "iframe", 1), "200 OK\r\nContent-Type: text/html", page, whole, ""},
		"not found":           {"GET / HTTP/1.1\r\n" + loads, "404 Not Found\r\nContent-Type: text/html", page, whole, ""},
		"answer to a form":    {"POST / HTTP/1.1\r\nContent-Length: 0\r\n" + loads, "200 OK\r\nContent-Type: text/html", page, whole, ""},
		"script asks":         {"GET / HTTP/1.1\r\n" + script, "200 OK\r\nContent-Type: text/html", page, page, ""},
		"no browser":          {"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", "200 OK\r\nContent-Type: text/html", page, page, ""},
		"no page":             {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Type: text/plain", page, page, ""},
		"XHTML":               {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Type: application/xhtml+xml", page, page, ""},
		"UTF-16":              {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Type: text/html; charset=UTF-16LE", page, page, ""},
		"part":                {"GET / HTTP/1.1\r\n" + loads, "206 Partial Content\r\nContent-Range: bytes 0-12/99\r\nContent-Type: text/html", page, page, ""},
		"compressed anyway":   {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/html", zipped, zipped, "compressed"},
		"policy forbids":      {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy: script-src 'nonce-x'\r\nContent-Type: text/html", page, page, "Content-Security-Policy"},
		"one of them":         {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy: default-src 'self'\r\nContent-Security-Policy: connect-src 'none'\r\nContent-Type: text/html", page, page, "Content-Security-Policy"},
		"strict-dynamic":      {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy: script-src 'self' 'strict-dynamic'\r\nContent-Type: text/html", page, page, "Content-Security-Policy"},
		"sandbox":             {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy: sandbox\r\nContent-Type: text/html", page, page, "Content-Security-Policy"},
		"policy allows":       {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy: default-src 'none'; script-src https://app.test; connect-src https:, img-src *\r\nContent-Type: text/html", page, whole, ""},
		"policy of no matter": {"GET / HTTP/1.1\r\n" + loads, "200 OK\r\nContent-Security-Policy-Report-Only: default-src 'none'\r\nContent-Type: text/html", page, whole, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, answerWith("HTTP/1.1 "+test.head+"\r\nContent-Length: "+strconv.Itoa(len(test.body))+"\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nDigest: x\r\n\r\n"+test.body))
			var log bytes.Buffer
			u := open(t, Config{Route: Route{URL: a.url}, Log: slog.New(slog.NewTextHandler(&log, nil))})
			addr := front(t, u, Trip{Scheme: "https", Host: "app.test", Insert: tag})
			send(t, addr, test.request)
			res, body, err := send(t, addr, test.request)
			if body != test.want || err != nil {
				t.Errorf("got %q, %v; want %q", body, err, test.want)
			}
			if got := strings.Count(log.String(), "nothing is inserted"); got > 1 || (got == 1) != (test.log != "") || !strings.Contains(log.String(), test.log) {
				t.Errorf("log %q", log.String())
			}
			wantTag, wantRanges := `"a"`, "bytes"
			if test.want == whole {
				wantTag, wantRanges = `W/"a"`, ""
			}
			if got := res.Header; got.Get("ETag") != wantTag || got.Get("Accept-Ranges") != wantRanges || (got.Get("Digest") == "") != (test.want == whole) {
				t.Errorf("header %v", got)
			}
			vary := strings.Contains(test.head, "text/html") && name != "UTF-16"
			if got := res.Header.Get("Vary") == "Sec-Fetch-Dest"; got != vary {
				t.Errorf("Vary %v", res.Header["Vary"])
			}
			head := a.head(t)
			plain := strings.Contains(test.request, "document") || strings.Contains(test.request, "iframe")
			if got := strings.Join(values(head, "Accept-Encoding"), ""); (got == "identity") != plain || plain && len(values(head, "Range")) > 0 {
				t.Errorf("the application was asked %q", head)
			}
		})
	}
}

func TestInsertChangesHeadersOfAnswersWithoutAPage(t *testing.T) {
	for name, answer := range map[string]string{
		"HEAD": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nETag: \"a\"\r\n\r\n",
		"GET":  "HTTP/1.1 304 Not Modified\r\nContent-Type: text/html\r\nETag: \"a\"\r\n\r\n",
	} {
		a := startApp(t, answerWith(answer))
		addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{Scheme: "https", Host: "app.test", Insert: tag})
		c, in := dial(t, addr)
		io.WriteString(c, name+" / HTTP/1.1\r\nIf-None-Match: W/\"a\"\r\n"+loads)
		head, _ := readHead(in)
		if got := strings.Join(values(head, "ETag"), ""); got != `W/"a"` || len(values(head, "Content-Length")) > 0 {
			t.Errorf("%s: got %q", name, head)
		}
		if got := values(a.head(t), "If-None-Match"); len(got) != 1 {
			t.Errorf("%s: asked with %q", name, got)
		}
	}
}

// A page that the application sends piece by piece arrives piece by piece, also before
// the head has ended.
func TestInsertedPageStreams(t *testing.T) {
	next := make(chan struct{})
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		a.next(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<head><title>x</title>")
		<-next
		io.WriteString(c, "</head><p>one")
		<-next
	})
	defer close(next)
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{Scheme: "https", Host: "app.test", Insert: tag})
	c, in := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\n"+loads)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<head><title>x</title>", tag + "</head><p>one"} {
		c.SetDeadline(time.Now().Add(patience))
		got := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, got); string(got) != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		if want[0] == '<' && want[1] == 'h' {
			next <- struct{}{}
		}
	}
}
