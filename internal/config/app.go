package config

import (
	"net/netip"
	"net/url"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// App is one application: its hosts, who may use it, and what it is told.
type App struct {
	Name          string         `yaml:"name" required:"true" doc:"Its name in logs and signed assertions: lower-case letters, digits and dashes."`
	Hosts         []string       `yaml:"hosts" required:"true" doc:"Hosts that people reach it by, without scheme; a port only if it is part of the address."`
	Upstream      Upstream       `yaml:"upstream" doc:"Where the application itself listens."`
	Upstreams     []Branch       `yaml:"upstreams" doc:"Where parts of it listen that are somewhere else, by path; the longest path wins, and everything else goes to upstream."`
	ForwardAuth   *ForwardAuth   `yaml:"forward_auth" doc:"Another proxy carries the requests to the application and asks here about each; in place of upstream."`
	Methods       []string       `yaml:"methods" required:"true" doc:"Names of the ways to sign in, in the order of the buttons."`
	Organisations []string       `yaml:"organisations" default:"['*']" doc:"Organisations whose people may sign in here with their own methods, beside those above; * for all, [] for none."`
	Discover      *bool          `yaml:"discover" doc:"Ask for the e-mail address first, whose domain leads to an organisation's methods; unless given, where people of several organisations can only be told apart by it."`
	Kinds         []string       `yaml:"kinds" doc:"Only accounts of these kinds may come in, however they sign in; all by default."`
	Basic         *Basic         `yaml:"basic" doc:"User name and password in each request of programs that are no browsers; none by default."`
	Rules         []Rule         `yaml:"rules" doc:"Who may do what; the first rule that matches decides, and without a match people must be signed in."`
	Roles         accounts.Roles `yaml:"roles" doc:"Which roles people have here; without order the application decides by itself."`
	Headers       Headers        `yaml:"headers" doc:"How the application is told who is asking."`
	Maintenance   *Maintenance   `yaml:"maintenance" doc:"Keep people off the application while it is worked on."`
	RawQuery      bool           `yaml:"raw_query" default:"false" doc:"Pass on queries with ; or broken % escapes unchanged, for old applications."`
	RawPath       bool           `yaml:"raw_path" default:"false" doc:"Let encoded and doubled slashes in the path through to the application."`
	InsertWarning bool           `yaml:"insert_warning" default:"false" doc:"Put the script that warns before the session ends into the pages of the application, for one that does not include it. They come uncompressed then."`
	SharedDevices []netip.Prefix `yaml:"shared_devices" doc:"Networks whose devices several people share, such as ward PCs: nothing of a person is kept on them, and providers ask each time who is there. 0.0.0.0/0 and ::/0 are all devices."`
	SharedIdle    time.Duration  `yaml:"shared_idle" min:"1s" max:"8760h" doc:"On shared_devices a session ends this long after a person last did something; as elsewhere unless given."`
	ReturnHosts   []string       `yaml:"return_hosts" doc:"Further hosts that a sign-in may lead back to; .hospital.example means all below that domain."`
	Session       Terms          `yaml:"session" doc:"Its own limits of sessions."`
	Activity      Activity       `yaml:"activity" doc:"Which requests show that a person is there, and so put off the end of the session."`
	Page          Page           `yaml:"page" doc:"Look of the sign-in pages."`
}

// Basic says how programs that are no browsers prove who they are.
type Basic struct {
	Method string        `yaml:"method" required:"true" doc:"Which of methods proves the password: one of ldap or local."`
	Cache  time.Duration `yaml:"cache" default:"1m" min:"1s" max:"15m" doc:"How long a proved password counts without asking again, also when it was changed or the account was disabled meanwhile."`
}

// Activity says which requests show that a person is there.
type Activity struct {
	Counts string   `yaml:"counts" default:"pages" enum:"pages|all" doc:"pages: page loads and form posts; all: also what the pages' scripts fetch."`
	Except []string `yaml:"except" doc:"Paths that never count, such as those that a page polls."`
}

// ForwardAuth is an application that another proxy carries the requests to. The proxy
// asks about each at /sso/verify, and sends /sso/ itself here.
type ForwardAuth struct {
	From []netip.Prefix `yaml:"from" doc:"Networks and addresses of the proxies that may ask, each within trusted_proxies; all of those unless given."`
}

// Health is a question that each of several addresses is asked from time to time.
type Health struct {
	Path    string        `yaml:"path" required:"true" doc:"Path that is asked for; an answer below 400 is good."`
	Every   time.Duration `yaml:"every" default:"10s" min:"1s" max:"10m" doc:"How often."`
	Timeout time.Duration `yaml:"timeout" default:"2s" min:"100ms" max:"1m" doc:"How long an answer may take."`
}

// Retry says which answers of one of several addresses are put to another.
type Retry struct {
	Statuses []int `yaml:"statuses" default:"[502, 503, 504]" doc:"Answers without Retry-After that are: 429, or 500 to 599."`
	Times    int   `yaml:"times" default:"1" min:"1" max:"3" doc:"How many more addresses are asked for one request."`
}

// Upstream is where the application itself listens.
type Upstream struct {
	URL             *url.URL      `yaml:"url" socket:"true" doc:"Address of the application, http or https, without user name and query; or unix:///run/app.sock. Required unless there is folder or answer, or the app has forward_auth."`
	Folder          authn.Path    `yaml:"folder" doc:"In place of url: a folder whose files are served; no lists of files, and nothing that begins with a dot."`
	Answer          *Answer       `yaml:"answer" doc:"In place of url: what everybody gets who asks."`
	Also            []*url.URL    `yaml:"also" doc:"More addresses at which the same application listens, with the scheme and path of url. Requests are shared among all; one that cannot be connected to is left out for a while."`
	Health          *Health       `yaml:"health" doc:"With also: ask each address from time to time whether it can take requests; none by default."`
	Balance         string        `yaml:"balance" default:"round_robin" enum:"round_robin|least_connections|sticky" doc:"With also: which address gets a request, each in turn, the one with the fewest under way, or the same one for all requests of a person."`
	Retry           *Retry        `yaml:"retry" doc:"With also: which answers to GET, HEAD and OPTIONS are put to another address; none by default."`
	CA              authn.Path    `yaml:"ca" doc:"PEM file with the authorities that may sign its certificate; the system's unless given."`
	ServerName      string        `yaml:"server_name" doc:"Name in its certificate, also sent as SNI; the host of url unless given."`
	Cert            authn.Path    `yaml:"cert" doc:"PEM file with the certificate that is shown to an https application."`
	Key             authn.Path    `yaml:"key" doc:"PEM file with the key of cert."`
	H2C             bool          `yaml:"h2c" default:"false" doc:"Speak HTTP/2 without TLS, as gRPC servers want it; with https it is agreed on by itself."`
	Basic           *BasicUser    `yaml:"basic" doc:"User name and password that are sent for who is signed in, for an application that asks for HTTP Basic: one for everybody, or each person's own; none by default."`
	Host            string        `yaml:"host" doc:"Host header to send; the client's own unless given."`
	ConnectTimeout  time.Duration `yaml:"connect_timeout" default:"5s" min:"100ms" max:"5m" doc:"Time to connect."`
	ResponseTimeout time.Duration `yaml:"response_timeout" default:"30s" min:"100ms" max:"24h" doc:"Time until the header of the answer."`
	IdleTimeout     time.Duration `yaml:"idle_timeout" default:"4s" min:"100ms" max:"1h" doc:"Time that an unused connection is kept; shorter than the application keeps it."`
	MaxBody         int64         `yaml:"max_body_bytes" default:"0" min:"0" doc:"Bytes of what may be sent to it in one request; 0 is any number."`
}

// BasicUser is as whom an application is asked that knows only HTTP Basic.
type BasicUser struct {
	User        string       `yaml:"user" doc:"User name for everybody, without a colon; with password, in place of per_user."`
	Password    authn.Secret `yaml:"password" doc:"Its password."`
	PerUser     bool         `yaml:"per_user" default:"false" doc:"Each person's own name and password, kept sealed with their account."`
	SelfService bool         `yaml:"self_service" default:"true" doc:"With per_user: people enter their own on the page of their account; false: only operators do."`
}

// Answer is a fixed answer to every request.
type Answer struct {
	Status int    `yaml:"status" default:"200" min:"200" max:"599" doc:"HTTP status."`
	Type   string `yaml:"type" default:"text/plain; charset=utf-8" doc:"Content-Type."`
	Body   string `yaml:"body" doc:"What is sent; nothing unless given."`
}

// Leads reports whether it says where requests go.
func (u *Upstream) Leads() bool { return u.URL != nil || u.Folder != "" || u.Answer != nil }

// SelfService reports whether people enter their own names and passwords for the
// application themselves.
func (a *App) SelfService() bool {
	self := a.Upstream.Basic.selfService()
	for i := range a.Upstreams {
		self = self || a.Upstreams[i].Basic.selfService()
	}
	return self
}

func (b *BasicUser) selfService() bool { return b != nil && b.PerUser && b.SelfService }

// Branch is a part of an application that listens somewhere else.
type Branch struct {
	Path     string `yaml:"path" required:"true" doc:"This path and all below it: /api is /api, /api/ and /api/x, never /apis."`
	Rewrite  string `yaml:"rewrite" doc:"What is put in place of path on the way to the application; the path is kept unless given."`
	Upstream `yaml:",inline"`
}

// Maintenance keeps people off an application while it is worked on.
type Maintenance struct {
	On         bool           `yaml:"on" default:"false" doc:"It is worked on now, whether or not there is a file."`
	File       string         `yaml:"file" doc:"Absolute path of a file: the application is worked on while the file is there."`
	Message    string         `yaml:"message" doc:"Words for people, in place of those that always fit."`
	RetryAfter time.Duration  `yaml:"retry_after" default:"10m" min:"1s" max:"168h" doc:"When browsers and scripts are told to ask again."`
	Networks   []netip.Prefix `yaml:"networks" doc:"Who comes from these networks and addresses is let through."`
	Roles      []string       `yaml:"roles" doc:"Who has one of these roles is let through."`
}

// Rule lets people in or keeps them out. It matches by Path and HTTPMethods;
// what else it names must be fulfilled by who asks.
//
// In a path a segment "**" is any depth, also none: "/x/**" is /x and all below
// it. A "*" is a segment or a part of one. No path is every path. With allow
// "anyone", people outside of Networks may sign in instead.
type Rule struct {
	Path        string         `yaml:"path" doc:"Path that the rule is about: /x alone, /x/** with everything below, * for a segment or a part of one; every path if absent."`
	HTTPMethods []string       `yaml:"http_methods" doc:"HTTP methods that the rule is about; every one if absent."`
	Allow       string         `yaml:"allow" default:"signed_in" enum:"anyone|signed_in|nobody" doc:"Who may pass."`
	Groups      []string       `yaml:"groups" doc:"Only people in one of these groups."`
	Users       []string       `yaml:"users" doc:"Only people with one of these user names."`
	Roles       []string       `yaml:"roles" doc:"Only people with one of these roles."`
	Methods     []string       `yaml:"methods" doc:"Only people who signed in by one of these methods."`
	Networks    []netip.Prefix `yaml:"networks" doc:"Only from these networks and addresses."`
}

// Headers say how the application is told who is asking.
type Headers struct {
	Preset    string            `yaml:"preset" default:"forwarded" enum:"forwarded|remote|auth-request|none" doc:"Names of the identity headers: X-Forwarded-User, Remote-User, X-Auth-Request-User, or none."`
	Assertion bool              `yaml:"assertion" default:"false" doc:"Also send X-Foregate-Assertion, a signed JWT."`
	Map       map[string]Header `yaml:"map" doc:"Further headers by name, or other content for those of the preset."`
}

// Header is what one header holds: a claim of the person or a fixed value.
type Header struct {
	Claim string       `yaml:"claim" doc:"user, email, name, groups, preferred_username, subject, issuer, method, acr, or any claim that the method gives."`
	Value authn.Secret `yaml:"value" doc:"A fixed value, kept out of logs: it is often a shared key."`
}

// Page is the look of the sign-in pages; without it they are plain.
type Page struct {
	Title      string     `yaml:"title" doc:"Name of the application for people; the app's name unless given."`
	Logo       authn.Path `yaml:"logo" doc:"Image file, png, svg, jpeg or webp, at most 100 KiB."`
	Colour     string     `yaml:"colour" doc:"Colour of buttons and links, written #rrggbb."`
	Background string     `yaml:"background" doc:"Colour behind the card of the pages, written #rrggbb; a shade of it is used on which words can be read."`

	Help   string `yaml:"help" doc:"Words below the form: whom to ask."`
	Footer string `yaml:"footer" doc:"Words at the bottom of the page."`

	Templates authn.Path `yaml:"templates" doc:"Folder with templates in place of the built-in ones of the same name; see docs/pages.md."`

	Languages []string `yaml:"languages" default:"[en, cy, de, fr, nl, es]" enum:"en|cy|de|fr|nl|es" doc:"Languages that the pages are offered in. The first is spoken where the browser asks for none of them."`
}
