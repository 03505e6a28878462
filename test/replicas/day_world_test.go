package replicas

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
	"foregate/authn/handoff"
	"foregate/internal/ldaptest"
	"foregate/internal/mailtest"
	"foregate/internal/optest"
	"foregate/internal/pgtest"
	"foregate/internal/redistest"
	"foregate/internal/ssptest"
)

// dayIdle is how long a session may be idle on this day.
const dayIdle = 15 * time.Second

// day is one Foregate for five deployments, and all that it needs.
type day struct {
	t        *testing.T
	each     int // people of each deployment
	until    time.Time
	replicas []*replica
	people   []*person
	counts   map[string]*counts
	faults   []*fault

	redis       *redistest.Sentinel
	op          *optest.Provider
	directories [2]*ldaptest.Slapd
	nurses      string // DN of the group
	partner     *handoff.Partner

	mu      sync.Mutex
	letters map[string]chan string // codes by address
}

// counts are of one deployment.
type counts struct {
	in, right, again, elsewhere, unavailable, unreached atomic.Int64
	signedOut, lunches, shut, vain                      atomic.Int64
	wrong, lost, stayed, failed                         atomic.Int64 // what must never be
}

const fromMail = "@hospital.example"

func openDay(t *testing.T, each int) *day {
	t.Helper()
	d := &day{t: t, each: each, counts: make(map[string]*counts), letters: make(map[string]chan string)}
	app := httptest.NewServer(http.HandlerFunc(tell))
	t.Cleanup(app.Close)
	d.redis = redistest.StartSentinel(t)
	d.redis.Patience(6 * time.Second)
	pg := new(pgtest.Server)
	t.Cleanup(pg.Stop)
	mail := mailtest.Start(t, mailtest.Options{})
	users := make(map[string]optest.User)
	for i := range each {
		for _, prefix := range []string{"careplan", "homewatch"} {
			name := fmt.Sprintf("%s%02d", prefix, i)
			users[name] = optest.User{"password": "pw-" + name, "email": name + fromMail, "email_verified": true, "name": name, "groups": []string{"Careplan-Users"}}
		}
	}
	d.op = optest.Start(t, optest.Options{Users: users, RedirectURIs: []string{"http://careplan.test/sso/callback/entra", "http://homewatch.test/sso/callback/microsoft"}})
	saml := ssptest.StartWith(t, each, ssptest.SP{EntityID: "http://trialbase.test/sso/metadata", Base: "http://trialbase.test/sso"})
	ca := d.startDirectories()
	key := authn.NewSecret(pageKey)
	var err error
	if d.partner, err = handoff.NewPartner(&handoff.Config{Page: "http://intranet.test/sso", Format: "aes-gcm", Keys: []handoff.Key{{Key: key}}}, "st-elsewhere"); err != nil {
		t.Fatal(err)
	}
	database := pg.Database(t)
	for range 2 {
		dir, err := os.MkdirTemp("", "fg") // short enough for the path of a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		r := &replica{t: t, dir: dir, addr: address(t), admin: address(t)}
		d.replicas = append(d.replicas, r)
		r.write(fmt.Sprintf(dayYAML, r.addr, r.admin, strings.Join(d.redis.Addresses, ", "), database, strings.Repeat("s", 40), dayIdle,
			mail.Addr, mail.CA, d.op.Issuer, d.op.Issuer, saml.MetadataURL, filepath.Join(d.replicas[0].dir, "saml.pem"),
			d.directories[0].TLS, d.directories[1].TLS, ca, ldaptest.Service, ldaptest.ServicePassword, ldaptest.Base, app.URL))
		t.Cleanup(r.stop)
		r.start()
	}
	go d.deliver(mail)
	var csv strings.Builder
	csv.WriteString("username,email,name\n")
	for name := range users {
		fmt.Fprintf(&csv, "%s,%s,%s\n", strings.ToUpper(name), name+fromMail, name)
	}
	d.replicas[0].command(csv.String(), "accounts", "import")
	redistest.Eventually(t, "both are ready", func() bool { return d.replicas[0].ready() && d.replicas[1].ready() })
	for i := range each {
		d.add("careplan", fmt.Sprintf("careplan%02d", i), fmt.Sprintf("CAREPLAN%02d", i), careplanEnters)
		d.add("formulary", fmt.Sprintf("f%02d", i), fmt.Sprintf("st-elsewhere:f%02d", i), formularyEnters)
		d.add("homewatch", fmt.Sprintf("homewatch%02d", i), fmt.Sprintf("HOMEWATCH%02d", i), homewatchEnters)
		d.add("trialbase", fmt.Sprintf("u%05d", i), fmt.Sprintf("u%05d", i), trialbaseEnters)
		d.add("wardwatch", fmt.Sprintf("w%02d", i), fmt.Sprintf("w%02d", i), wardwatchEnters)
	}
	d.plan()
	return d
}

const dayYAML = `
listen: {http: %q, drain: 0s, admin: %q}
trusted_proxies: [127.0.0.1]
storage: {path: ./data, redis: {addresses: [%s], sentinel: foregate}, postgres: %q}
session: {secrets: [%s], idle: %s, lifetime: 30m}
mail: {smtp: {address: %q, ca: %q}, from: no-reply@hospital.example}
methods:
  - name: entra
    oidc: {issuer: %q, client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
    admit: {groups: [Careplan-Users], account: existing, match: email, verify: mail}
  - name: st-elsewhere
    handoff: {page: "http://intranet.test/sso", format: aes-gcm, keys: [{key: ` + pageKey + `}]}
  - name: code
    mail_code: {}
  - name: microsoft
    oidc: {issuer: %q, client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
    admit: {account: existing, match: email, verify: none}
  - name: adfs
    saml: {metadata: {url: %q}, key_file: %q, attributes: {user: [uid], email: [mail], name: [displayName], groups: [groups]}}
  - name: ward-ad
    ldap:
      preset: openldap
      servers: [%q, %q]
      ca: %q
      bind_dn: %q
      bind_password: %q
      base_dn: %q
      groups: {keep: ["Wardwatch_*"]}
    admit: {groups: [Wardwatch_Nurse], account: create}
apps:
  - {name: careplan, hosts: [careplan.test], upstream: {url: %q}, methods: [entra]}
  - {name: formulary, hosts: [formulary.test], upstream: {url: %[19]q}, methods: [st-elsewhere]}
  - {name: homewatch, hosts: [homewatch.test], upstream: {url: %[19]q}, methods: [code, microsoft]}
  - {name: trialbase, hosts: [trialbase.test], upstream: {url: %[19]q}, methods: [adfs]}
  - {name: wardwatch, hosts: [wardwatch.test], upstream: {url: %[19]q}, methods: [ward-ad]}
`

// startDirectories starts two that have the same people, and returns a file with the
// authorities of both.
func (d *day) startDirectories() (ca string) {
	d.t.Helper()
	var all strings.Builder
	for i := range d.directories {
		s := ldaptest.StartSlapd(d.t, ldaptest.Options{LDIF: d.nursesLDIF()})
		d.directories[i] = s
		text, err := os.ReadFile(s.PKI.CA)
		if err != nil {
			d.t.Fatal(err)
		}
		all.Write(text)
		var members []string
		for i := range d.each {
			members = append(members, ldaptest.PersonDN(fmt.Sprintf("w%02d", i)))
		}
		l := s.Admin(d.t)
		d.nurses = ldaptest.AddGroup(d.t, l, "Wardwatch_Nurse", members...)
		_ = l.Close()
	}
	ca = filepath.Join(d.t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(all.String()), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return ca
}

// nursesLDIF are people whose entryUUID is the same at both directories, as of copies.
func (d *day) nursesLDIF() string {
	var b strings.Builder
	for i := range d.each {
		u := fmt.Sprintf("w%02d", i)
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: Test\nmail: %s\nuserPassword: %s\nentryUUID: 6f1c6a52-0000-4000-8000-%012d\n\n",
			ldaptest.PersonDN(u), u, u, u+fromMail, ldaptest.Password, i)
	}
	return b.String()
}

func (d *day) add(place, name, user string, enter func(*person) (page, error)) {
	if d.counts[place] == nil {
		d.counts[place] = new(counts)
	}
	n := len(d.people)
	d.people = append(d.people, &person{d: d, c: d.counts[place], place: place, host: place + ".test", name: name, user: user,
		client: fmt.Sprintf("10.%d.%d.7", n/200, n%200), enter: enter})
}

// at is the n-th person of a deployment.
func (d *day) at(place string, n int) *person {
	for _, p := range d.people {
		if p.place == place {
			if n == 0 {
				return p
			}
			n--
		}
	}
	d.t.Fatalf("no person %d at %s", n, place)
	return nil
}

// deliver hands each letter's code to whom it is for.
func (d *day) deliver(mail *mailtest.Server) {
	for {
		select {
		case l := <-mail.Letters:
			code := sixDigits.FindString(l.Header.Get("Subject") + "\n" + l.Raw[strings.Index(l.Raw, "\r\n\r\n")+1:])
			d.box(l.To) <- code
		case <-d.t.Context().Done():
			return
		}
	}
}

func (d *day) box(address string) chan string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.letters[address] == nil {
		d.letters[address] = make(chan string, 100)
	}
	return d.letters[address]
}

// code is the next one that is mailed to the person.
func (p *person) code() string {
	select {
	case code := <-p.d.box(p.name + fromMail):
		return code
	case <-time.After(10 * time.Second):
		return "none"
	}
}

// careplanEnters at the provider; the first time a code proves the staff record.
func careplanEnters(p *person) (page, error) {
	at, err := p.get("/sso/start/entra?rd=/")
	if err == nil && at.status == http.StatusOK {
		at, err = p.submit(at, "user", p.name, "password", "pw-"+p.name)
	}
	if err == nil && strings.Contains(at.body, `name="code"`) {
		at, err = p.submit(at, "code", p.code())
	}
	return at, err
}

func formularyEnters(p *person) (page, error) {
	v, err := p.d.partner.Mint(handoff.Draft{User: p.name, Made: time.Now(), Host: p.host})
	if err != nil {
		return page{}, err
	}
	return p.get("/?" + v.Encode())
}

// homewatchEnters by a code, and with the button when an hour's codes are used up.
func homewatchEnters(p *person) (page, error) {
	if p.codes < 3 {
		at, err := p.get("/sso/start/code?rd=/")
		if err == nil && at.status == http.StatusOK {
			at, err = p.submit(at, "email", p.name+fromMail)
		}
		if err == nil && strings.Contains(at.body, `name="code"`) {
			p.codes++
			at, err = p.submit(at, "code", p.code())
		}
		return at, err
	}
	at, err := p.get("/sso/start/microsoft?rd=/")
	if err == nil && at.status == http.StatusOK {
		at, err = p.submit(at, "user", p.name, "password", "pw-"+p.name)
	}
	return at, err
}

func trialbaseEnters(p *person) (page, error) {
	at, err := p.get("/sso/start/adfs?rd=/")
	if err == nil && at.status == http.StatusOK {
		at, err = p.submit(at, "username", p.name, "password", ssptest.Password)
	}
	if err == nil && strings.Contains(at.body, "SAMLResponse") {
		at, err = p.submit(at)
	}
	return at, err
}

func wardwatchEnters(p *person) (page, error) {
	at, err := p.get("/sso/start/ward-ad?rd=/")
	if err == nil && at.status == http.StatusOK {
		at, err = p.submit(at, "username", p.name, "password", ldaptest.Password)
	}
	return at, err
}

// leaveGroup takes a person out of the nurses at both directories.
func (d *day) leaveGroup(name string) {
	d.t.Helper()
	for _, s := range d.directories {
		l := s.Admin(d.t)
		r := ldap.NewModifyRequest(d.nurses, nil)
		r.Delete("member", []string{ldaptest.PersonDN(name)})
		if err := l.Modify(r); err != nil {
			d.t.Error(err)
		}
		_ = l.Close()
	}
}

// table says what happened.
func (d *day) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "deployment\tsigned in\tanswers\tsigned out\taway\tshut out\tin vain\tasked again\tother replica\t503\tsomebody else's\tlost\tstayed\tcannot\t")
	for _, name := range []string{"careplan", "formulary", "homewatch", "trialbase", "wardwatch"} {
		c := d.counts[name]
		fmt.Fprintf(w, "%s\t", name)
		for _, n := range []*atomic.Int64{&c.in, &c.right, &c.signedOut, &c.lunches, &c.shut, &c.vain, &c.again, &c.elsewhere, &c.unavailable, &c.wrong, &c.lost, &c.stayed, &c.failed} {
			fmt.Fprintf(w, "%d\t", n.Load())
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	for _, f := range d.faults {
		fmt.Fprintf(&b, "%3d× %s\n", f.times, f.name)
	}
	return b.String()
}
