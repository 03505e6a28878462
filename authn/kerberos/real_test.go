package kerberos

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/ldaptest"
)

// domain has a real KDC, and tokens that curl made with its tickets.
type domain struct {
	*ldaptest.DC
	keytab string
}

const host = "app.ad.example"

var (
	serviceOnce sync.Once
	serviceFile []byte
)

func newDomain(t *testing.T) *domain {
	t.Helper()
	d := &domain{DC: ldaptest.AD(t)}
	d.keytab = d.shared(t)
	return d
}

// token is what curl sends to a page at a host below ad.example.
func token(t *testing.T, env []string, host string) string {
	t.Helper()
	var sent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
	}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	cmd := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "20", "--negotiate", "-u", ":", "--resolve", host+":"+port+":127.0.0.1", "http://"+host+":"+port+"/")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(sent, "Negotiate ") {
		t.Fatalf("curl: %v: %s: sent %q", err, out, sent)
	}
	return sent
}

func (d *domain) open(t *testing.T, now func() time.Time) *Method {
	t.Helper()
	c := Config{Keytab: authn.Path(d.keytab), Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	m, err := c.open(authntest.NewEnv("domain-pc"), now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func resume(t *testing.T, m *Method, host, authorization string) (authn.Reply, error) {
	t.Helper()
	r := authntest.Get(nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return m.Resume(t.Context(), authntest.NewAttempt("domain-pc", host), r)
}

func TestContract(t *testing.T) {
	d := newDomain(t)
	env := d.Ticket(t, "alice")
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		m := d.open(t, time.Now)
		return authntest.Subject{Authenticator: m, SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
			a.Host = host
			if _, err := m.Begin(ctx, a); err != nil {
				return nil, err
			}
			r := authntest.Get(nil)
			r.Header.Set("Authorization", token(t, env, host))
			return m.Resume(ctx, a, r)
		}}
	})
}

func TestTicketSignsInOnce(t *testing.T) {
	d := newDomain(t)
	m := d.open(t, time.Now)
	sent := token(t, d.Ticket(t, "alice"), host)
	reply, err := resume(t, m, host, sent)
	want := authn.SignedIn{Identity: authn.Identity{
		Method: "domain-pc", Issuer: "kerberos:domain-pc", Subject: "alice@AD.EXAMPLE", User: "alice", PreferredUsername: "alice", Name: "alice Test",
	}}
	if diff := cmp.Diff(authn.Reply(want), reply, cmpopts.IgnoreFields(authn.Identity{}, "Authenticated")); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if since := time.Since(reply.(authn.SignedIn).Identity.Authenticated); since < -time.Second || since > time.Minute {
		t.Errorf("authenticated %v ago", since)
	}
	if reply, err := resume(t, m, host, sent); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("a second time: %+v, %v, want spent", reply, err)
	}
	m.once = authntest.Down{}
	var known *authn.Error
	if _, err := resume(t, m, host, token(t, d.Ticket(t, "alice"), host)); !errors.As(err, &known) || known.Status != http.StatusServiceUnavailable {
		t.Errorf("without the store: %v, want unavailable", err)
	}
}

func TestTicketThatIsNoGoodLeadsElsewhere(t *testing.T) {
	d := newDomain(t)
	sent := token(t, d.Ticket(t, "alice"), host)
	other := d.open(t, time.Now)
	other.realms = []string{"OTHER.EXAMPLE"}
	in := func(after time.Duration) *Method {
		return d.open(t, func() time.Time { return time.Now().Add(after) })
	}
	broken := sent[:len(sent)-40] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, sent[len(sent)-40:])
	for name, try := range map[string]struct {
		method *Method
		host   string
		sent   string
	}{
		"another host's":     {in(0), "other.ad.example", sent},
		"clock too late":     {in(6 * time.Minute), host, sent},
		"clock too early":    {in(-6 * time.Minute), host, sent},
		"unexpected realm":   {other, host, sent},
		"changed":            {in(0), host, broken},
		"NTLM":               {in(0), host, "Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw=="},
		"nothing":            {in(0), host, "Negotiate"},
		"no base64":          {in(0), host, "Negotiate %%%"},
		"longer than any":    {in(0), host, "Negotiate " + strings.Repeat("A", maxToken+4)},
		"no Kerberos at all": {in(0), host, "Negotiate YIIA"},
	} {
		reply, err := resume(t, try.method, try.host, try.sent)
		if diff := cmp.Diff(authn.Reply(authn.Elsewhere{}), reply); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, none := range []string{"", "Basic YTpi", "Bearer x"} {
		if reply, err := resume(t, in(0), host, none); reply != (authn.Challenge{Scheme: "Negotiate"}) || err != nil {
			t.Errorf("%q: %+v, %v", none, reply, err)
		}
	}
}

// The ticket of a session that goes on is one whose time ran out, with a clock that
// still agrees about what was sent.
func TestExpiredTicketIsNone(t *testing.T) {
	d := newDomain(t)
	m := d.open(t, time.Now)
	req, err := readToken(strings.TrimPrefix(token(t, d.Ticket(t, "alice"), host), "Negotiate "))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.decrypt(req, []string{"HTTP/" + host}); err != nil {
		t.Fatal(err)
	}
	ticket := req.Ticket.DecryptedEncPart
	if err := m.current(&ticket, time.Now()); err != nil {
		t.Errorf("a fresh ticket: %v", err)
	}
	m.now = func() time.Time { return ticket.EndTime.Add(skew + time.Second) }
	if err := m.current(&ticket, m.now()); err == nil {
		t.Error("an expired ticket counts")
	}
	m.now = func() time.Time { return ticket.AuthTime.Add(-skew - time.Minute) }
	if err := m.current(&ticket, m.now()); err == nil {
		t.Error("a ticket of the future counts")
	}
}

// shared is the keytab of the one service of this package's tests.
func (d *domain) shared(t *testing.T) string {
	t.Helper()
	serviceOnce.Do(func() {
		data, err := os.ReadFile(d.Service(t, host))
		if err != nil {
			t.Fatal(err)
		}
		serviceFile = data
	})
	file := filepath.Join(t.TempDir(), "http.keytab")
	if err := os.WriteFile(file, serviceFile, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
