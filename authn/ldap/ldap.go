// Package ldap signs people in by the user name and password that they have in a
// directory: Active Directory, OpenLDAP, 389 Directory Server, FreeIPA.
//
// What a person typed as name becomes a filter (name.go), with which an account that
// may only read searches for their entry (person.go). The entry's DN and the
// password are bound on another connection (prove.go), and what the directory says
// becomes yes, no, or a sentence (verdict.go). Then their groups are looked up
// (groups.go). refresh.go asks the same again while a session lasts, without the
// password, and directory.go reads everybody.
//
// Below lie the connections: servers.go knows which server to use, dial.go connects
// and encrypts, pool.go keeps a bounded number, and wire.go gives each request an end.
//
// Nothing that writes is ever sent. Passwords are sent to the directory in a bind and
// are stored, cached and logged nowhere, so a changed one holds at once.
//
// # Lockout
//
// Tries are counted in the shared store, before they are judged, on the key of the
// entry that was found, so that alice, ALICE, HOSPITAL\alice and alice@hospital.example
// are one. For a name that nobody has they are counted on the name. What is counted
// and when it ends is described in internal/lockout; the limits are below those that
// directories have, so that nobody can lock an account of the directory from here.
// While an account is locked the directory is not asked.
//
// # What the answer tells
//
// A wrong password, a name that nobody has, an account that is locked here or there:
// all get the same words at the same pace (pace.go). That a password has expired or
// must be changed, or that the account is disabled, is told where the directory says so
// to nobody who does not know the password: only such codes of Active Directory, and
// such answers of the password policy control, are believed.
package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/lockout"
	"foregate/internal/queue"
)

const (
	userField     = "username"
	passwordField = "password"
	maxName       = 256  // bytes
	maxPassword   = 1024 // bytes
)

const (
	noMatch     = "That user name and password do not match, or the account is locked for a while. Check both and try again, or ask your IT department."
	unreachable = "The directory of your organisation does not answer at the moment. Try again in a minute."
	busy        = "Many people are signing in right now. Try again in a moment."
)

var (
	_ authn.Asker     = (*Method)(nil)
	_ authn.Healther  = (*Method)(nil)
	_ authn.Patient   = (*Method)(nil)
	_ authn.Refresher = (*Method)(nil)
	_ authn.Directory = (*Method)(nil)
)

// Method is one directory. It is an authn.Authenticator, Asker, Healther, Refresher,
// Directory and Finder, and is closed when it is gone from the configuration.
type Method struct {
	cfg     Config // filled
	name    string
	claims  []string // attributes to keep
	lockout *lockout.Lockout
	pace    *pace
	log     *slog.Logger
	now     func() time.Time

	servers  *servers
	service  *service
	searches *pool // bound as the account that searches
	binds    *pool // on which nothing but binds of people is sent
	watch    *watch
}

// Open implements authn.MethodConfig. The result is a *Method; Close ends its
// background work.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	return open(c, env, time.Now)
}

func open(c *Config, env authn.Env, now func() time.Time) (*Method, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Method{cfg: c.filled(), name: env.Name, claims: env.Claims, pace: new(pace), now: now}
	m.log = env.Log.With("method", env.Name)
	m.lockout = lockout.New(env.Tries, "ldap", env.Name, m.cfg.Lockout.limits(), now)
	trust, err := m.cfg.trust()
	if err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	m.servers = &servers{trust: trust, wait: m.cfg.Timeouts.Connect, log: m.log, now: now}
	if c.SRV != "" {
		m.servers.records = &records{domain: c.SRV, startTLS: c.StartTLS, lookUp: net.DefaultResolver.LookupSRV, now: now}
	}
	for _, address := range m.cfg.Servers {
		one, err := m.cfg.parseServer(address)
		if err != nil {
			return nil, fmt.Errorf("ldap: %w", err)
		}
		m.servers.fixed = append(m.servers.fixed, one)
	}
	m.service = &service{dn: m.cfg.BindDN, password: m.cfg.BindPassword, now: now}
	m.searches = m.pool(m.service.bind)
	m.binds = m.pool(func(context.Context, *conn) error { return nil })
	if c.InsecurePlain {
		m.log.Warn("insecure_plain is on: anybody on the way to the directory reads every password")
	}
	m.watch = startWatch(m)
	return m, nil
}

func (m *Method) pool(ready func(context.Context, *conn) error) *pool {
	return &pool{
		queue:   queue.New(m.cfg.Connections, m.cfg.Waiting, m.cfg.Wait),
		connect: func(ctx context.Context) (*conn, error) { return m.servers.connect(ctx, ready) },
		failed:  m.servers.failed,
		now:     m.now,
	}
}

// Close ends the background work and the connections.
func (m *Method) Close() error {
	m.watch.close()
	m.searches.close()
	m.binds.close()
	return nil
}

// Health implements authn.Healther: whether the directory could be searched when it
// was asked last.
func (m *Method) Health() error {
	if err := m.watch.fault(); err != nil {
		return authn.Unavailable(unreachable, fmt.Errorf("ldap: %w", err))
	}
	return nil
}

// Patience implements authn.Patient.
func (m *Method) Patience() time.Duration { return m.cfg.Wait }

// Asks implements authn.Asker.
func (m *Method) Asks() authn.Form { return form("", "") }

// Begin implements authn.Authenticator.
func (m *Method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	return form(a.Hint, ""), nil
}

// Resume implements authn.Authenticator.
func (m *Method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	users, passwords := r.PostForm[userField], r.PostForm[passwordField]
	// Two values are read differently by what stands before and behind Foregate.
	if len(users) > 1 || len(passwords) > 1 {
		return nil, authn.Invalid("That form could not be read. Go back and try again.",
			fmt.Errorf("ldap: %d user names and %d passwords in one form", len(users), len(passwords)))
	}
	if len(users) == 0 || len(passwords) == 0 {
		return form(a.Hint, noMatch), nil
	}
	user, password := users[0], passwords[0]
	typed, plausible := m.cfg.Names.parse(user)
	if !plausible || !plausiblePassword(password) {
		return form(user, noMatch), nil
	}
	id, verdict, err := m.try(ctx, typed, password, a)
	if err != nil {
		return nil, err
	}
	if verdict != proven {
		return m.refusalForm(user, verdict), nil
	}
	return authn.SignedIn{Identity: id}, nil
}

// try judges one password.
func (m *Method) try(ctx context.Context, typed name, password string, a *authn.Attempt) (authn.Identity, verdict, error) {
	began := time.Now()
	from := lockout.Network(a.Client)
	if err := m.lockout.Rested(from); err != nil {
		return authn.Identity{}, wrong, err
	}
	person, err := m.find(ctx, m.cfg.filterOf(typed))
	if err != nil {
		return authn.Identity{}, wrong, m.unavailable(err)
	}
	p := proof{person: person, account: person.account(typed), from: from, password: password}
	if err := m.prove(ctx, &p); err != nil {
		return authn.Identity{}, wrong, m.unavailable(err)
	}
	if p.verdict == wrong {
		m.refused(ctx, &p)
		if p.judged {
			m.pace.note(time.Since(began))
		}
		return authn.Identity{}, wrong, m.pace.hold(ctx, began)
	}
	if err := m.lockout.Succeeded(ctx, p.account, from); err != nil {
		m.log.WarnContext(ctx, "counted tries not forgotten after a success", "err", err)
	}
	if p.verdict == proven && !person.enabled(m.now()) {
		p.verdict, p.reason = disabled, "the entry says that the account is disabled"
	}
	if p.verdict != proven {
		m.log.InfoContext(ctx, "right password, but no sign-in", "user", person.user, "network", from.String(), "reason", p.reason)
		return authn.Identity{}, p.verdict, nil
	}
	m.tell(person, a.Trial)
	groups, err := m.groupsOf(ctx, person)
	if err != nil {
		return authn.Identity{}, wrong, authn.Unavailable("Your groups could not be looked up, so it is not known what you may use. Try again in a minute.",
			fmt.Errorf("ldap: groups of %q: %w", person.user, err))
	}
	a.Trial.Make("groups", []string{m.cfg.Groups.From}, strings.Join(groups, ", "))
	id := m.identity(person, groups)
	id.Authenticated = m.now()
	return id, proven, nil
}

// refused counts and logs a failure. A name that is no account is not logged:
// people type their password into the wrong field.
func (m *Method) refused(ctx context.Context, p *proof) {
	if err := m.lockout.Failed(ctx, p.from); err != nil {
		m.log.WarnContext(ctx, "failure of a network not counted", "err", err)
	}
	m.log.InfoContext(ctx, "password refused", "user", p.person.user, "network", p.from.String(), "reason", p.reason)
}

// unavailable is what a person is told when the directory cannot be asked.
func (m *Method) unavailable(err error) error {
	var said *authn.Error
	switch {
	case errors.As(err, &said):
		return err
	case errors.Is(err, queue.ErrFull):
		return authn.Unavailable(busy, fmt.Errorf("ldap: %w", err))
	}
	m.watch.doubt()
	return authn.Unavailable(unreachable, fmt.Errorf("ldap: %w", err))
}

// form asks for user name and password, with the name filled in.
func form(user, problem string) authn.Form {
	if len(user) > maxName {
		user = ""
	}
	return authn.Form{Step: "password", Problem: problem, Fields: []authn.Field{
		{Name: userField, Kind: "text", Label: "User name", Autocomplete: "username", Value: authn.CutControl(user, maxName)},
		{Name: passwordField, Kind: "password", Label: "Password", Autocomplete: "current-password"},
	}}
}
