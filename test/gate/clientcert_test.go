package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"foregate/internal/certtest"
	"foregate/internal/ldaptest"
)

// cards is a Foregate whose host other.test asks for certificates of two authorities, by
// two methods, and whose host app.test asks for none.
type cards struct {
	*foregate
	staff, guests *certtest.Authority
}

func withCards(t *testing.T, top string, change ...func(*options)) *cards {
	t.Helper()
	c := &cards{staff: certtest.New(t, "Staff CA"), guests: certtest.New(t, "Guests CA")}
	o := options{
		tls: true, top: top,
		prepare: func(dir string) {
			certtest.Write(t, filepath.Join(dir, "staff.pem"), certtest.PEM(c.staff))
			certtest.Write(t, filepath.Join(dir, "guests.pem"), certtest.PEM(c.guests))
			certtest.Write(t, filepath.Join(dir, "staff.crl"), c.staff.List(time.Now().Add(-time.Minute), time.Now().Add(time.Hour)))
		},
		users: `
  - {name: card, title: Sign in with your card, certificate: {ca: [staff.pem], crl: [staff.crl], known_by: san-email, groups: organisational-unit}}
  - {name: guest, certificate: {ca: [guests.pem], known_by: subject-cn}}
`,
		apps: `
  - {name: other, hosts: [other.test], upstream: {url: "http://APPLICATION"}, methods: [card, guest, local]}
`,
	}
	for _, f := range change {
		f(&o)
	}
	c.foregate = start(t, o)
	return c
}

// with is a browser at other.test that has certificates.
func (c *cards) with(certs ...tls.Certificate) *browser {
	b := browserAt(c.foregate, "https://other.test", c.https)
	b.client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(certs) == 0 {
			return new(tls.Certificate), nil
		}
		return &certs[0], nil // whatever was asked for
	}
	return b
}

// reason is why the last sign-in was refused, as the log has it.
func (c *cards) reason() string {
	all := regexp.MustCompile(`certificate refused: (\w+)|certificate: out of (order)`).FindAllStringSubmatch(c.logs.String(), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1] + all[len(all)-1][2]
}

func TestACertificateSignsIn(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	alice := c.staff.Person("Alice Archer", "alice@hospital.example", func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"Ward 7"} })
	b := c.with(alice)
	if page := b.get("/sso/sign-in?rd=/x"); page.StatusCode != 200 || !strings.Contains(page.body, "Sign in with your card") {
		t.Fatalf("sign-in page: %d", page.StatusCode)
	}
	if in := b.get("/sso/start/card?rd=/x"); in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != "/x" {
		t.Fatalf("sign-in: %d %s\n%s", in.StatusCode, in.Header.Get("Location"), in.body)
	}
	b.get("/x")
	head := strings.Join(c.up.take(), "")
	if !strings.Contains(head, "X-Forwarded-User: alice@hospital.example\r\n") || !strings.Contains(head, "X-Forwarded-Groups: Ward") {
		t.Errorf("the application sees\n%s", head)
	}
	// The certificate is looked at when somebody signs in, and not after that.
	without := c.with()
	without.jar = b.jar
	if page := without.get("/y"); page.StatusCode != 200 {
		t.Errorf("the session without the certificate: %d", page.StatusCode)
	}
	out := b.do("POST", "/sso/sign-out", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://other.test"}})
	if page := b.get(out.Header.Get("Location")); !strings.Contains(page.body, "take the card out") {
		t.Errorf("after signing out %s says:\n%s", out.Header.Get("Location"), page.body)
	}
	if in := c.with(c.guests.Person("Gus", "")).get("/sso/start/guest?rd=/"); in.StatusCode != http.StatusSeeOther {
		t.Errorf("the other method on the same host: %d\n%s", in.StatusCode, in.body)
	}
}

// TestPB8CertificatesThatAreNoGoodGetAPage, in words for people, and no session.
func TestPB8CertificatesThatAreNoGoodGetAPage(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	impostor := certtest.New(t, "Staff CA")
	revoked := c.staff.Person("Rita", "rita@hospital.example")
	certtest.Write(t, filepath.Join(c.dir, "staff.crl"), c.staff.List(time.Now().Add(-time.Minute), time.Now().Add(time.Hour), revoked.Leaf))
	until(t, "the list is read", func() bool { return strings.Contains(c.logs.String(), "read anew") })
	for _, tt := range []struct {
		what   string
		certs  []tls.Certificate
		reason string
		words  string
	}{
		{"none", nil, "none", "did not show a smart card"},
		{"of an authority with the same name", []tls.Certificate{impostor.Person("Alice", "alice@hospital.example")}, "authority", "not accepted here"},
		{"of the other method's authority", []tls.Certificate{c.guests.Person("Gus", "alice@hospital.example")}, "authority", "not accepted here"},
		{"expired", []tls.Certificate{c.staff.Person("A", "alice@hospital.example", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })}, "expired", "has run out"},
		{"not valid yet", []tls.Certificate{c.staff.Person("A", "alice@hospital.example", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) })}, "early", "does not hold yet"},
		{"revoked", []tls.Certificate{revoked}, "revoked", "not accepted here"},
		{"for servers", []tls.Certificate{c.staff.Person("A", "alice@hospital.example", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, "usage", "not accepted here"},
		{"with an odd address", []tls.Certificate{c.staff.Person("A", "alice@hospital.example\r\nX: y")}, "field", "not accepted here"},
	} {
		b := c.with(tt.certs...)
		page := b.get("/sso/start/card?rd=/")
		if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.body, tt.words) {
			t.Errorf("%s: %d, want %q in\n%s", tt.what, page.StatusCode, tt.words, page.body)
		}
		c.waitForLog(tt.what+" refused as "+tt.reason, logTime, func(string) bool { return c.reason() == tt.reason })
		if !strings.Contains(page.body, `href="/sso/sign-in?choose=1"`) {
			t.Errorf("%s: no way to the other ways in:\n%s", tt.what, page.body)
		}
		if again := b.get("/x"); again.StatusCode != http.StatusFound {
			t.Errorf("%s: then the application answers %d", tt.what, again.StatusCode)
		}
	}
}

// TestPB8AListOutOfDateLetsNobodyIn, says so loudly, and signs nobody out.
func TestPB8AListOutOfDateLetsNobodyIn(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	alice := c.staff.Person("Alice", "alice@hospital.example")
	b := c.with(alice)
	b.get("/sso/start/card?rd=/")
	figure := fmt.Sprintf("foregate_revocation_list_next_update_seconds{list=%q}", filepath.Join(c.dir, "staff.crl"))
	if ends := c.metric(figure); ends < float64(time.Now().Unix()) {
		t.Errorf("the list holds until %v", ends)
	}
	for what, text := range map[string][]byte{
		"out of date": c.staff.List(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)), "empty": nil, "another's": certtest.New(t, "Staff CA").List(time.Now(), time.Now().Add(time.Hour)),
	} {
		alarms := strings.Count(c.logs.String(), "CERTIFICATES SIGN NOBODY IN")
		certtest.Write(t, filepath.Join(c.dir, "staff.crl"), text)
		until(t, "the alarm", func() bool { return strings.Count(c.logs.String(), "CERTIFICATES SIGN NOBODY IN") > alarms })
		page := c.with(alice).get("/sso/start/card?rd=/")
		if page.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page.body, "Nobody can sign in with a smart card") {
			t.Errorf("%s: %d\n%s", what, page.StatusCode, page.body)
		}
		if page := c.with().get("/sso/sign-in?choose=1"); !strings.Contains(page.body, "cannot be reached at the moment") {
			t.Errorf("%s: the page of the ways in says nothing of it:\n%s", what, page.body)
		}
		if page := b.get("/x"); page.StatusCode != 200 {
			t.Errorf("%s: who is in is out: %d", what, page.StatusCode)
		}
		if ends := c.metric(figure); ends > float64(time.Now().Unix()) {
			t.Errorf("%s: by the figures the list holds until %v", what, ends)
		}
		if said, err := exec.Command(binary, "validate", "--online", "-c", filepath.Join(c.dir, "foregate.yaml")).CombinedOutput(); err == nil || !strings.Contains(string(said), "FAIL  certificate") {
			t.Errorf("%s: validate --online ends with %v and says\n%s", what, err, said)
		}
		if said, status := c.validate(); status != 0 || !strings.Contains(said, "crl[0]: nobody can sign in by this method") {
			t.Errorf("%s: validate ends with %d and says\n%s", what, status, said)
		}
	}
	certtest.Write(t, filepath.Join(c.dir, "staff.crl"), c.staff.List(time.Now(), time.Now().Add(time.Hour)))
	until(t, "it is well again", func() bool { return c.with(alice).get("/sso/start/card?rd=/").StatusCode == http.StatusSeeOther })
}

// TestPB8AuthoritiesThatAreGoneOrReplacedLetNobodyIn, without a restart, also on a
// connection from before.
func TestPB8AuthoritiesThatAreGoneOrReplacedLetNobodyIn(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	other := certtest.New(t, "New CA")
	alice, bob := c.staff.Person("Alice", "alice@hospital.example"), other.Person("Bob", "bob@hospital.example")
	open := c.with(alice)
	open.client.Transport.(*http.Transport).DisableKeepAlives = false
	if in := open.get("/sso/start/card?rd=/"); in.StatusCode != http.StatusSeeOther {
		t.Fatalf("before that: %d", in.StatusCode)
	}
	for what, text := range map[string][]byte{"empty": nil, "no certificate": []byte("nothing\n"), "damaged": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")} {
		certtest.Write(t, filepath.Join(c.dir, "staff.pem"), text)
		until(t, what, func() bool { return open.get("/sso/start/card?rd=/").StatusCode == http.StatusServiceUnavailable })
		if in := c.with(alice).get("/sso/start/card?rd=/"); in.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s, on a new connection: %d", what, in.StatusCode)
		}
		if said, status := c.validate(); status == 0 || !strings.Contains(said, "certificate.ca[0]") {
			t.Errorf("%s: validate ends with %d and says\n%s", what, status, said)
		}
	}
	_ = os.Remove(filepath.Join(c.dir, "staff.crl"))
	certtest.Write(t, filepath.Join(c.dir, "staff.crl"), other.List(time.Now(), time.Now().Add(time.Hour)))
	certtest.Write(t, filepath.Join(c.dir, "staff.pem"), certtest.PEM(other))
	until(t, "the new authority", func() bool { return c.with(bob).get("/sso/start/card?rd=/").StatusCode == http.StatusSeeOther })
	if in := open.get("/sso/start/card?rd=/"); in.StatusCode != http.StatusBadRequest {
		t.Errorf("the old authority's, on a connection from before: %d", in.StatusCode)
	}
}

// TestOnlyHostsWithTheMethodAskForACertificate, and name all their authorities.
func TestOnlyHostsWithTheMethodAskForACertificate(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	asked := func(host string) (yes bool, authorities int) {
		conn, err := c.dialTLS(&tls.Config{ServerName: host, GetClientCertificate: func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			yes, authorities = true, len(i.AcceptableCAs)
			return new(tls.Certificate), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return yes, authorities
	}
	for host, want := range map[string]int{"app.test": 0, "other.test": 2, "OTHER.test": 2, "": 0} {
		if yes, n := asked(host); yes != (want > 0) || n != want {
			t.Errorf("%q: asked %v, %d authorities, want %d", host, yes, n, want)
		}
	}
	// while no authority is known, nobody is asked for anything
	certtest.Write(t, filepath.Join(c.dir, "staff.pem"), nil)
	until(t, "one authority", func() bool { _, n := asked("other.test"); return n == 1 })
	certtest.Write(t, filepath.Join(c.dir, "guests.pem"), nil)
	until(t, "no authority", func() bool { yes, _ := asked("other.test"); return !yes })
}

// TestACertificateCountsForTheHostOfItsHandshake: on a connection for another host, by
// HTTP/1 and HTTP/2, the host that asks is misdirected (421), both ways.
func TestACertificateCountsForTheHostOfItsHandshake(t *testing.T) {
	t.Parallel()
	c := withCards(t, "", func(o *options) {
		o.apps += `
  - {name: third, hosts: [third.test], upstream: {url: "http://APPLICATION"}, methods: [card]}
`
	})
	alice := c.staff.Person("Alice", "alice@hospital.example")
	for _, tt := range []struct {
		sni, host, path string
		want            int
	}{
		{"app.test", "other.test", "/sso/start/card?rd=/", http.StatusMisdirectedRequest},
		{"app.test", "other.test", "/x", http.StatusMisdirectedRequest},
		{"third.test", "other.test", "/sso/start/card?rd=/", http.StatusMisdirectedRequest},
		{"other.test", "third.test", "/sso/start/card?rd=/", http.StatusMisdirectedRequest},
		{"other.test", "other.test", "/sso/start/card?rd=/", http.StatusSeeOther},
		{"other.test", "other.test:443", "/sso/start/card?rd=/", http.StatusSeeOther},
		{"other.test", "app.test", "/sso/sign-in", http.StatusOK}, // asks for none
		{"", "other.test", "/sso/start/card?rd=/", http.StatusBadRequest},
	} {
		for _, proto := range []string{"h2", "http/1.1"} {
			cfg := &tls.Config{ServerName: tt.sni, NextProtos: []string{proto}, Certificates: []tls.Certificate{alice}}
			conn, err := c.dialTLS(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := statusOn(t, conn, proto, tt.host, tt.path); got != tt.want {
				t.Errorf("%s: handshake for %q, request for %s%s: %d, want %d", proto, tt.sni, tt.host, tt.path, got, tt.want)
			}
		}
	}
}

// statusOn sends one request on a connection that there is.
func statusOn(t *testing.T, conn *tls.Conn, proto, host, target string) int {
	t.Helper()
	defer conn.Close()
	r, err := http.NewRequest("GET", "https://"+host+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	var trip http.RoundTripper = &http.Transport{DisableKeepAlives: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	if proto == "h2" {
		if trip, err = new(http2.Transport).NewClientConn(conn); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := trip.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestHT7NoResumedSessionBringsACertificate: neither the host's own, nor one of a host that
// asks for none, nor the other way round.
func TestHT7NoResumedSessionBringsACertificate(t *testing.T) {
	t.Parallel()
	c := withCards(t, "")
	alice := c.staff.Person("Alice", "alice@hospital.example")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			first, then string
			resumed     bool
		}{{"app.test", "app.test", true}, {"app.test", "other.test", false}, {"other.test", "other.test", false}, {"other.test", "app.test", false}} {
			cache := &oneTicket{}
			handshake := func(host string) bool {
				conn, err := c.dialTLS(&tls.Config{ServerName: host, MaxVersion: version, ClientSessionCache: cache, Certificates: []tls.Certificate{alice}})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET /sso/keys HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
				_, _ = io.Copy(io.Discard, conn) // tickets of TLS 1.3 come after the handshake
				return conn.ConnectionState().DidResume
			}
			handshake(tt.first)
			if got := handshake(tt.then); got != tt.resumed {
				t.Errorf("%s: %s with the ticket of %s: resumed %v", tls.VersionName(version), tt.then, tt.first, got)
			}
		}
	}
}

// oneTicket gives every host the ticket of the last.
type oneTicket struct{ state *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.state, o.state != nil }
func (o *oneTicket) Put(_ string, s *tls.ClientSessionState)    { o.state = s }

// TestCurlSignsInByCertificate, with an authority between that curl sends along.
func TestCurlSignsInByCertificate(t *testing.T) {
	t.Parallel()
	c := withCards(t, "", func(o *options) { o.users = strings.ReplaceAll(o.users, "crl: [staff.crl], ", "") })
	ward := c.staff.Below("Ward CA")
	certtest.Files(t, certtest.With(ward.Person("Alice", "alice@hospital.example"), ward), filepath.Join(c.dir, "alice.pem"), filepath.Join(c.dir, "alice.key"))
	_, port, _ := net.SplitHostPort(c.https)
	curl := func(args ...string) string {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sk", "--noproxy", "*", "--resolve", "other.test:" + port + ":127.0.0.1", "-o", filepath.Join(c.dir, "page"), "-w", "%{http_version} %{http_code}"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("curl %v: %v\n%s", args, err, out.String())
		}
		return out.String()
	}
	address := "https://other.test:" + port + "/sso/start/card?rd=/"
	if got := curl("--cert", filepath.Join(c.dir, "alice.pem"), "--key", filepath.Join(c.dir, "alice.key"), address); got != "2 303" {
		t.Errorf("with the certificate: %s", got)
	}
	if got := curl("--tls-max", "1.2", "--http1.1", "--cert", filepath.Join(c.dir, "alice.pem"), "--key", filepath.Join(c.dir, "alice.key"), address); got != "1.1 303" {
		t.Errorf("with the certificate by TLS 1.2: %s", got)
	}
	if got := curl("-H", "Accept: text/html", address); got != "2 400" {
		t.Errorf("without: %s", got)
	}
}

// TestADirectorySaysWhoACardIsOf: a real one has the groups, and who is not in it is out.
func TestADirectorySaysWhoACardIsOf(t *testing.T) {
	t.Parallel()
	d := ldaptest.StartSlapd(t, ldaptest.Options{})
	l := d.Admin(t)
	ldaptest.AddGroup(t, l, "ward-7", ldaptest.PersonDN("alice"))
	l.Close()
	c := withCards(t, "", func(o *options) {
		o.users = strings.Replace(o.users, "known_by: san-email, groups: organisational-unit", "known_by: subject-cn, directory: ward", 1) + fmt.Sprintf(`
  - name: ward
    ldap: {preset: openldap, servers: [%q], insecure_plain: true, bind_dn: %q, bind_password: %q, base_dn: %q}
`, d.Plain, ldaptest.Service, ldaptest.ServicePassword, ldaptest.Base)
	})
	b := c.with(c.staff.Person("alice", ""))
	if in := b.get("/sso/start/card?rd=/x"); in.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", in.StatusCode, in.body)
	}
	b.get("/x")
	if head := strings.Join(c.up.take(), ""); !strings.Contains(head, "X-Forwarded-User: alice\r\n") || !strings.Contains(head, "ward-7") {
		t.Errorf("the application sees\n%s", head)
	}
	for name, want := range map[string]string{"zoe": "nobody", "ali*": "nobody", "alice)(uid=*": "nobody"} {
		if in := c.with(c.staff.Person(name, "")).get("/sso/start/card?rd=/"); in.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, in.StatusCode)
		}
		c.waitForLog(name+" refused as "+want, logTime, func(string) bool { return c.reason() == want })
	}
	d.Kill()
	if in := c.with(c.staff.Person("alice", "")).get("/sso/start/card?rd=/"); in.StatusCode != http.StatusServiceUnavailable || !strings.Contains(in.body, "does not answer") {
		t.Errorf("without the directory: %d\n%s", in.StatusCode, in.body)
	}
	if page := b.get("/y"); page.StatusCode != http.StatusOK {
		t.Errorf("without the directory who is in is out: %d", page.StatusCode)
	}
}
