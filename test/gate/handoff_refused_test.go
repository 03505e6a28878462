package gate

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var supportCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{13}\b`)

// seen is all of an answer that tells one from another: status, names and values of
// headers, length and words of the body. What is drawn at random is cut out.
func seen(resp answer) string {
	header := resp.Header.Clone()
	header.Del("Date")
	header.Set("Content-Security-Policy", regexp.MustCompile(`nonce-[A-Z2-7]+`).ReplaceAllString(header.Get("Content-Security-Policy"), "nonce"))
	names := slices.Sorted(maps.Keys(header))
	var b strings.Builder
	fmt.Fprintf(&b, "%d, %d bytes\n", resp.StatusCode, len(resp.body))
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %q\n", name, header[name])
	}
	body := regexp.MustCompile(`nonce="[A-Z2-7]+"`).ReplaceAllString(resp.body, "nonce")
	b.WriteString(supportCode.ReplaceAllString(body, "CODE"))
	return b.String()
}

// TestTK3EveryRefusalIsTheSame to who is refused; the log knows the reason.
func TestTK3EveryRefusalIsTheSame(t *testing.T) {
	f := startLibrary(t)
	p, m := elsewhere(t), modern(t, "north", "token", "atlas.test")
	used, usedThere := p.mint("alice"), m.mint("alice")
	at(f, p.host).get("/?" + used.Encode())
	at(f, m.host).get("/?" + usedThere.Encode())
	flip := func(s string) string {
		return s[:len(s)-6] + map[bool]string{true: "1", false: "0"}[s[len(s)-6] == '0'] + s[len(s)-5:]
	}
	cut := func(s string) string { return s[:len(s)-4] }
	to := func(s string) func(string) string { return func(string) string { return s } }
	good := p.mint("alice")
	unknownUser := p.mint("alice")
	unknownUser.Set("token", "k9."+strings.TrimPrefix(unknownUser.Get("token"), "k1."))
	twice := m.mint("alice")
	twice["token"] = append(twice["token"], "x")
	for host, classes := range map[string]map[string]struct {
		v      url.Values
		reason string
	}{
		p.host: {
			"replayed":        {used, "replay"},
			"bad base64":      {with(good, "token", to("k1.====!")), "mac"},
			"wrong length":    {with(good, "token", cut), "mac"},
			"bad HMAC":        {with(good, "mac", flip), "mac"},
			"no HMAC":         {url.Values{"token": good["token"]}, "mac"},
			"a bit changed":   {with(good, "token", flip), "mac"},
			"unknown key":     {unknownUser, "key"},
			"expired":         {p.mint("alice", aged(-121*time.Second)), "age"},
			"from the future": {p.mint("alice", aged(65*time.Second)), "future"},
			"empty":           {with(good, "token", to("")), "missing"},
			"too long":        {with(good, "token", to(strings.Repeat("A", 2049))), "too_long"},
			"twice":           {url.Values{"token": {good.Get("token"), good.Get("token")}, "mac": good["mac"]}, "duplicate"},
		},
		m.host: {
			"replayed":              {usedThere, "replay"},
			"bad base64":            {with(m.mint("alice"), "token", to("====!")), "format"},
			"a bit changed":         {with(m.mint("alice"), "token", flip), "key"},
			"a short tag":           {with(m.mint("alice"), "token", cut), "key|format"},
			"another partner's":     {with(modern(t, "south", "token", "atlas.test").mint("alice"), "from", to("north")), "key"},
			"another application's": {modern(t, "north", "token", "library.test").mint("alice"), "key"},
			"unknown partner":       {with(m.mint("alice"), "from", to("west")), "audience"},
			"expired":               {m.mint("alice", aged(-121*time.Second)), "age"},
			"twice":                 {twice, "duplicate"},
		},
	} {
		first, want := "", ""
		for i, what := range slices.Sorted(maps.Keys(classes)) {
			c := classes[what]
			b := from(f, host, fmt.Sprintf("203.0.113.%d", i+1))
			// The address without the token must be the same, or it would tell them apart.
			resp := b.get("/drugs/5?" + c.v.Encode())
			if resp.StatusCode != http.StatusForbidden || len(b.jar) != 0 {
				t.Errorf("%s, %s: %s, cookies %v", host, what, resp.Status, b.jar)
			}
			if got := seen(resp); want == "" {
				first, want = what, got
			} else if got != want {
				t.Errorf("%s: what is told for %q differs from what is told for %q:\n%s\n%s", host, what, first, got, want)
			}
			code, reason := supportCode.FindString(resp.body), regexp.MustCompile("token refused: ("+c.reason+"):")
			f.waitForLog("the reason of "+what, logTime, func(logs string) bool {
				for line := range strings.SplitSeq(logs, "\n") {
					if strings.Contains(line, code) && reason.MatchString(line) {
						return true
					}
				}
				return false
			})
		}
	}
	f.waitForLog("by how much the clocks differ", logTime, regexp.MustCompile(`made 2m\d+s before our time, at most 2m0s are allowed`).MatchString)
	metrics := f.adminPage("/metrics")
	for _, line := range []string{
		`foregate_handoff_tokens_total{format="blowfish",partner="st-elsewhere",result="ok"} 1`,
		`foregate_handoff_tokens_total{format="blowfish",partner="st-elsewhere",result="mac"} 5`,
		`foregate_handoff_tokens_total{format="blowfish",partner="st-elsewhere",result="replay"} 1`,
		`foregate_handoff_tokens_total{format="aes-gcm",partner="north",result="audience"} 1`,
		`foregate_handoff_unstable_identifiers{partner="north"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// TestTK3GuessingEnds after twenty bad tokens of a client in a minute. Other people
// are still let in.
func TestTK3GuessingEnds(t *testing.T) {
	f := startLibrary(t)
	p := elsewhere(t)
	guess := func(client string) answer { return from(f, p.host, client).get("/?token=x&mac=y") }
	for i := range 20 {
		if resp := guess("203.0.113.1"); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("guess %d: %s", i, resp.Status)
		}
	}
	resp := guess("203.0.113.1")
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.body, "Wait a minute") {
		t.Errorf("one more: %s", resp.Status)
	}
	b := from(f, p.host, "203.0.113.1")
	if resp := b.get("/?" + p.mint("alice").Encode()); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("a person at the guesser's address: %s", resp.Status)
	}
}

// TestTK8ARefusalIsNoDeadEnd: its button leads to the ways in, which lead back.
func TestTK8ARefusalIsNoDeadEnd(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	b := at(f, "library.test")
	resp := b.get("/drugs/5?id=7&" + nowhere(t).mint("alice", aged(-time.Hour)).Encode())
	for _, words := range []string{"St Nowhere Clinic", "follow the link again", "tell the people who look after that page"} {
		if !strings.Contains(resp.body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	button := regexp.MustCompile(`<a class="button" href="([^"]+)">`).FindStringSubmatch(resp.body)
	if button == nil {
		t.Fatal("no button")
	}
	if page := b.get(unescapeHTML(button[1])); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "St Elsewhere Hospital") || !strings.Contains(page.body, "%2Fdrugs%2F5%3Fid%3D7") {
		t.Errorf("it leads to %s", page.Status)
	}
}

// follow goes where redirects lead, answering for the partner's page, until there is a
// page; it returns that and how many redirects it took.
func (b *browser) follow(target string, cookies bool, partner func(returnTo string) string) (answer, int) {
	b.f.t.Helper()
	for n := range 40 {
		resp := b.get(target)
		if !cookies {
			clear(b.jar)
		}
		to := resp.Header.Get("Location")
		if to == "" {
			return resp, n
		}
		if strings.HasPrefix(to, "http://intranet.") {
			u, err := url.Parse(to)
			if err != nil {
				b.f.t.Fatal(err)
			}
			to = partner(u.Query().Get("return_to"))
		}
		target = strings.TrimPrefix(to, b.origin)
	}
	b.f.t.Fatal("it goes round for ever")
	return answer{}, 0
}

// TestNoCircleGoesRoundForEver, whether the page sends nobody, or the browser keeps
// no cookie. The page at the end says whom to tell what.
func TestNoCircleGoesRoundForEver(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	p := elsewhere(t)
	back := func(returnTo string) string { return returnTo }
	signs := func(returnTo string) string { return returnTo + "?" + p.mint("alice").Encode() }
	for what, c := range map[string]struct {
		cookies bool
		page    func(string) string
	}{"a page that sends nobody": {true, back}, "a browser without cookies": {false, signs}} {
		resp, n := at(f, p.host).follow("/drugs/5", c.cookies, c.page)
		if resp.StatusCode != http.StatusLoopDetected || n > 16 {
			t.Errorf("%s: %s after %d redirects", what, resp.Status, n)
		}
		for _, words := range []string{"Cookies are blocked", "tell the people who look after the sign-in page of “St Elsewhere Hospital”", "support code"} {
			if !strings.Contains(resp.body, words) {
				t.Errorf("%s: the page does not say %q", what, words)
			}
		}
	}
	if resp, n := at(f, p.host).follow("/drugs/5", true, signs); resp.StatusCode != http.StatusOK || f.told() != "st-elsewhere:alice" {
		t.Errorf("anybody else: %s after %d redirects", resp.Status, n)
	}
	if resp, _ := at(f, p.host).follow("/drugs/5", true, func(to string) string { return to + "?token=bad&mac=bad" }); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page whose tokens are bad: %s", resp.Status)
	}
}

// TestSeveralPartnersAreChosenOnce: a browser that came from one is led there again.
func TestSeveralPartnersAreChosenOnce(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	b := at(f, "library.test")
	const wanted = "/drugs/5?id=7&x=%41"
	chooser := func(b *browser) answer {
		t.Helper()
		resp := b.get(b.get(wanted).Header.Get("Location"))
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.body, "St Elsewhere Hospital") || !strings.Contains(resp.body, "St Nowhere Clinic") {
			t.Fatalf("no chooser: %s", resp.Status)
		}
		return resp
	}
	page := chooser(b)
	choice := regexp.MustCompile(`href="([^"]*/start/st-nowhere[^"]*)"`).FindStringSubmatch(page.body)
	if choice == nil {
		t.Fatal("no link to the clinic")
	}
	sent := b.get(unescapeHTML(choice[1])).Header.Get("Location")
	if want := "http://intranet.nowhere.test/sso?from=library&return_to=" + url.QueryEscape("http://library.test"+wanted); sent != want {
		t.Fatalf("sent to %s, want %s", sent, want)
	}
	if resp := b.get(wanted + "&" + nowhere(t).mint("alice").Encode()); resp.Header.Get("Location") != wanted {
		t.Fatalf("back: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	b.in("st-nowhere:alice")

	// Her session ends. She is not asked again, unless she asks to be.
	delete(b.jar, "foregate")
	resp := b.get(b.get(wanted).Header.Get("Location"))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != sent {
		t.Errorf("the next time: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if page := b.get("/sso/sign-in?choose=1"); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "St Elsewhere Hospital") {
		t.Errorf("she cannot choose another: %s", page.Status)
	}
	chooser(at(f, "library.test"))
	forged := at(f, "library.test")
	for name, value := range b.jar {
		forged.jar[name] = value[:len(value)-2] + "AA"
	}
	chooser(forged)
	// What is remembered at one app is not known to another host.
	if resp := at(f, "formulary.test").get("/sso/sign-in?rd=/x"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "http://intranet.test/sso?") {
		t.Errorf("an app with one partner: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
}
