package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/internal/config"
	"foregate/proxy"
	"foregate/proxy/admin"
)

// openAdmin makes the operator's side: the API, the console, and the listener with who
// may use them.
func (fg *running) openAdmin(file *config.File, store Store, secrets [][]byte) error {
	keys, err := deriveKeys(secrets, "foregate admin 1")
	if err != nil {
		return err
	}
	if fg.guard, err = admin.NewGuard(keys, fg.accounts, fg.builder.tries, fg.log); err != nil {
		return err
	}
	parts := admin.Parts{
		Sessions: fg.sessions, Accounts: fg.accounts, Guard: fg.guard, Methods: fg.methodStates, Try: fg.try, Logins: fg.appsWithLogins,
		Config: func() ([]byte, error) { return fg.file.Load().Dump() }, Log: fg.log, Level: fg.level, Faults: &fg.faults,
	}
	if fg.refresher != nil {
		parts.Refresh = fg.refresher.refresh
	}
	fg.api = admin.NewAPI(parts)
	console, err := admin.NewConsole(parts)
	if err != nil {
		return err
	}
	fg.admin = admin.NewListener(admin.ListenerParts{
		Metrics: fg.metrics, API: fg.api, Console: console, Guard: fg.guard, Near: config.LoopbackAddress(file.Listen.Admin),
		Ready: func(ctx context.Context) error {
			_, err := store.Load(ctx, "ready")
			if errors.Is(err, cookies.ErrNotFound) {
				return nil
			}
			return err
		},
	})
	return nil
}

// methodStates are the ways to sign in that are in force, in the order of the file.
func (fg *running) methodStates() []admin.MethodState {
	open := make(map[string]*proxy.Method)
	for _, m := range fg.server.Set().Methods() {
		open[m.Name] = m
	}
	var states []admin.MethodState
	for _, m := range fg.file.Load().Methods {
		s := admin.MethodState{Name: m.Name, Title: m.Title, Kind: m.Kind, Trial: fg.server.Set().Tryable(m.Name)}
		if running := open[m.Name]; running != nil {
			err := running.Health()
			s.Usable = err == nil
			if err != nil {
				s.Why = authn.CutControl(err.Error(), 512)
			}
			if running.Unstable() {
				s.Warning = "nearly all users that the partner's page sent lately had never been seen before: does it send session identifiers?"
			}
		}
		if _, follows := m.Config.(authn.Scheduled); follows {
			s.Compared = fg.compared(m.Name)
		}
		fg.metrics.State(&s)
		states = append(states, s)
	}
	return states
}

// upstreamStates are the addresses of applications that have several.
func (fg *running) upstreamStates() []admin.UpstreamState {
	var all []admin.UpstreamState
	for _, app := range fg.server.Set().Apps() {
		if app.Upstream == nil {
			continue
		}
		for _, a := range app.Upstream.Addresses() {
			all = append(all, admin.UpstreamState{App: app.Name, Upstream: strings.TrimSpace(a.Path + " " + a.Host), Up: a.In})
		}
	}
	return all
}

// Comparisons that are longer ago than comparedSince are not looked for.
const (
	comparedSince = 31 * 24 * time.Hour
	comparedWait  = 2 * time.Second
)

// compared is how the last comparison with a method's directory ended; nil if there was none.
func (fg *running) compared(method string) *admin.Compared {
	if fg.accounts == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), comparedWait)
	defer cancel()
	lines, err := fg.accounts.Audit.List(ctx, accounts.Filter{Action: "refresh", Method: method, Since: time.Now().Add(-comparedSince), Limit: 1})
	if err != nil {
		fg.log.Warn("audit trail not read for the last comparison with a directory", "method", method, "reason", err.Error())
	}
	if len(lines) == 0 {
		return nil
	}
	return admin.ComparedBy(&lines[0])
}

// rulesOfAdmin are the section admin, and after it the desks of organisations.
func rulesOfAdmin(file *config.File) admin.Rules {
	var r admin.Rules
	for _, t := range file.Admin.Tokens {
		r.Tokens = append(r.Tokens, admin.Token{Name: t.Name, Role: admin.Role(t.Role), Organisation: t.Organisation, Secret: t.Token})
	}
	for _, a := range file.Admin.Allow {
		r.Allowed = append(r.Allowed, admin.Allowed{User: a.User, Email: a.Email, Group: a.Group, Role: admin.Role(a.Role), Organisation: a.Organisation})
	}
	for _, o := range file.Organisations {
		for _, address := range o.Desk {
			r.Allowed = append(r.Allowed, admin.Allowed{Email: address, Role: admin.Desk, Organisation: o.Name})
		}
	}
	return r
}

// adminTLS lets l speak TLS if there is a certificate for it.
func adminTLS(c *config.Certificate, l net.Listener) (net.Listener, error) {
	if c == nil {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("admin.tls: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{cert}}), nil
}

// adminClient asks the listener of this machine: it believes the certificate that the
// listener has, and no other.
func adminClient(c *config.Certificate) (*http.Client, string, error) {
	if c == nil {
		return http.DefaultClient, "http", nil
	}
	pair, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
	if err != nil {
		return nil, "", fmt.Errorf("admin.tls: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	name := pair.Leaf.Subject.CommonName
	switch {
	case len(pair.Leaf.DNSNames) > 0:
		name = pair.Leaf.DNSNames[0]
	case len(pair.Leaf.IPAddresses) > 0:
		name = pair.Leaf.IPAddresses[0].String()
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: name}}}, "https", nil
}
