package config

import (
	"net/netip"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/internal/mail"
)

// File is a configuration that has been checked.
type File struct {
	Listen         Listen         `yaml:"listen" doc:"Addresses that Foregate listens on."`
	TLS            TLS            `yaml:"tls" doc:"Certificates of the https listener."`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" doc:"Networks and addresses of the proxies whose X-Forwarded-* headers are believed; nobody's unless listed."`
	TrustAll       bool           `yaml:"insecure_trust_all_proxies" default:"false" doc:"Believe the X-Forwarded-* headers of everybody: only where nobody but a proxy can connect."`
	CertHeader     string         `yaml:"certificate_header" doc:"Header in which trusted_proxies pass on the certificate that a browser showed to them, such as Client-Cert; none unless given. It is read as RFC 9440 has it, or as nginx escapes PEM."`
	Storage        Storage        `yaml:"storage" doc:"Where Foregate keeps what it must remember."`
	Session        Session        `yaml:"session" doc:"How long people stay signed in."`
	Prefix         string         `yaml:"prefix" default:"/sso" doc:"The path below which Foregate's own pages are, on every host."`
	Limits         Limits         `yaml:"limits" doc:"Bounds of what a client may send, and how slowly."`
	Log            Log            `yaml:"log" doc:"What is written to standard error."`
	Mail           *mail.Config   `yaml:"mail" doc:"How letters with codes are sent; none are without it."`
	Admin          Admin          `yaml:"admin" doc:"Who may use the operator's side by the listener at listen.admin."`
	Methods        []Method       `yaml:"methods" required:"true" doc:"Ways to sign in."`
	Organisations  []Organisation `yaml:"organisations" doc:"Customers whose people have ways in of their own; none by default."`
	Apps           []App          `yaml:"apps" required:"true" doc:"Applications behind Foregate."`

	// Warnings are settings that are allowed but must be known: a risky option,
	// a secret that others can read. They belong into the log at every start.
	Warnings []FaultAt `yaml:"-"`

	// Files are what the configuration names, secrets and certificates among them, as
	// absolute names: what is to be read again when one of them changes.
	Files []string `yaml:"-"`
}

// Listen says where connections are accepted. An empty address is not listened on.
type Listen struct {
	HTTP        string     `yaml:"http" doc:"Address for plain http, host:port or :port; \":8080\" unless http or https is given. Beside https it redirects there."`
	HTTPS       string     `yaml:"https" doc:"Address for https, host:port or :port; needs tls.certificates."`
	HTTP3       bool       `yaml:"http3" default:"false" doc:"Serve HTTP/3 too, at the address of https by UDP; needs https."`
	AdminSocket authn.Path `yaml:"admin_socket" doc:"Unix socket for the operator's commands; admin.sock in storage.path unless given, off for none."`

	Drain time.Duration `yaml:"drain" default:"10s" min:"0s" max:"10m" doc:"How long everything is still served after SIGTERM, while /readyz says no and balancers look elsewhere."`

	ExtAuthz string `yaml:"ext_authz" doc:"Address where Envoy asks by gRPC (ext_authz) about the requests of apps with forward_auth, in plain HTTP/2; none unless given."`

	Admin      string `yaml:"admin" default:"127.0.0.1:9180" doc:"Address for health checks, metrics and the operator; off for none. One that is not loopback needs admin.tls."`
	AdminPlain bool   `yaml:"insecure_admin_plain" default:"false" doc:"Let admin be reached from other machines without TLS, where anyone between can read the tokens and do what they allow."`
}

// Admin says who may use the operator's side by the admin listener. The owner of the
// admin socket needs nothing of it.
type Admin struct {
	TLS    *Certificate `yaml:"tls" doc:"Certificate of the admin listener; it speaks plain http without one."`
	Tokens []AdminToken `yaml:"tokens" doc:"Tokens for scripts, and for people without an account."`
	Allow  []AdminAllow `yaml:"allow" doc:"Accounts that may sign in with their password here; the first entry that fits an account counts."`
}

// AdminToken is a secret that stands for a role.
type AdminToken struct {
	Name         string       `yaml:"name" required:"true" doc:"Its name in the audit trail: lower-case letters, digits and dashes."`
	Role         string       `yaml:"role" required:"true" enum:"viewer|desk|owner" doc:"viewer reads; desk also decides about access (disable, enable, exempt, unlink, end sessions); owner does everything."`
	Organisation string       `yaml:"organisation" doc:"Only about the people of this organisation; about everybody unless given."`
	Token        authn.Secret `yaml:"token" required:"true" doc:"The token, of at least 32 bytes."`
}

// AdminAllow lets in accounts by one of user, email and group.
type AdminAllow struct {
	User         string `yaml:"user" doc:"User name of the account."`
	Email        string `yaml:"email" doc:"E-mail address of the account."`
	Group        string `yaml:"group" doc:"Name of a group, kept by SCIM, whose members are meant."`
	Role         string `yaml:"role" required:"true" enum:"viewer|desk|owner" doc:"What they may, as for tokens."`
	Organisation string `yaml:"organisation" doc:"Only accounts of this organisation, and only about its people; without it only accounts that belong to none, and about everybody."`
}

// TLS is how the https listener speaks.
type TLS struct {
	Certificates []Certificate `yaml:"certificates" doc:"Certificates with their keys; a client gets the one that fits its host. Changed files are in use within seconds."`
	ACME         *ACME         `yaml:"acme" doc:"Has an authority give certificates for the hosts that none of the files is for, and renews them."`
	HSTS         HSTS          `yaml:"hsts" doc:"Tells browsers to come by https alone."`
	PublicPort   int           `yaml:"public_port" default:"0" min:"0" max:"65535" doc:"Port that browsers reach https at, for the redirect from http; 0 means that of listen.https."`
}

// ACME is the authority that certificates are ordered from (RFC 8555). Naming one agrees
// to its terms of service.
type ACME struct {
	Directory  string       `yaml:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" doc:"Address of the authority's ACME directory; naming one agrees to its terms."`
	Email      string       `yaml:"email" doc:"Where the authority writes to when something is wrong."`
	CA         authn.Path   `yaml:"ca" doc:"PEM file with those who may vouch for the directory itself, for an authority of your own; the system's unless given."`
	Challenges []string     `yaml:"challenges" doc:"How the authority sees that a host is ours: http-01 by listen.http, which it reaches at port 80, tls-alpn-01 by listen.https, at port 443; both unless given."`
	KeyID      string       `yaml:"key_id" doc:"Name of the account that the authority gave you (external account binding), with mac_key."`
	MACKey     authn.Secret `yaml:"mac_key" doc:"The key of that account, as the authority gave it."`
}

// HSTS is the header Strict-Transport-Security (RFC 6797).
type HSTS struct {
	MaxAge     time.Duration `yaml:"max_age" default:"8760h" min:"0s" max:"87600h" doc:"How long browsers remember to use https; 0s sends nothing."`
	Subdomains bool          `yaml:"include_subdomains" default:"false" doc:"Every host below the app's must be reached by https too, whoever serves it."`
	Preload    bool          `yaml:"preload" default:"false" doc:"Agree that browsers are shipped with this host; needs include_subdomains and a year."`
}

// Certificate is a pair of PEM files.
type Certificate struct {
	Cert authn.Path `yaml:"cert" required:"true" doc:"PEM file with the certificate, followed by its intermediates."`
	Key  authn.Path `yaml:"key" required:"true" doc:"PEM file with the private key."`
}

// Storage is where Foregate keeps what it must remember: one file, or for several
// replicas Redis.
type Storage struct {
	Path     authn.Path   `yaml:"path" default:"./data" doc:"Folder of the embedded database; made on the first run."`
	Postgres authn.Secret `yaml:"postgres" doc:"Where replicas share accounts, links, audit and usage: a URL such as postgres://foregate:PASSWORD@db.hospital.example/foregate?sslmode=verify-full; without it the embedded database has them."`
	Redis    Redis        `yaml:"redis" doc:"Where replicas share sessions, spent tokens and lockouts; without addresses the embedded database has them."`
}

// Redis is a single server, one that sentinels watch, or a cluster.
type Redis struct {
	Addresses        []string     `yaml:"addresses" doc:"host:port of the server; of the sentinels or of some nodes of the cluster."`
	Sentinel         string       `yaml:"sentinel" doc:"Name of the master that the sentinels at addresses watch."`
	Cluster          bool         `yaml:"cluster" default:"false" doc:"The addresses are nodes of a cluster."`
	Username         string       `yaml:"username" doc:"User of Redis's access control list; the default user unless given."`
	Password         authn.Secret `yaml:"password" doc:"Its password."`
	SentinelUsername string       `yaml:"sentinel_username" doc:"User at the sentinels."`
	SentinelPassword authn.Secret `yaml:"sentinel_password" doc:"Its password."`
	Database         int          `yaml:"database" default:"0" min:"0" max:"1024" doc:"Number of the database; a cluster has 0 only."`
	Prefix           string       `yaml:"prefix" default:"foregate" doc:"What every key begins with, before a colon, so that several can share a server."`
	TLS              RedisTLS     `yaml:"tls" doc:"Encryption of the connection."`
}

// RedisTLS encrypts the connection to Redis.
type RedisTLS struct {
	Enabled    bool       `yaml:"enabled" default:"false" doc:"Speak TLS to Redis and its sentinels."`
	CA         authn.Path `yaml:"ca" doc:"PEM file with the authorities that may sign its certificate; the system's unless given."`
	ServerName string     `yaml:"server_name" doc:"Name in its certificate; the host of the address unless given."`
	Cert       authn.Path `yaml:"cert" doc:"PEM file with a certificate to show to Redis."`
	Key        authn.Path `yaml:"key" doc:"PEM file with its private key."`
}

// Session says how long people stay signed in.
type Session struct {
	Secrets  []authn.Secret `yaml:"secrets" doc:"Secrets of at least 32 bytes: the first seals, all open; one is made in storage.path if the list is absent."`
	Idle     time.Duration  `yaml:"idle" default:"20m" min:"1s" max:"8760h" doc:"A session ends this long after a person last did something."`
	Lifetime time.Duration  `yaml:"lifetime" default:"12h" min:"1s" max:"8760h" doc:"A session ends this long after the sign-in, whatever happens."`
	Reentry  bool           `yaml:"reentry" default:"true" doc:"Whoever was away too long gets back in by refreshing the page, without credentials, while the sign-in is still current."`
	Current  time.Duration  `yaml:"reentry_for" default:"0s" min:"0s" max:"8760h" doc:"How long a sign-in stays current for reentry; 0s means as long as the method says: an ID token's lifetime, a refresh token that still works."`
	Keep     bool           `yaml:"keep_posts" default:"true" doc:"Keep a form of up to 1 MiB that is sent when the session has ended, sealed and for half an hour, and offer to send it after the sign-in."`
	Cookie   Cookie         `yaml:"cookie" doc:"The session's cookie."`
}

// Terms are an app's or a method's own limits of sessions. Where both say
// something the shorter holds; where neither does, what Session says.
type Terms struct {
	Idle      time.Duration `yaml:"idle" min:"1s" max:"8760h" doc:"A session ends this long after a person last did something."`
	Lifetime  time.Duration `yaml:"lifetime" min:"1s" max:"8760h" doc:"A session ends this long after the sign-in, whatever happens."`
	NoReentry bool          `yaml:"no_reentry" default:"false" doc:"Whoever was away too long must sign in again, whatever session.reentry says."`
}

// Cookie describes the session's cookie. Over https its name gets the prefix
// __Host-, or __Secure- when it has a domain.
type Cookie struct {
	Name       string `yaml:"name" default:"foregate" doc:"Name of the cookie."`
	Domain     string `yaml:"domain" doc:"Parent domain that shares the cookie with its hosts; empty keeps it to the one host, which is safer."`
	Persistent bool   `yaml:"persistent" default:"false" doc:"Keep the cookie when the browser is closed."`
}

// Limits bound what a client may send. Sizes are bytes.
type Limits struct {
	HeaderTimeout  time.Duration `yaml:"header_timeout" default:"10s" min:"1s" max:"5m" doc:"Time for a request's header to arrive."`
	BodyTimeout    time.Duration `yaml:"body_timeout" default:"1m" min:"1s" max:"1h" doc:"Time that a request's body may stand still."`
	IdleTimeout    time.Duration `yaml:"idle_timeout" default:"2m" min:"1s" max:"1h" doc:"Time that an unused connection is kept."`
	MaxHeaderBytes int           `yaml:"max_header_bytes" default:"65536" min:"4096" max:"1048576" doc:"Largest request header, in bytes."`
	MaxURLBytes    int           `yaml:"max_url_bytes" default:"16384" min:"1024" max:"1048576" doc:"Longest path with query, in bytes."`
	MaxFormBytes   int           `yaml:"max_form_bytes" default:"65536" min:"4096" max:"1048576" doc:"Largest form sent to Foregate's own pages, in bytes."`
}

// Log says what is written to standard error.
type Log struct {
	Format string `yaml:"format" default:"json" enum:"json|text" doc:"json for machines, text for people."`
	Level  string `yaml:"level" default:"info" enum:"debug|info|warn|error" doc:"The least important lines that are written."`
	Access bool   `yaml:"access" default:"true" doc:"One line for each request."`
}

// Method is one configured way to sign in.
type Method struct {
	Name  string `yaml:"name" required:"true" doc:"Its name in addresses and logs: lower-case letters, digits and dashes."`
	Title string `yaml:"title" doc:"Words on its button; the name unless given."`

	Session Terms           `yaml:"session" doc:"Its own limits of sessions."`
	Admit   accounts.Policy `yaml:"admit" doc:"Who of the people that it vouches for may come in."`

	// The section of its kind, the only key beside those above.
	Kind   string             `yaml:"-"` // "oidc"
	Config authn.MethodConfig `yaml:"-"` // what the kind's New made, filled and validated
}
