package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/handoff"
)

// Two organisations with pages of their own.
const (
	elsewhereKey = "00112233445566778899aabbccddeeff"
	elsewhereMAC = "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f"
	nowhereKey   = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

	partners = `
  - name: st-elsewhere
    title: St Elsewhere Hospital
    handoff: {page: "http://intranet.test/sso", format: blowfish, keys: [{key: ` + elsewhereKey + `, mac_key: ` + elsewhereMAC + `, id: k1}]}
  - name: st-nowhere
    title: St Nowhere Clinic
    handoff: {page: "http://intranet.nowhere.test/sso?from=library", format: aes-gcm, parameter: ticket, keys: [{key: ` + nowhereKey + `}]}
  - name: north
    title: Northfield
    handoff: {page: "http://north.test/sso", format: aes-gcm, partner_parameter: from, keys: [{key: ` + nowhereKey + `}]}
  - name: south
    title: Southmead
    handoff: {page: "http://south.test/sso", format: aes-gcm, partner_parameter: from, networks: [10.0.0.0/8], keys: [{key: ` + nowhereKey + `}]}
`
	partnerApps = `
  - {name: formulary, hosts: [formulary.test], upstream: {url: "http://APPLICATION"}, methods: [st-elsewhere]}
  - name: library
    hosts: [library.test]
    upstream: {url: "http://APPLICATION"}
    methods: [st-elsewhere, st-nowhere, local]
    rules: [{path: /admin/**, groups: [admins]}, {allow: signed_in}]
  - {name: atlas, hosts: [atlas.test], upstream: {url: "http://APPLICATION"}, methods: [north, south]}
`
)

func startLibrary(t *testing.T) *foregate {
	t.Helper()
	return start(t, options{top: "trusted_proxies: [127.0.0.1]", users: partners, apps: partnerApps})
}

// page makes tokens as a partner's page does.
type page struct {
	t    *testing.T
	p    *handoff.Partner
	host string
}

func newPage(t *testing.T, method, host string, c handoff.Config) page {
	t.Helper()
	p, err := handoff.NewPartner(&c, method)
	if err != nil {
		t.Fatal(err)
	}
	return page{t, p, host}
}

func elsewhere(t *testing.T) page {
	return newPage(t, "st-elsewhere", "formulary.test", handoff.Config{
		Page: "http://intranet.test/sso", Format: "blowfish",
		Keys: []handoff.Key{{Key: authn.NewSecret(elsewhereKey), MACKey: authn.NewSecret(elsewhereMAC), ID: "k1"}},
	})
}

func modern(t *testing.T, method, parameter, host string) page {
	c := handoff.Config{Page: "http://intranet.test/sso", Format: "aes-gcm", Parameter: parameter, Keys: []handoff.Key{{Key: authn.NewSecret(nowhereKey)}}}
	if method != "st-nowhere" {
		c.PartnerParameter = "from"
	}
	return newPage(t, method, host, c)
}

func nowhere(t *testing.T) page { return modern(t, "st-nowhere", "ticket", "library.test") }

func (p page) mint(user string, change ...func(*handoff.Draft)) url.Values {
	p.t.Helper()
	d := handoff.Draft{User: user, Name: "Alice Archer", Made: time.Now(), Host: p.host}
	for _, f := range change {
		f(&d)
	}
	v, err := p.p.Mint(d)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// aged is a token that was made then.
func aged(d time.Duration) func(*handoff.Draft) {
	return func(draft *handoff.Draft) { draft.Made = draft.Made.Add(d) }
}

func opening(start string) func(*handoff.Draft) {
	return func(draft *handoff.Draft) { draft.Start = start }
}

// with is a token with one of its parameters changed.
func with(v url.Values, name string, change func(string) string) url.Values {
	changed := make(url.Values)
	for k, values := range v {
		changed[k] = append([]string(nil), values...)
	}
	changed.Set(name, change(v.Get(name)))
	return changed
}

func at(f *foregate, host string) *browser { return browserAt(f, "http://"+host, f.addr) }

// from is at, of a client with another address.
func from(f *foregate, host, client string) *browser {
	b := at(f, host)
	b.header.Set("X-Forwarded-For", client)
	return b
}

// told returns whom the application was told of since the last call; "" if nothing
// arrived, or of nobody.
func (f *foregate) told() string {
	user := ""
	for _, head := range f.up.take() {
		if v := values(head, "X-Forwarded-User"); len(v) == 1 {
			user = v[0]
		}
	}
	return user
}

// in wants the browser's person to be known to the application as user.
func (b *browser) in(user string) {
	b.f.t.Helper()
	b.f.up.take()
	resp := b.get("/")
	if got := b.f.told(); got != user {
		b.f.t.Errorf("the application is told %q, want %q (%s)", got, user, resp.Status)
	}
}

// TestTK1TK8OneRedirectAndTheTokenIsGone: on any address, from whatever is kept,
// shown or passed on.
func TestTK1TK8OneRedirectAndTheTokenIsGone(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	p := elsewhere(t)
	var secrets, shown []string
	plant := func(v url.Values) string {
		for _, name := range []string{"token", "mac", "ticket"} {
			if v.Has(name) {
				secrets = append(secrets, strings.TrimPrefix(v.Get(name), "k1."))
			}
		}
		return v.Encode()
	}
	note := func(resp answer) answer {
		shown = append(shown, fmt.Sprint(resp.Header)+resp.body)
		return resp
	}
	for _, address := range []string{"/", "/drugs/5?id=7&x=%41+b&&y", "/d%C3%A9/a%20b;v=1?q=%26"} {
		b := at(f, "formulary.test")
		joint := "?"
		if strings.Contains(address, "?") {
			joint = "&"
		}
		resp := note(b.get(address + joint + plant(p.mint("alice"))))
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != address || resp.body != "" {
			t.Errorf("%s: %s, to %q, %q", address, resp.Status, resp.Header.Get("Location"), resp.body)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if got := resp.Header.Values(name); len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("%s is %q", name, got)
			}
		}
		if heads := f.up.take(); len(heads) != 0 {
			t.Errorf("the application was asked: %q", heads)
		}
		if note(b.get(address)); f.told() != "st-elsewhere:alice" {
			t.Error("the application is not told of alice")
		}
	}

	// Whatever becomes of a token, nobody reads it afterwards.
	b := at(f, "formulary.test")
	used := plant(p.mint("bob"))
	note(b.get("/?" + used))
	note(b.get("/?" + used))
	note(at(f, "formulary.test").get("/?" + used))
	note(b.get("/?" + plant(p.mint("bob", aged(-time.Hour)))))
	note(b.get("/?" + plant(p.mint("bob")) + "&token=x"))
	note(b.do("POST", "/x?"+plant(p.mint("bob")), url.Values{}, nil))
	note(b.do("HEAD", "/x?"+plant(p.mint("bob")), nil, nil))
	note(b.get("/sso/sign-in?" + plant(p.mint("bob"))))
	note(b.get("/sso/callback/st-elsewhere?" + plant(p.mint("bob"))))
	note(b.do("POST", "/sso/callback/st-elsewhere", url.Values{"token": {plant(p.mint("bob"))}}, nil))
	note(at(f, "atlas.test").get("/?from=west&" + plant(modern(t, "north", "token", "atlas.test").mint("bob"))))
	note(b.get("/x?" + plant(p.mint("bob")) + strings.Repeat("&a", 10_000)))

	asked := strings.Join(f.up.take(), "\n")
	metrics := f.adminPage("/metrics")
	f.stop()
	places := map[string]string{"the log": f.logs.String(), "the metrics": metrics, "the application": asked}
	for i, page := range shown {
		places[fmt.Sprint("answer ", i)] = page
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "data", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no data", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		places[filepath.Base(name)] = string(content)
	}
	if len(secrets) < 20 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	for where, text := range places {
		for _, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds a token: …%q", where, text[max(0, at-100):min(len(text), at+60)])
			}
		}
		for _, key := range []string{elsewhereKey, elsewhereMAC, nowhereKey} {
			if strings.Contains(text, key) {
				t.Errorf("%s holds a key", where)
			}
		}
	}
}

// TestTK1UsedOnce: the browser that used a token goes on with it, no other, and
// neither an end nor a crash brings it back.
func TestTK1UsedOnce(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	for _, page := range []page{elsewhere(t), nowhere(t)} {
		b := at(f, page.host)
		v := page.mint("alice", opening("/drugs/9"))
		address, lands := "/drugs/5?id=7&"+v.Encode(), "/drugs/5?id=7"
		if page.p.Parameter() == "ticket" { // whose token can say where to go
			lands = "/drugs/9"
		}
		for _, what := range []string{"first", "reload", "back"} {
			resp := b.get(address)
			if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != lands {
				t.Errorf("%s: %s to %q, want %q", what, resp.Status, resp.Header.Get("Location"), lands)
			}
		}
		refused := func(what string, b *browser) {
			t.Helper()
			if resp := b.get(address); resp.StatusCode != http.StatusForbidden || b.cookie("foregate") != "" {
				t.Errorf("%s: %s, session %.9q", what, resp.Status, b.cookie("foregate"))
			}
		}
		refused("another browser", at(f, page.host))
		bob := at(f, page.host)
		bob.get("/?" + page.mint("bob").Encode())
		if resp := bob.get(address); resp.StatusCode != http.StatusForbidden {
			t.Errorf("bob's browser: %s", resp.Status)
		}
		bob.in(bobOf(page))
		f.restart()
		refused("after a restart", at(f, page.host))
		f.kill()
		f.run()
		refused("after a crash", at(f, page.host))
		if resp := b.get(address); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("her browser after the crash: %s", resp.Status)
		}
		b.submit(b.get("/sso/sign-out"), url.Values{})
		refused("her browser after she signed out", b)
	}
}

func bobOf(p page) string {
	if p.host == "library.test" {
		return "st-nowhere:bob"
	}
	return "st-elsewhere:bob"
}

// TestTK8LooksAheadUseNothingUp: not the browser's own, not a mail program's.
func TestTK8LooksAheadUseNothingUp(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	address := "/drugs/5?" + elsewhere(t).mint("alice").Encode()
	for what, c := range map[string]struct {
		method string
		header http.Header
		status int
	}{
		"HEAD":               {"HEAD", nil, 204},
		"prefetch":           {"GET", http.Header{"Sec-Purpose": {"prefetch"}}, 204},
		"prerender":          {"GET", http.Header{"Sec-Purpose": {"prefetch;prerender"}}, 204},
		"an older prefetch":  {"GET", http.Header{"X-Moz": {"prefetch"}}, 204},
		"a preview":          {"GET", http.Header{"X-Purpose": {"preview"}}, 204},
		"a chat's preview":   {"GET", http.Header{"Sec-Fetch-Mode": nil, "Sec-Fetch-Dest": nil, "User-Agent": {"Mozilla/5.0 SkypeUriPreview Preview/0.5"}}, 204},
		"a crawler":          {"GET", http.Header{"Sec-Fetch-Mode": nil, "Sec-Fetch-Dest": nil, "User-Agent": {"Slackbot-LinkExpanding 1.0"}}, 204},
		"a script":           {"GET", http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, 303},
		"an image":           {"GET", http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}}, 303},
		"a command line":     {"GET", http.Header{"Sec-Fetch-Mode": nil, "Sec-Fetch-Dest": nil, "Accept": {"*/*"}}, 303},
		"a form posted here": {"POST", nil, 400},
	} {
		b := at(f, "formulary.test")
		resp := b.do(c.method, address, nil, c.header)
		if resp.StatusCode != c.status || len(b.jar) != 0 || strings.Contains(resp.Header.Get("Location"), "token") {
			t.Errorf("%s: %s to %q, cookies %v", what, resp.Status, resp.Header.Get("Location"), b.jar)
		}
	}
	// A person's browser is none of these, also where its name sounds like it.
	b := at(f, "formulary.test")
	b.header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 10; CUBOT X30)")
	if resp := b.get(address); resp.StatusCode != http.StatusSeeOther || b.cookie("foregate") == "" {
		t.Errorf("alice herself: %s", resp.Status)
	}
}

// TestTK8AFormInTheAddresssPlace: the page may post what it would write into the
// address.
func TestTK8AFormInTheAddresssPlace(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	p := elsewhere(t)
	posted := http.Header{"Origin": {"http://intranet.test"}, "Sec-Fetch-Site": {"cross-site"}}
	for rd, want := range map[string]string{
		"/drugs/5?id=7": "/drugs/5?id=7", "": "/", "//evil.test/": "/", "https://evil.test/": "/", "/sso/sign-out": "/",
	} {
		b := at(f, "formulary.test")
		v := p.mint("alice")
		v.Set("rd", rd)
		resp := b.do("POST", "/sso/callback/st-elsewhere", v, posted)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
			t.Errorf("rd %q: %s to %q", rd, resp.Status, resp.Header.Get("Location"))
		}
		b.in("st-elsewhere:alice")
		if resp := at(f, "formulary.test").do("POST", "/sso/callback/st-elsewhere", v, posted); resp.StatusCode != http.StatusForbidden {
			t.Errorf("again: %s", resp.Status)
		}
	}
	for what, v := range map[string]url.Values{
		"empty": {}, "another's": nowhere(t).mint("alice"), "twice": {"token": {"a", "b"}}, "without its HMAC": {"token": p.mint("alice")["token"]},
	} {
		b := at(f, "formulary.test")
		if resp := b.do("POST", "/sso/callback/st-elsewhere", v, posted); resp.StatusCode != http.StatusForbidden || b.cookie("foregate") != "" {
			t.Errorf("%s: %s", what, resp.Status)
		}
	}
	if resp := at(f, "formulary.test").do("POST", "/sso/callback/st-nowhere", nowhere(t).mint("alice"), posted); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a partner that this app does not have: %s", resp.Status)
	}
}

// TestTK9TheStartPageIsOneOfOurs, whatever the token says.
func TestTK9TheStartPageIsOneOfOurs(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	for start, want := range map[string]string{
		"/drugs/5?id=7&x=%41": "/drugs/5?id=7&x=%41", "": "/asked", "//evil.test/": "/asked", "https://evil.test/": "/asked", "javascript:alert(1)": "/asked",
		`/\evil.test`: "/asked", "/sso/sign-out": "/", "/%2f%2fevil.test": "/",
	} {
		b := at(f, "library.test")
		resp := b.get("/asked?" + nowhere(t).mint("alice", opening(start)).Encode())
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("start %q: %s to %q, want %q", start, resp.Status, got, want)
		}
	}
}

// TestTK9NoPartnerNamesAnothersUsers, and none is let in to what is not theirs.
func TestTK9NoPartnerNamesAnothersUsers(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	for _, user := range []string{"root", "local:root", "st-elsewhere:alice"} {
		b := at(f, "library.test")
		b.get("/?" + nowhere(t).mint(user).Encode())
		b.in("st-nowhere:" + user)
		if resp := b.get("/admin/x"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s at /admin: %s", user, resp.Status)
		}
	}
	// A session is good at the app that made it, and nowhere else.
	b := at(f, "formulary.test")
	b.get("/?" + elsewhere(t).mint("alice").Encode())
	elsewhere := at(f, "library.test")
	elsewhere.jar = b.jar
	if resp := elsewhere.get("/"); resp.StatusCode != http.StatusFound {
		t.Errorf("alice's session at another app: %s", resp.Status)
	}
}

// TestTK10TheLinkForBobEndsAlicesSession, and one that does not hold ends nothing.
func TestTK10TheLinkForBobEndsAlicesSession(t *testing.T) {
	t.Parallel()
	f := startLibrary(t)
	p := elsewhere(t)
	b := at(f, "formulary.test")
	b.get("/?" + p.mint("alice").Encode())
	b.in("st-elsewhere:alice")
	alice := b.cookie("foregate")
	if resp := b.get("/?" + p.mint("bob", aged(-time.Hour)).Encode()); resp.StatusCode != http.StatusForbidden {
		t.Errorf("an old link: %s", resp.Status)
	}
	b.in("st-elsewhere:alice")
	if resp := b.get("/?" + p.mint("bob").Encode()); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("bob's link: %s", resp.Status)
	}
	b.in("st-elsewhere:bob")
	copied := at(f, "formulary.test")
	copied.jar["foregate"] = alice
	f.up.take()
	if resp := copied.get("/"); resp.StatusCode != http.StatusFound || len(f.up.take()) != 0 {
		t.Errorf("alice's session is alive: %s", resp.Status)
	}
	if b.cookie("foregate") == alice {
		t.Error("bob has alice's cookie")
	}
}
