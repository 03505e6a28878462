package local

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"

	"foregate/authn"
	"foregate/internal/lockout"
	"foregate/internal/queue"
)

// Config is the part "local" of a method.
type Config struct {
	UsersFile authn.Path `yaml:"users_file" default:"" doc:"A YAML file with a list of users as under users, where password_hash is plain text. Read again when it changes; a broken new version is logged and the old one stays."`
	Users     []User     `yaml:"users" default:"[]" doc:"People with a user name and password, beside those of users_file."`
	Accounts  bool       `yaml:"accounts" default:"false" doc:"Look among the accounts too, after users and users_file. Where there are neither it is always so."`
	TOTP      string     `yaml:"totp" default:"optional" enum:"optional|required|off" doc:"Codes of an authenticator app, for accounts: optional asks whoever has set one up, required has everybody set one up at the next sign-in, off never asks."`
	Hashing   Hashing    `yaml:"hashing" default:"{}" doc:"How many passwords are checked at a time. Each takes the memory that its hash asks for: 19 MiB for those of hash-password."`
	Lockout   Lockout    `yaml:"lockout" default:"{}" doc:"When guessing ends."`
}

// User is one person.
type User struct {
	User          string       `yaml:"user" required:"true" default:"" doc:"The user name. Upper and lower case are the same when signing in; the application is given it as written here."`
	PasswordHash  authn.Secret `yaml:"password_hash" required:"true" default:"" doc:"What foregate hash-password prints: argon2id. bcrypt, scrypt, yescrypt, PBKDF2 and SHA-crypt are read too."`
	Name          string       `yaml:"name" default:"" doc:"The person's name for people, like Alice Archer."`
	Email         string       `yaml:"email" default:"" doc:"The person's e-mail address."`
	EmailVerified bool         `yaml:"email_verified" default:"false" doc:"That the address is known to be this person's."`
	Groups        []string     `yaml:"groups" default:"[]" doc:"Groups for rules and roles."`
	Disabled      bool         `yaml:"disabled" default:"false" doc:"May not sign in. The answer is that of a wrong password."`
}

// Hashing bounds the work of checking passwords.
type Hashing struct {
	Parallel int           `yaml:"parallel" default:"0" doc:"Passwords checked at the same time. 0 means as many as there are processor cores."`
	Waiting  int           `yaml:"waiting" min:"1" default:"200" doc:"People who may wait for their turn. Others are asked to try again in a moment."`
	Wait     time.Duration `yaml:"wait" default:"5s" doc:"The longest wait for one's turn."`
}

// Lockout says when guessing ends.
type Lockout struct {
	Failures        int           `yaml:"failures" min:"1" default:"10" doc:"Tries at one account from one network (IPv4 /24, IPv6 /64) in a window."`
	Window          time.Duration `yaml:"window" default:"15m" doc:"The window of failures and network_failures. It opens with the first try."`
	AccountFailures int           `yaml:"account_failures" min:"1" default:"25" doc:"Tries at one account from everywhere in account_window. Both together may allow 100 in an hour at most."`
	AccountWindow   time.Duration `yaml:"account_window" default:"20m" doc:"The window of account_failures."`
	NetworkFailures int           `yaml:"network_failures" min:"1" default:"200" doc:"Wrong passwords from one network, whosever, in a window. Then everybody there is asked to wait."`
}

// Values of TOTP.
const (
	totpOptional = "optional"
	totpRequired = "required"
	totpOff      = "off"
)

var _ authn.MethodConfig = (*Config)(nil)

// withDefaults fills in what is zero.
func (h Hashing) withDefaults() Hashing {
	return Hashing{
		Parallel: cmp.Or(h.Parallel, runtime.GOMAXPROCS(0)),
		Waiting:  cmp.Or(h.Waiting, 200),
		Wait:     cmp.Or(h.Wait, 5*time.Second),
	}
}

// limits fills in what is zero.
func (l Lockout) limits() lockout.Limits {
	return lockout.Limits{
		Failures:        cmp.Or(l.Failures, 10),
		Window:          cmp.Or(l.Window, 15*time.Minute),
		AccountFailures: cmp.Or(l.AccountFailures, 25),
		AccountWindow:   cmp.Or(l.AccountWindow, 20*time.Minute),
		NetworkFailures: cmp.Or(l.NetworkFailures, 200),
	}
}

// listed reports whether there are people in the configuration or in a file.
func (c *Config) listed() bool { return len(c.Users) > 0 || c.UsersFile != "" }

// NeedsPeople says whether there must be accounts.
func (c *Config) NeedsPeople() bool { return c.Accounts || !c.listed() }

// Validate implements authn.MethodConfig. It reads users_file too.
func (c *Config) Validate() error {
	_, err := readBook(string(c.UsersFile), c.Users)
	return errors.Join(c.validateTOTP(), c.Hashing.withDefaults().validate(), c.Lockout.limits().Validate(), err)
}

func (c *Config) validateTOTP() error {
	switch c.TOTP {
	case "", totpOptional, totpOff:
		return nil
	case totpRequired:
		if !c.listed() {
			return nil
		}
		return &authn.Fault{
			Path: "totp", Problem: "required cannot be kept with users or users_file: those people have no authenticator app",
			Remedy: "make accounts for them, or list them in another method",
		}
	}
	return &authn.Fault{Path: "totp", Problem: fmt.Sprintf("%.40q is none of optional, required, off", c.TOTP), Remedy: "write one of them"}
}

// Open implements authn.MethodConfig.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	people, err := c.directory(env)
	if err != nil {
		return nil, err
	}
	return c.open(env, people, time.Now), nil
}

// directory is where names are looked up.
func (c *Config) directory(env authn.Env) (directory, error) {
	var people either
	if c.listed() {
		listed, err := openUsers(string(c.UsersFile), c.Users, env.Log, time.Now)
		if err != nil {
			return nil, fmt.Errorf("local: read users: %w", err)
		}
		people.users = listed
	}
	if !c.NeedsPeople() {
		return people.users, nil
	}
	known, ok := env.People.(authn.Credentials)
	if _, hasApps := env.People.(authn.Authenticators); !ok || !hasApps {
		return nil, errors.New("local: the people are those who have an account, and no accounts are configured")
	}
	people.kept = kept{known}
	if people.users == nil {
		return people.kept, nil
	}
	return people, nil
}

func (c *Config) open(env authn.Env, people directory, now func() time.Time) *method {
	h := c.Hashing.withDefaults()
	m := &method{
		name:    env.Name,
		env:     env,
		people:  people,
		queue:   queue.New(h.Parallel, h.Waiting, h.Wait),
		wait:    h.Wait,
		lockout: lockout.New(env.Tries, "local", env.Name, c.Lockout.limits(), now),
		totp:    cmp.Or(c.TOTP, totpOptional),
		log:     env.Log,
		now:     now,
		compare: digest.matches,
	}
	if c.NeedsPeople() {
		m.apps, _ = env.People.(authn.Authenticators)
	}
	return m
}

func (h Hashing) validate() error {
	return errors.Join(
		between("hashing.parallel", h.Parallel, 1, 256),
		between("hashing.waiting", h.Waiting, 1, 100_000),
		lasting("hashing.wait", h.Wait, 100*time.Millisecond, time.Minute),
	)
}

func between(path string, n, least, most int) error {
	if n >= least && n <= most {
		return nil
	}
	return &authn.Fault{Path: path, Problem: fmt.Sprintf("%d is not from %d to %d", n, least, most)}
}

func lasting(path string, d, least, most time.Duration) error {
	if d >= least && d <= most {
		return nil
	}
	return &authn.Fault{Path: path, Problem: fmt.Sprintf("%v is not from %v to %v", d, least, most)}
}
