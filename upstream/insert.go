package upstream

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxHeld is how much of a page may be kept back, in bytes: an inline script is only
// understood as a whole. Beyond it nothing is inserted.
const maxHeld = 1 << 20

// wantsInsert reports whether the answer to a request may be a page to insert into.
// Browsers say what they want it for (Fetch Metadata, 2.1); what says nothing is no browser, or an old one.
func (p *passage) wantsInsert() bool {
	if p.trip.Insert == "" || p.in.Method != http.MethodGet && p.in.Method != http.MethodHead && p.in.Method != http.MethodPost {
		return false
	}
	switch p.in.Header.Get("Sec-Fetch-Dest") {
	case "document", "iframe", "frame":
		return p.in.Header.Get("Upgrade") == ""
	}
	return false
}

// askForPlain asks the application for a whole page that can be read.
func askForPlain(h http.Header) {
	h.Set("Accept-Encoding", "identity")
	delete(h, "Range")
	delete(h, "If-Range")
}

// insert puts Trip.Insert into an answer that is a page. The application's validators
// become weak (RFC 9110, section 8.8.1), digests and the length go: they are of other bytes.
func (u *Upstream) insert(p *passage, res *http.Response) {
	if p.trip.Insert == "" || !isHTML(res.Header) {
		return
	}
	res.Header.Add("Vary", "Sec-Fetch-Dest") // a script that asks for the page gets it as it is
	if !p.wantsInsert() || res.StatusCode == http.StatusPartialContent || res.StatusCode < 200 {
		return
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		u.notInserted("the page is compressed though it was not to be: " + e)
		return
	}
	for _, line := range slices.Concat(res.Header["Content-Security-Policy"]) {
		if !p.policyAllows(line) {
			u.notInserted("its Content-Security-Policy forbids it: add 'self' to script-src and connect-src")
			return
		}
	}
	for _, name := range []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "Accept-Ranges"} {
		delete(res.Header, name)
	}
	if tag := res.Header.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		res.Header.Set("Etag", "W/"+tag)
	}
	if res.StatusCode == http.StatusNotModified || res.StatusCode == http.StatusNoContent {
		return
	}
	delete(res.Header, "Content-Length")
	res.ContentLength = -1
	if p.in.Method != http.MethodHead {
		res.Body = &inserter{ReadCloser: res.Body, tag: p.trip.Insert, allows: p.policyAllows, refused: u.notInserted}
	}
}

// isHTML reports whether an answer is a page in an encoding in which "<" is that octet.
// A 304 need not say what it is.
func isHTML(h http.Header) bool {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "text/html" {
		return false
	}
	charset := strings.ToLower(params["charset"])
	return !slices.ContainsFunc([]string{"utf-16", "utf-32", "ucs", "unicode", "2022", "utf-7", "hz-gb"}, func(other string) bool { return strings.Contains(charset, other) })
}

// notInserted says once why pages stay as they are.
func (u *Upstream) notInserted(why string) {
	u.insertFault.Do(func() {
		u.cfg.Log.Warn("nothing is inserted into pages of the application", "app", u.cfg.Name, "reason", why)
	})
}

// policyAllows reports whether policies (CSP Level 3, section 2.3.1) let a script of the page's own
// origin run and ask that origin. What is not understood forbids.
func (p *passage) policyAllows(line string) bool {
	for policy := range strings.SplitSeq(line, ",") {
		directives := make(map[string][]string)
		for directive := range strings.SplitSeq(policy, ";") {
			if f := strings.Fields(strings.ToLower(directive)); len(f) > 0 && directives[f[0]] == nil {
				directives[f[0]] = append([]string{}, f[1:]...)
			}
		}
		if sandbox, ok := directives["sandbox"]; ok && !(slices.Contains(sandbox, "allow-scripts") && slices.Contains(sandbox, "allow-same-origin")) {
			return false
		}
		for _, names := range [][]string{{"script-src-elem", "script-src", "default-src"}, {"connect-src", "default-src"}} {
			for _, name := range names {
				if sources, ok := directives[name]; ok {
					if !p.sourceAllows(sources) {
						return false
					}
					break
				}
			}
		}
	}
	return true
}

func (p *passage) sourceAllows(sources []string) bool {
	if slices.Contains(sources, "'strict-dynamic'") { // names of places count for nothing then
		return false
	}
	return slices.ContainsFunc(sources, func(s string) bool {
		return s == "'self'" || s == "*" || s == p.trip.Scheme+":" || s == p.trip.Host || s == p.trip.Scheme+"://"+p.trip.Host
	})
}

// inserter puts a tag at the end of the head of a page that streams through it: before
// </head>, or before the first thing that ends the head without saying so (HTML, 13.2.6.4.4,
// "in head"). It keeps back no more than the token that is not complete.
type inserter struct {
	io.ReadCloser
	tag     string
	allows  func(policy string) bool
	refused func(why string)

	out    []byte // understood, on its way
	held   []byte // not understood yet
	begun  bool   // there is a page
	inside string // element whose content says nothing, until its end
	depth  int    // of such elements in one another
	done   bool   // nothing more is looked at
	err    error  // of the application's body
}

func (i *inserter) Read(p []byte) (int, error) {
	for len(i.out) == 0 && !i.done {
		i.more()
	}
	if len(i.out) > 0 {
		n := copy(p, i.out)
		i.out = i.out[n:]
		return n, nil
	}
	if i.err != nil {
		return 0, i.err
	}
	i.out, i.held = nil, nil
	return i.ReadCloser.Read(p)
}

// more takes in what there is of the page and looks at it.
func (i *inserter) more() {
	buffer := make([]byte, 16<<10)
	n, err := i.ReadCloser.Read(buffer)
	i.held, i.err = append(i.held, buffer[:n]...), err
	if i.wide() {
		i.give()
		return
	}
	i.look(err == io.EOF)
	if !i.done && (err != nil || len(i.held) > maxHeld) {
		if err == io.EOF && i.begun && len(i.held) == 0 && i.inside == "" {
			i.put(0)
			return
		}
		i.give()
	}
}

// wide reports a byte order mark of UTF-16.
func (i *inserter) wide() bool {
	return !i.begun && (bytes.HasPrefix(i.held, []byte{0xfe, 0xff}) || bytes.HasPrefix(i.held, []byte{0xff, 0xfe}))
}

// give leaves the rest as it is.
func (i *inserter) give() {
	i.out, i.held, i.done = append(i.out, i.held...), nil, true
}

// put inserts before the byte at.
func (i *inserter) put(at int) {
	i.out = append(append(i.out, i.held[:at]...), i.tag...)
	i.held = i.held[at:]
	i.give()
}

// look reads the tokens that are complete. Of an element whose content is text the start is
// not taken as read before the end: the tokenizer would not know the rest for what it is.
func (i *inserter) look(whole bool) {
	tokens := html.NewTokenizer(bytes.NewReader(i.held))
	at, read := 0, 0 // bytes: of tokens, and of those that need not be looked at again
	for {
		kind := tokens.Next()
		raw := len(tokens.Raw())
		open := kind == html.TextToken || kind == html.CommentToken || kind == html.DoctypeToken
		atEnd := at+raw == len(i.held)
		if kind == html.ErrorToken || open && atEnd && !whole || kind == html.CommentToken && atEnd && !bytes.HasSuffix(i.held, []byte("-->")) {
			break
		}
		if i.ends(tokens.Token()) {
			i.put(at)
		}
		if i.done {
			return
		}
		at += raw
		if i.begun = true; i.inside == "" || i.inside == "template" {
			read = at
		}
	}
	if i.inside != "template" {
		i.inside = ""
	}
	i.out, i.held = append(i.out, i.held[:read]...), i.held[read:]
}

// ends reports whether the head ends before a token.
func (i *inserter) ends(token html.Token) bool {
	switch token.Type {
	case html.TextToken:
		return i.inside == "" && strings.Trim(token.Data, " \t\r\n\f\ufeff") != ""
	case html.EndTagToken:
		if i.inside != "" {
			if token.Data == i.inside {
				if i.depth--; i.depth < 1 {
					i.inside = ""
				}
			}
			return false
		}
		return token.Data == "head" || token.Data == "body" || token.Data == "html" || token.Data == "br"
	case html.StartTagToken, html.SelfClosingTagToken:
		if i.inside != "" {
			if token.Data == i.inside {
				i.depth++
			}
			return false
		}
		return i.begins(token)
	}
	return false
}

// begins reports whether the head ends before an element.
func (i *inserter) begins(token html.Token) bool {
	switch token.Data {
	case "html", "head", "link", "base", "basefont", "bgsound":
		return false
	case "title", "script", "style", "noscript", "noframes", "template":
		i.inside, i.depth = token.Data, 1
		return false
	case "meta":
		if policy, ok := policyOf(token); ok && !i.allows(policy) {
			i.refused("a page's own Content-Security-Policy forbids it")
			i.give()
		}
		return false
	case "frameset": // has no body to show a warning in
		i.give()
		return false
	}
	return true
}

// policyOf is the policy that a meta element sets.
func policyOf(token html.Token) (policy string, ok bool) {
	for _, a := range token.Attr {
		switch a.Key {
		case "http-equiv":
			ok = strings.EqualFold(strings.TrimSpace(a.Val), "Content-Security-Policy")
		case "content":
			policy = a.Val
		}
	}
	return policy, ok
}
