package ldap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func valid() Config {
	return Config{
		Preset: presetAD, Servers: []string{"ldaps://dc1.hospital.example"}, BaseDN: "DC=hospital,DC=example",
		BindDN: "foregate@hospital.example", BindPassword: authn.NewSecret("x"),
	}
}

func TestValidConfigurations(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"small":     func(*Config) {},
		"SRV":       func(c *Config) { c.Servers, c.SRV = nil, "hospital.example" },
		"StartTLS":  func(c *Config) { c.Servers, c.StartTLS = []string{"ldap://dc1", "ldaps://dc2:1636"}, true },
		"plain":     func(c *Config) { c.Servers, c.InsecurePlain = []string{"ldap://[::1]:1389/"}, true },
		"anonymous": func(c *Config) { c.BindDN, c.BindPassword = "", authn.Secret{} },
		"freeipa":   func(c *Config) { c.Preset = presetFreeIPA },
		"window":    func(c *Config) { c.Refresh = Refresh{Every: time.Hour, Window: "22:00-05:00"} },
	} {
		c := valid()
		change(&c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFaultsOfAConfiguration(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, changes := range map[string][]func(*Config){
		"preset":  {func(c *Config) { c.Preset = "" }, func(c *Config) { c.Preset = "ad" }},
		"servers": {func(c *Config) { c.Servers = nil }},
		"servers[0]": {
			func(c *Config) { c.Servers = []string{"ldap://dc1"} }, // not encrypted
			func(c *Config) { c.Servers = []string{"https://dc1"} },
			func(c *Config) { c.Servers = []string{"dc1"} },
			func(c *Config) { c.Servers = []string{"ldaps://"} },
			func(c *Config) { c.Servers = []string{"ldaps://u:p@dc1"} },
			func(c *Config) { c.Servers = []string{"ldaps://dc1/DC=x"} },
			func(c *Config) { c.Servers = []string{"ldaps://[fe80::1%25eth0]"} },
			func(c *Config) { c.Servers = []string{"ldapi:///run/ldapi"} },
		},
		"srv":                    {func(c *Config) { c.SRV = "x.example" }, func(c *Config) { c.Servers, c.SRV = nil, "_ldap._tcp.x.example" }},
		"insecure_plain":         {func(c *Config) { c.Servers, c.SRV, c.InsecurePlain = nil, "x.example", true }},
		"ca":                     {func(c *Config) { c.CA = "/nowhere.pem" }, func(c *Config) { c.CA = authn.Path(notPEM) }},
		"bind_password":          {func(c *Config) { c.BindPassword = authn.Secret{} }, func(c *Config) { c.BindDN = "" }},
		"base_dn":                {func(c *Config) { c.BaseDN = "" }, func(c *Config) { c.BaseDN = "hospital.example" }},
		"filter":                 {func(c *Config) { c.Filter = "objectClass=person" }, func(c *Config) { c.Filter = "(a=b" }},
		"names.attributes":       {func(c *Config) { c.Names.Attributes = []string{"uid)(x=*"} }},
		"attributes.key":         {func(c *Config) { c.Attributes.Key = "object GUID" }},
		"attributes.keep":        {func(c *Config) { c.Attributes.Keep = []string{"mail", "UserPassword"} }},
		"groups.from":            {func(c *Config) { c.Groups.From = "token" }, func(c *Config) { c.Preset, c.Groups.From = "openldap", fromInChain }},
		"groups.nesting":         {func(c *Config) { c.Groups.Nesting = "deep" }},
		"groups.name":            {func(c *Config) { c.Groups.Name = "gid" }},
		"groups.base_dn":         {func(c *Config) { c.Groups.BaseDN = "groups" }},
		"groups.filter":          {func(c *Config) { c.Groups.Filter = "x" }},
		"groups.keep[0]":         {func(c *Config) { c.Groups.Keep = []string{"[a"} }},
		"password_page":          {func(c *Config) { c.PasswordPage = "javascript:alert(1)" }, func(c *Config) { c.PasswordPage = "password.hospital.example" }},
		"page_size":              {func(c *Config) { c.PageSize = 1 }},
		"connections":            {func(c *Config) { c.Connections = 1000 }},
		"waiting":                {func(c *Config) { c.Waiting = -1 }},
		"wait":                   {func(c *Config) { c.Wait = time.Hour }},
		"recheck":                {func(c *Config) { c.Recheck = time.Second }},
		"refresh.every":          {func(c *Config) { c.Refresh.Every = time.Second }},
		"refresh.window":         {func(c *Config) { c.Refresh.Window = "night" }},
		"timeouts.connect":       {func(c *Config) { c.Timeouts.Connect = time.Minute }},
		"timeouts.search":        {func(c *Config) { c.Timeouts.Search = time.Microsecond }},
		"timeouts.bind":          {func(c *Config) { c.Timeouts.Bind = -1 }},
		"lockout.failures":       {func(c *Config) { c.Lockout.Failures = 1000 }},
		"lockout.account_window": {func(c *Config) { c.Lockout.AccountWindow = time.Second }},
	} {
		for i, change := range changes {
			c := valid()
			change(&c)
			err := c.Validate()
			if !faultAt(err, path) {
				t.Errorf("%s, %d: %v", path, i, err)
			}
			if _, err := c.Open(authn.Env{}); err == nil {
				t.Errorf("%s, %d: opens", path, i)
			}
		}
	}
}

// faultAt reports whether one of the errors is a Fault of path.
func faultAt(err error, path string) bool {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			if faultAt(one, path) {
				return true
			}
		}
		return false
	}
	var f *authn.Fault
	return errors.As(err, &f) && f.Path == path && f.Problem != ""
}

// Whoever reads the configuration from YAML goes by these tags.
func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	c := valid()
	c = c.filled()
	for _, part := range []any{c, c.Groups, c.Timeouts, Lockout(c.Lockout.limits())} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			field := v.Type().Field(i)
			want := field.Tag.Get("default")
			if field.Tag.Get("yaml") == "" || field.Tag.Get("doc") == "" {
				t.Errorf("%s has no key or no words", field.Name)
			}
			switch value := v.Field(i).Interface().(type) {
			case time.Duration:
				if parsed, err := time.ParseDuration(want); err != nil || parsed != value {
					t.Errorf("%s is %v, its tag says %s", field.Name, value, want)
				}
			case int, bool:
				if got := fmt.Sprint(value); got != want {
					t.Errorf("%s is %s, its tag says %s", field.Name, got, want)
				}
			}
		}
	}
	if c.Groups.Name != "cn" {
		t.Errorf("groups.name is %q", c.Groups.Name)
	}
}

func TestPresetsFillWhatIsEmpty(t *testing.T) {
	for preset := range presets {
		c := valid()
		c.Preset = preset
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
		if f := c.filled(); f.Attributes.Key == "" || len(f.Names.Attributes) == 0 || f.Groups.From == "" || f.Groups.BaseDN == "" || f.Filter == "" {
			t.Errorf("%s leaves something empty: %+v", preset, f)
		}
		c.Filter, c.Attributes.Key, c.Groups.From, c.Names.Attributes = "(a=b)", "employeeNumber", fromNone, []string{"login"}
		if f := c.filled(); f.Filter != "(a=b)" || f.Attributes.Key != "employeeNumber" || f.Groups.From != fromNone || f.Names.Attributes[0] != "login" {
			t.Errorf("%s overrides what was written: %+v", preset, f)
		}
	}
	for base, want := range map[string]string{
		"dc=x":             "cn=groups,cn=accounts,dc=x",
		"cn=accounts,dc=x": "cn=groups,cn=accounts,dc=x",
		"CN=Accounts,dc=x": "cn=groups,CN=Accounts,dc=x",
	} {
		c := Config{Preset: presetFreeIPA, BaseDN: base}
		if got := c.filled().Groups.BaseDN; got != want {
			t.Errorf("groups of %s are below %s, want %s", base, got, want)
		}
	}
}

func TestRefreshPlan(t *testing.T) {
	c := Config{Refresh: Refresh{Every: 2 * time.Hour, Window: "22:00-05:00"}}
	every, window := c.RefreshPlan()
	if at := time.Date(2026, 3, 1, 23, 0, 0, 0, time.Local); every != 2*time.Hour || !window.Holds(at) || window.Holds(at.Add(12*time.Hour)) {
		t.Errorf("every %v, in %v", every, window)
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	c := valid()
	c.BindPassword = authn.NewSecret("zqsecretqz")
	if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, "zqsecretqz") {
		t.Error("the password of bind_dn is printed")
	}
}
