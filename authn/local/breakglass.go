package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"foregate/authn"
	"foregate/internal/lockout"
)

// BreakGlass is the part "break_glass" of a method: accounts for when no other way in
// works. They are in the configuration and nowhere else, so nothing on the web can make
// one, and a sign-in needs no store, no directory, no provider and no mail. Tries are
// counted in this process.
type BreakGlass struct {
	Enabled  bool           `yaml:"enabled" default:"false" doc:"Open the way. It is sealed otherwise: not shown, not to be begun, and its sessions are over."`
	Users    []User         `yaml:"users" required:"true" default:"[]" doc:"The accounts, as under local."`
	Networks []netip.Prefix `yaml:"networks" required:"true" default:"[]" doc:"Networks and addresses from which it can be used, such as those of the IT team; nowhere else."`
	Lifetime time.Duration  `yaml:"lifetime" default:"15m" min:"1m" max:"1h" doc:"How long such a session lasts, whatever happens."`
	Notify   *url.URL       `yaml:"notify" doc:"https address that is sent a JSON message at each use; nobody is told beside log, figures and audit unless given."`
}

var _ authn.MethodConfig = (*BreakGlass)(nil)

const (
	reasonField = "reason"
	leastReason = 10 // characters
	maxReason   = 500

	defaultLifetime = 15 * time.Minute
	maxLifetime     = time.Hour
)

// Emergency tells the configuration's checks what kind of method it is.
func (*BreakGlass) Emergency() bool { return true }

// Warnings implements what config asks of a method with risks.
func (c *BreakGlass) Warnings() []*authn.Fault {
	if !c.Enabled {
		return nil
	}
	return []*authn.Fault{{Path: "enabled", Problem: "the emergency way in is open", Remedy: "write enabled: false as soon as it is not needed any more"}}
}

// Validate implements authn.MethodConfig.
func (c *BreakGlass) Validate() error {
	var faults []error
	fault := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	_, err := readBook("", c.Users)
	faults = append(faults, err)
	if len(c.Users) == 0 {
		fault("users", "there is nobody who could use it", "add a user, with what foregate hash-password prints")
	}
	if len(c.Networks) == 0 {
		fault("networks", "it could be used from nowhere", "list the networks of the people who may")
	}
	for i, n := range c.Networks {
		if !n.IsValid() || n.Addr().Is4() && n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 16 {
			fault(fmt.Sprintf("networks[%d]", i), fmt.Sprintf("%s is so wide that strangers are in it", n), "list the networks of the people who may")
		}
	}
	if l := c.lifetime(); l < time.Minute || l > maxLifetime {
		fault("lifetime", fmt.Sprintf("%v is not from 1m to 1h", l), "")
	}
	if u := c.Notify; u != nil && (u.Scheme != "https" && !loopback(u) || u.Hostname() == "" || u.User != nil) {
		fault("notify", "is not an https address without user name", "write https://")
	}
	return errors.Join(faults...)
}

func loopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && err == nil && addr.IsLoopback()
}

func (c *BreakGlass) lifetime() time.Duration { return cmp.Or(c.Lifetime, defaultLifetime) }

// Open implements authn.MethodConfig.
func (c *BreakGlass) Open(env authn.Env) (authn.Authenticator, error) {
	if err := c.Validate(); err != nil { // what slipped through unchecked would let strangers in
		return nil, fmt.Errorf("break_glass: %w", err)
	}
	return c.open(env, time.Now)
}

func (c *BreakGlass) open(env authn.Env, now func() time.Time) (*breakGlass, error) {
	people, err := openUsers("", c.Users, env.Log, now)
	if err != nil {
		return nil, fmt.Errorf("break_glass: read users: %w", err)
	}
	env.Tries, env.People = &counts{now: now}, nil
	plain := (&Config{Users: c.Users, TOTP: totpOff, Lockout: Lockout{Failures: 5, AccountFailures: 10, AccountWindow: 20 * time.Minute, NetworkFailures: 50}}).open(env, people, now)
	return &breakGlass{plain: plain, config: *c, notices: newNotices(c.Notify, env)}, nil
}

// breakGlass is an authn.Authenticator and authn.Emergency.
type breakGlass struct {
	plain   *method // whose names, hashes and lockout these accounts have too
	config  BreakGlass
	notices *notices
}

var _ authn.Emergency = (*breakGlass)(nil)

// Here implements authn.Placed.
func (b *breakGlass) Here(client netip.Addr) bool {
	if !b.config.Enabled || client.Zone() != "" {
		return false
	}
	client = client.Unmap()
	return slices.ContainsFunc(b.config.Networks, func(n netip.Prefix) bool { return n.Contains(client) })
}

// Lifetime implements authn.Emergency.
func (b *breakGlass) Lifetime() time.Duration { return b.config.lifetime() }

// Tell implements authn.Emergency.
func (b *breakGlass) Tell(use authn.Use) { b.notices.send(use) }

// Close waits a moment for what is to be told.
func (b *breakGlass) Close() error { return b.notices.close() }

// Begin implements authn.Authenticator.
func (b *breakGlass) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	if err := b.closed(a); err != nil {
		return nil, err
	}
	return emergencyForm("", "", ""), nil
}

// Resume implements authn.Authenticator. The reason is asked before the password
// counts as a try.
func (b *breakGlass) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if err := b.closed(a); err != nil {
		return nil, err
	}
	users, passwords, reasons := r.PostForm[userField], r.PostForm[passwordField], r.PostForm[reasonField]
	if len(users) > 1 || len(passwords) > 1 || len(reasons) > 1 {
		return nil, authn.Invalid("That form could not be read. Go back and try again.", errors.New("break_glass: a field twice in one form"))
	}
	if len(users) == 0 || len(passwords) == 0 || len(reasons) == 0 {
		return emergencyForm("", "", noMatch), nil
	}
	user, password := users[0], passwords[0]
	reason := strings.TrimSpace(authn.CutControl(strings.ToValidUTF8(reasons[0], ""), maxReason))
	if utf8.RuneCountInString(reason) < leastReason {
		return emergencyForm(user, reason, "Say in a few words why you need this, and type the password again."), nil
	}
	name, plausible := lockout.Canonical(user)
	if !plausible || checkPassword(password) != nil {
		return emergencyForm(user, reason, noMatch), nil
	}
	person, ok, err := b.plain.try(ctx, name, password, lockout.Network(a.Client))
	if err != nil {
		return nil, err
	}
	if !ok {
		return emergencyForm(user, reason, noMatch), nil
	}
	id := b.plain.identity(name, person, "pwd")
	id.Issuer = "foregate:break-glass/" + b.plain.name
	return authn.SignedIn{Identity: id, Reason: reason}, nil
}

func (b *breakGlass) closed(a *authn.Attempt) error {
	if b.Here(a.Client) {
		return nil
	}
	return authn.Refused("This way to sign in is closed, or is not for where you are. Go back and choose another one.",
		fmt.Errorf("break_glass: sealed, or asked for from outside of its networks (enabled: %v)", b.config.Enabled))
}

func emergencyForm(user, reason, problem string) authn.Form {
	f := form(user, problem)
	f.Step = "emergency"
	f.Fields = append(f.Fields, authn.Field{Name: reasonField, Kind: "text", Label: "Why do you need this?", Value: reason})
	return f
}

// counts are authn.Tries in this process: the store may be what has failed.
type counts struct {
	now func() time.Time

	mu  sync.Mutex
	all map[string]tally
}

type tally struct {
	n     int
	until time.Time
}

// maxCounts bounds what strangers in the networks can make this process remember.
const maxCounts = 10_000

// Count implements authn.Tries. Where too much is counted, everything counts as tried
// too often.
func (c *counts) Count(_ context.Context, key string, window time.Duration) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	t, found := c.all[key]
	if !found || !now.Before(t.until) {
		t = tally{until: now.Add(window)}
	}
	if !found && len(c.all) >= maxCounts {
		for k, old := range c.all {
			if !now.Before(old.until) {
				delete(c.all, k)
			}
		}
		if len(c.all) >= maxCounts {
			return maxCounts, nil
		}
	}
	t.n++
	if c.all == nil {
		c.all = make(map[string]tally)
	}
	c.all[key] = t
	return t.n, nil
}

// Forget implements authn.Tries.
func (c *counts) Forget(_ context.Context, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, key)
	return nil
}
