package cookies

import (
	"net/http"
	"strings"
)

const (
	hostPrefix    = "__Host-"   // Secure, Path=/, no Domain (RFC 6265bis 4.1.3.2)
	securePrefix  = "__Secure-" // Secure (RFC 6265bis 4.1.3.1)
	attemptInfix  = "-attempt-"
	turnsSuffix   = "-turns"     // counts automatic starts, see Attempts.TurnsName
	awaySuffix    = "-away"      // the sign-in page was shown after a session was idle, see Attempts.AwayName
	waySuffix     = "-way"       // how the browser signed in last, see Attempts.Remember
	speechSuffix  = "-language"  // the language that the person chose, see Attempts.LanguageName
	keptSuffix    = "-kept"      // opens a form that is kept, see Sessions.Keep
	loneSuffix    = "-emergency" // a whole session, see Sessions.StartLone
	slots         = 6
	legacyVersion = "$Version" // RFC 2965 3.3.4
)

// ConsoleName is the cookie of the administrators' pages. Browsers send a cookie to all
// ports of a host (RFC 6265, section 8.5), so where the console shares its host with an
// application, the application would be sent it too.
const ConsoleName = "foregate_admin"

// names are the names of our cookies.
type names struct {
	base          string
	plain, secure string // of the session cookie
}

func newNames(base, domain string) names {
	if domain != "" {
		return names{base: base, plain: base, secure: securePrefix + base}
	}
	return names{base: base, plain: base, secure: hostPrefix + base}
}

// session is the one name that is accepted. A secure request has no use for the
// plain name, which any host of the domain could have set.
func (n *names) session(secure bool) string {
	if secure {
		return n.secure
	}
	return n.plain
}

// own reports whether name is one of ours, with or without prefix.
func (n *names) own(name string) bool {
	if rest, ok := strings.CutPrefix(name, hostPrefix); ok {
		name = rest
	} else if rest, ok := strings.CutPrefix(name, securePrefix); ok {
		name = rest
	}
	if name == ConsoleName {
		return true
	}
	rest, ok := strings.CutPrefix(name, n.base)
	if !ok || rest == "" || rest == turnsSuffix || rest == awaySuffix || rest == waySuffix || rest == speechSuffix || rest == keptSuffix || rest == loneSuffix {
		return ok
	}
	slot, ok := strings.CutPrefix(rest, attemptInfix)
	return ok && len(slot) == 1 && slot[0] >= '0' && slot[0] < '0'+slots
}

// strip removes our cookies from the Cookie fields of h, in place.
func (n *names) strip(h http.Header) {
	lines := h["Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		if line = n.stripLine(line); line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == len(lines) {
		return
	}
	clear(lines[len(kept):])
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// stripLine returns line without our cookies. Whatever stays is the same bytes;
// where it is in one piece it is a part of line.
func (n *names) stripLine(line string) string {
	if !strings.Contains(line, n.base) && !strings.Contains(line, ConsoleName) {
		return line
	}
	first, last, found, gap, inPieces := -1, 0, false, false, false
	for start := 0; start <= len(line); {
		end := pairEnd(line, start)
		if n.own(pairName(line[start:end])) {
			found, gap = true, first >= 0
		} else {
			inPieces = inPieces || gap
			if first < 0 {
				first = start
			}
			last = end
		}
		start = end + 1
	}
	switch {
	case !found:
		return line
	case first < 0:
		return ""
	case inPieces:
		return n.joinOthers(line)
	}
	return trimSpace(line[first:last])
}

func (n *names) joinOthers(line string) string {
	var b strings.Builder
	b.Grow(len(line))
	for start := 0; start <= len(line); {
		end := pairEnd(line, start)
		if pair := line[start:end]; !n.own(pairName(pair)) {
			if b.Len() > 0 {
				b.WriteByte(';')
			}
			b.WriteString(pair)
		}
		start = end + 1
	}
	return trimSpace(b.String())
}

// find returns the value of the cookie with exactly this name, and how often
// there is one. It looks for the name first and at its surroundings then, since
// a legacy application's cookies may be kilobytes. It does not allocate.
func find(lines []string, name string) (value string, n int) {
	for _, line := range lines {
		for at := 0; ; {
			i := strings.Index(line[at:], name)
			if i < 0 {
				break
			}
			start := at + i
			at = start + len(name)
			if at == len(line) || line[at] != '=' || !startsPair(line[:start]) || legacy(line) {
				continue
			}
			n++
			end := pairEnd(line, at)
			if n == 1 {
				value = trimSpace(line[at+1 : end])
			}
			at = end
		}
	}
	return value, n
}

// startsPair reports whether a cookie's name can follow before.
func startsPair(before string) bool {
	before = trimSpace(before)
	return before == "" || before[len(before)-1] == ';'
}

// legacy reports whether line claims the syntax of RFC 2965, in which quotes
// hide separators: an application may read other cookies in it than we do.
func legacy(line string) bool {
	line = trimSpace(line)
	return len(line) >= len(legacyVersion) && strings.EqualFold(line[:len(legacyVersion)], legacyVersion)
}

func pairEnd(line string, start int) int {
	if i := strings.IndexByte(line[start:], ';'); i >= 0 {
		return start + i
	}
	return len(line)
}

func pairName(pair string) string {
	if i := strings.IndexByte(pair, '='); i >= 0 {
		pair = pair[:i]
	}
	return trimSpace(pair)
}

// trimSpace takes off what RFC 9110 5.6.3 calls whitespace. strings.TrimSpace
// would take U+2000 too and so accept names that a browser does not protect.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
