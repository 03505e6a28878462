package ldap

import (
	"cmp"
	"time"

	"foregate/authn"
	"foregate/internal/lockout"
)

// Config is the part "ldap" of a method: one directory. A key that is left empty
// gets its value from the preset.
type Config struct {
	Preset string `yaml:"preset" required:"true" default:"" enum:"active-directory|openldap|389ds|freeipa" doc:"The kind of directory, whose settings fill the keys left empty: active-directory, openldap, 389ds or freeipa."`

	Servers    []string   `yaml:"servers" default:"[]" doc:"Servers of the directory as ldaps://host or, with start_tls, ldap://host. The first that can be reached is used."`
	SRV        string     `yaml:"srv" default:"" doc:"In place of servers: the DNS domain whose records _ldap._tcp name them. They must be hosts of that domain."`
	StartTLS   bool       `yaml:"start_tls" default:"false" doc:"Encrypt connections to ldap:// addresses by StartTLS. A server that will not is not used."`
	CA         authn.Path `yaml:"ca" default:"" doc:"PEM file of the certificate authorities to trust for the servers, in place of the system's."`
	ServerName string     `yaml:"server_name" default:"" doc:"Name in the servers' certificates, where it is not the host of the address."`

	InsecurePlain bool `yaml:"insecure_plain" default:"false" doc:"Allow ldap:// without StartTLS, where anybody on the way reads every password."`

	BindDN       string       `yaml:"bind_dn" default:"" doc:"Whom Foregate searches as: the DN of an account that may read and nothing else, with Active Directory also its name@domain. If empty searches are anonymous."`
	BindPassword authn.Secret `yaml:"bind_password" default:"" doc:"The password of bind_dn."`

	BaseDN string `yaml:"base_dn" required:"true" default:"" doc:"Below which entry people are."`
	Filter string `yaml:"filter" default:"" doc:"Which entries are people who may sign in, as an LDAP filter; if empty what the preset says."`
	Names  Names  `yaml:"names" default:"{}" doc:"What people may type as their user name."`

	Attributes    Attributes `yaml:"attributes" default:"{}" doc:"Which attributes say who the person is."`
	EmailVerified bool       `yaml:"email_verified" default:"false" doc:"That the e-mail addresses of the directory are known to be those people's."`
	Groups        Groups     `yaml:"groups" default:"{}" doc:"Which groups a person is in."`

	PasswordPage string `yaml:"password_page" default:"" doc:"Address of the organisation's own page for changing a password, which people with an expired one are told of."`

	Refresh  Refresh       `yaml:"refresh" default:"{}" doc:"When all accounts that follow this directory are compared with it."`
	Recheck  time.Duration `yaml:"recheck" min:"1m" max:"24h" default:"5m" doc:"How often a session asks whether the person is still there, enabled, and in which groups."`
	PageSize int           `yaml:"page_size" min:"10" max:"10000" default:"500" doc:"Entries to ask for at a time."`

	Connections int           `yaml:"connections" min:"1" max:"100" default:"10" doc:"Connections for searches, and as many for checking passwords."`
	Waiting     int           `yaml:"waiting" min:"1" max:"100000" default:"1000" doc:"People who may wait for a connection. Others are asked to try again in a moment."`
	Wait        time.Duration `yaml:"wait" min:"100ms" max:"1m" default:"5s" doc:"The longest wait for a connection."`
	Timeouts    Timeouts      `yaml:"timeouts" default:"{}" doc:"How long the directory may take."`

	Lockout Lockout `yaml:"lockout" default:"{}" doc:"When guessing ends. Keep account_failures below the directory's own threshold, and account_window at least as long as its window, so that nobody can lock an account there from here."`
}

// Names says what people may type.
type Names struct {
	Attributes        []string `yaml:"attributes" default:"[]" doc:"Attributes that hold a bare user name; if empty what the preset says."`
	AddressAttributes []string `yaml:"address_attributes" default:"[]" doc:"Attributes that hold a name with an @; if empty what the preset says."`
	Domains           []string `yaml:"domains" default:"[]" doc:"DNS domains of this directory: name@domain is then looked for as the bare name too."`
	Netbios           []string `yaml:"netbios" default:"[]" doc:"Short domain names of this directory for DOMAIN\\name. If this and domains are empty every DOMAIN is taken for this directory's."`
}

// Attributes names the attributes of a person.
type Attributes struct {
	Key   string   `yaml:"key" default:"" doc:"What never changes and is never used again, by which a person is known for good; if empty what the preset says: objectGUID, entryUUID, nsUniqueId or ipaUniqueID."`
	User  []string `yaml:"user" default:"[]" doc:"Name that the application is given; the first that is there. If empty what the preset says."`
	Email []string `yaml:"email" default:"[]" doc:"E-mail address; the first that is there. If empty mail."`
	Name  []string `yaml:"name" default:"[]" doc:"Name for people; the first that is there. If empty displayName and cn."`
	Keep  []string `yaml:"keep" default:"[]" doc:"Attributes that are kept as claims beside those that an application is sent, for accounts; if empty what the preset says: the user name, sn, givenName, mail and userAccountControl."`
}

// Groups says which groups a person is in.
type Groups struct {
	From    string   `yaml:"from" default:"" enum:"in_chain|member_of|members|none" doc:"Where groups are found: in_chain (Active Directory's rule), member_of (the attribute memberOf), members (groups are searched for the person: member, uniqueMember, memberUid) or none; if empty what the preset says."`
	Nesting string   `yaml:"nesting" default:"" enum:"walk|none" doc:"Groups in groups: walk finds those above, none does not; if empty what the preset says."`
	BaseDN  string   `yaml:"base_dn" default:"" doc:"Below which entry groups are; others do not count. If empty base_dn."`
	Filter  string   `yaml:"filter" default:"" doc:"Which entries are groups that count, as an LDAP filter; if empty what the preset says."`
	Name    string   `yaml:"name" default:"cn" enum:"cn|dn" doc:"What a group is called: cn or dn."`
	Keep    []string `yaml:"keep" default:"[]" doc:"Names of the groups to keep, where * is any text, like Wardwatch_*; if empty all."`
}

// Refresh says when accounts are compared with the directory.
type Refresh struct {
	Every  time.Duration `yaml:"every" default:"2h" min:"0s" max:"168h" doc:"How often; 0s never, but by command."`
	Window string        `yaml:"window" default:"" doc:"The part of the day in which it may begin, in local time, like 22:00-05:00; empty is the whole day."`
}

// Timeouts bound what the directory may take.
type Timeouts struct {
	Connect time.Duration `yaml:"connect" min:"100ms" max:"10s" default:"2s" doc:"To connect, to all servers together."`
	Search  time.Duration `yaml:"search" min:"100ms" max:"10s" default:"2500ms" doc:"To find a person. A server that takes longer is passed over for half a minute."`
	Bind    time.Duration `yaml:"bind" min:"100ms" max:"10s" default:"5s" doc:"To check a password, or to find somebody's groups."`
}

// Lockout says when guessing ends.
type Lockout struct {
	Failures        int           `yaml:"failures" min:"1" max:"100" default:"5" doc:"Tries at one account from one network (IPv4 /24, IPv6 /64) in a window."`
	Window          time.Duration `yaml:"window" min:"1m" max:"24h" default:"15m" doc:"The window of failures and network_failures. It opens with the first try."`
	AccountFailures int           `yaml:"account_failures" min:"1" max:"100" default:"8" doc:"Tries at one account from everywhere in account_window."`
	AccountWindow   time.Duration `yaml:"account_window" min:"1m" max:"24h" default:"30m" doc:"The window of account_failures."`
	NetworkFailures int           `yaml:"network_failures" min:"1" max:"1000000" default:"200" doc:"Wrong passwords from one network, whosever, in a window. Then everybody there is asked to wait."`
}

var (
	_ authn.MethodConfig = (*Config)(nil)
	_ authn.Scheduled    = (*Config)(nil)
)

// RefreshPlan implements authn.Scheduled.
func (c *Config) RefreshPlan() (time.Duration, authn.Window) {
	window, err := authn.ParseWindow(c.Refresh.Window)
	if err != nil { // Validate has said so
		return 0, authn.Window{}
	}
	return c.Refresh.Every, window
}

func (l Lockout) limits() lockout.Limits {
	return lockout.Limits{
		Failures:        cmp.Or(l.Failures, 5),
		Window:          cmp.Or(l.Window, 15*time.Minute),
		AccountFailures: cmp.Or(l.AccountFailures, 8),
		AccountWindow:   cmp.Or(l.AccountWindow, 30*time.Minute),
		NetworkFailures: cmp.Or(l.NetworkFailures, 200),
	}
}

// filled returns a copy in which nothing is left empty that has a default.
func (c *Config) filled() Config {
	f := *c
	f.apply(presets[c.Preset])
	f.Groups.Name = cmp.Or(f.Groups.Name, nameCN)
	f.Recheck = cmp.Or(f.Recheck, 5*time.Minute)
	f.PageSize = cmp.Or(f.PageSize, 500)
	f.Connections = cmp.Or(f.Connections, 10)
	f.Waiting = cmp.Or(f.Waiting, 1000)
	f.Wait = cmp.Or(f.Wait, 5*time.Second)
	f.Timeouts.Connect = cmp.Or(f.Timeouts.Connect, 2*time.Second)
	f.Timeouts.Search = cmp.Or(f.Timeouts.Search, 2500*time.Millisecond)
	f.Timeouts.Bind = cmp.Or(f.Timeouts.Bind, 5*time.Second)
	return f
}
