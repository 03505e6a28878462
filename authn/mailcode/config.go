package mailcode

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"foregate/authn"
	"foregate/internal/onetime"
)

// Config is the part "mail_code" of a method.
type Config struct {
	SecondFactor string        `yaml:"second_factor" default:"none" enum:"none|optional-password|required-password" doc:"What is asked after the code: none, optional-password (from who has a password), or required-password (from all; who has none cannot sign in this way)."`
	Length       int           `yaml:"length" default:"6" min:"6" max:"10" doc:"Digits of a code."`
	Lifetime     time.Duration `yaml:"lifetime" default:"10m" min:"1m" max:"10m" doc:"How long a code holds."`
	NetworkCodes int           `yaml:"network_codes" default:"20" min:"1" max:"100000" doc:"Codes that may be asked for from one address (IPv4) or network (IPv6 /64) in an hour. Raise it where many people share one address. An e-mail address is sent 5 in an hour, whoever asks."`
}

const (
	none             = "none"
	optionalPassword = "optional-password"
	requiredPassword = "required-password"
)

var _ authn.MethodConfig = (*Config)(nil)

// Validate implements authn.MethodConfig.
func (c *Config) Validate() error {
	var faults []error
	switch c.SecondFactor {
	case "", none, optionalPassword, requiredPassword:
	default:
		faults = append(faults, &authn.Fault{Path: "second_factor", Problem: fmt.Sprintf("%.40q is none of none, optional-password, required-password", c.SecondFactor), Remedy: "write one of them"})
	}
	if c.Length != 0 && (c.Length < 6 || c.Length > 10) {
		faults = append(faults, &authn.Fault{Path: "length", Problem: fmt.Sprintf("%d is not from 6 to 10", c.Length), Remedy: "write 6"})
	}
	if c.Lifetime != 0 && (c.Lifetime < time.Minute || c.Lifetime > onetime.MaxLifetime) {
		faults = append(faults, &authn.Fault{Path: "lifetime", Problem: fmt.Sprintf("%v is not from 1m to 10m", c.Lifetime), Remedy: "write 10m"})
	}
	if c.NetworkCodes < 0 {
		faults = append(faults, &authn.Fault{Path: "network_codes", Problem: "is negative", Remedy: "write 20"})
	}
	return errors.Join(faults...)
}

// NeedsPeople says that there must be accounts.
func (c *Config) NeedsPeople() bool { return true }

// NeedsMail says that there must be a section mail.
func (c *Config) NeedsMail() bool { return true }

// Open implements authn.MethodConfig.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) { return c.open(env, time.Now) }

func (c *Config) open(env authn.Env, now func() time.Time) (*method, error) {
	switch {
	case env.Mail == nil:
		return nil, errors.New("mailcode: codes are sent by e-mail, and no mail server is configured: add the section mail")
	case env.People == nil:
		return nil, errors.New("mailcode: codes are sent to people who have an account, and no accounts are configured")
	}
	lifetime := cmp.Or(c.Lifetime, onetime.MaxLifetime)
	codes, err := onetime.Open(onetime.Config{
		Keys: env.Keys, Once: env.Once, Tries: env.Tries,
		Length: c.Length, Lifetime: lifetime, NetworkCodes: c.NetworkCodes, Now: now,
	})
	if err != nil {
		return nil, fmt.Errorf("mailcode: %w", err)
	}
	return &method{
		env: env, codes: codes, now: now,
		second:  cmp.Or(c.SecondFactor, none),
		minutes: int(lifetime / time.Minute),
	}, nil
}
