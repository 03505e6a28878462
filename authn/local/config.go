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

// Validate implements authn.MethodConfig. It reads users_file too.
func (c *Config) Validate() error {
	_, err := readBook(string(c.UsersFile), c.Users)
	return errors.Join(c.Hashing.withDefaults().validate(), c.Lockout.limits().Validate(), err)
}

// Open implements authn.MethodConfig.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	people, err := openUsers(string(c.UsersFile), c.Users, env.Log, time.Now)
	if err != nil {
		return nil, fmt.Errorf("local: read users: %w", err)
	}
	return c.open(env, people, time.Now), nil
}

func (c *Config) open(env authn.Env, people directory, now func() time.Time) *method {
	h := c.Hashing.withDefaults()
	return &method{
		name:    env.Name,
		people:  people,
		queue:   queue.New(h.Parallel, h.Waiting, h.Wait),
		lockout: lockout.New(env.Tries, "local", env.Name, c.Lockout.limits(), now),
		log:     env.Log,
		now:     now,
		compare: digest.matches,
	}
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
