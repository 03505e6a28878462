package mail

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/address"
)

// Config is the section "mail" of the configuration.
type Config struct {
	SMTP           SMTP       `yaml:"smtp" required:"true" doc:"The mail server that takes letters for delivery."`
	From           string     `yaml:"from" required:"true" doc:"Whom letters are from, such as Careplan <no-reply@careplan.example>. Firewalls filter by its domain."`
	ReplyTo        string     `yaml:"reply_to" doc:"Where answers to letters go; to from unless given."`
	AllowedDomains []string   `yaml:"allowed_domains" doc:"Domains that letters may go to; .hospital.example is all below it, and not itself. Every domain unless given."`
	Templates      authn.Path `yaml:"templates" doc:"Folder with texts of your own: en/code.subject.txt, en/code.txt, en/code.html, the same with verify for code, another language for en, and below apps/careplan those of one app. What is not there is built in."`
	Queue          int        `yaml:"queue" default:"1000" min:"1" max:"100000" doc:"Letters that may wait to be sent. Changed by a restart only."`
}

// SMTP is how the mail server is reached.
type SMTP struct {
	Address       string        `yaml:"address" required:"true" doc:"host:port of the mail server. The port is 587 as a rule, and 465 with implicit_tls."`
	ImplicitTLS   bool          `yaml:"implicit_tls" default:"false" doc:"Speak TLS from the first byte. Otherwise the server must offer STARTTLS."`
	InsecureNoTLS bool          `yaml:"insecure_no_tls" default:"false" doc:"Send in plain text, where anybody between can read the codes and sign in with them."`
	CA            authn.Path    `yaml:"ca" doc:"PEM file with the authorities that may sign the server's certificate; the system's unless given."`
	Username      string        `yaml:"username" doc:"As whom to sign in to the server; nobody unless given."`
	Password      authn.Secret  `yaml:"password" doc:"Its password."`
	HELO          string        `yaml:"helo" doc:"The name by which to greet the server; the domain of from unless given."`
	Timeout       time.Duration `yaml:"timeout" default:"30s" min:"1s" max:"5m" doc:"The longest that sending one letter may take, from connecting to the server's answer."`
}

// settings are a Config that has been read.
type settings struct {
	from, replyTo *netmail.Address
	fromDomain    string
	domains       []string
	texts         *texts
	host          string
	port          int
	roots         *x509.CertPool // nil: the system's
	smtp          SMTP
	witness       *authn.Witness // nil but for a Check
}

// Validate only reads. It returns nil, or all faults joined, each an *authn.Fault.
func (c *Config) Validate() error {
	_, err := c.settings()
	return err
}

// Apps are the names of the apps that have texts of their own, to be compared with
// those that there are. It is empty for a Config that is not valid.
func (c *Config) Apps() []string {
	t, err := loadTexts(c.Templates)
	if err != nil {
		return nil
	}
	return t.apps()
}

func (c *Config) settings() (*settings, error) {
	s := &settings{smtp: c.SMTP}
	var faults []error
	note := func(err error) { faults = append(faults, err) }
	var err error
	s.from, s.fromDomain, err = mailbox("from", c.From)
	note(err)
	if c.ReplyTo != "" {
		s.replyTo, _, err = mailbox("reply_to", c.ReplyTo)
		note(err)
	}
	for i, d := range c.AllowedDomains {
		domain, err := domainOf(fmt.Sprintf("allowed_domains[%d]", i), d)
		note(err)
		s.domains = append(s.domains, domain)
	}
	if s.texts, err = loadTexts(c.Templates); err != nil {
		note(&authn.Fault{Path: "templates", Problem: "cannot be used: " + oneLine(err), Remedy: "correct the files, or remove the key to use the texts that are built in"})
	}
	note(s.server())
	note(s.encryption())
	note(s.credentials())
	s.smtp.HELO = cmp.Or(c.SMTP.HELO, s.fromDomain)
	s.smtp.Timeout = cmp.Or(c.SMTP.Timeout, 30*time.Second)
	return s, errors.Join(faults...)
}

func mailbox(path, text string) (*netmail.Address, string, error) {
	fault := &authn.Fault{Path: path, Problem: "is not one mailbox", Remedy: "write it like Careplan <no-reply@careplan.example>"}
	m, err := netmail.ParseAddress(text)
	if err != nil || len(text) > 512 || authn.CutControl(m.Name, 200) != m.Name {
		return nil, "", fault
	}
	a, err := address.Parse(m.Address)
	if err != nil {
		return nil, "", fault
	}
	m.Address = a.String()
	return m, a.Domain(), nil
}

// domainOf reads an allowed domain; one with a dot in front keeps it.
func domainOf(path, text string) (string, error) {
	dot := ""
	if strings.HasPrefix(text, ".") {
		dot = "."
	}
	a, err := address.Parse("x@" + strings.TrimPrefix(text, "."))
	if err != nil {
		return "", &authn.Fault{Path: path, Problem: fmt.Sprintf("%.80q is not a domain", text), Remedy: "write it like hospital.example, or .hospital.example for all below it"}
	}
	return dot + a.Domain(), nil
}

func (s *settings) server() error {
	host, port, err := net.SplitHostPort(s.smtp.Address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 || strings.ContainsAny(host, "/@ \r\n") {
		return &authn.Fault{Path: "smtp.address", Problem: fmt.Sprintf("%.80q is not an address", s.smtp.Address), Remedy: "write it like smtp.hospital.example:587"}
	}
	s.host, s.port = host, int(n)
	if h := s.smtp.HELO; h != "" && strings.Trim(h, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:") != "" {
		return &authn.Fault{Path: "smtp.helo", Problem: "is not the name of a machine", Remedy: "write a name such as signin.hospital.example"}
	}
	return nil
}

func (s *settings) encryption() error {
	switch {
	case s.smtp.InsecureNoTLS && s.smtp.ImplicitTLS:
		return &authn.Fault{Path: "smtp.insecure_no_tls", Problem: "cannot stand beside implicit_tls: true", Remedy: "remove it"}
	case s.smtp.InsecureNoTLS && s.smtp.CA != "":
		return &authn.Fault{Path: "smtp.ca", Problem: "is of no use without TLS", Remedy: "remove insecure_no_tls"}
	case s.smtp.CA == "":
		return nil
	}
	pem, err := os.ReadFile(string(s.smtp.CA))
	if err != nil {
		return &authn.Fault{Path: "smtp.ca", Problem: "the file cannot be read: " + oneLine(err), Remedy: "look at its name and at who may read it"}
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(pem) {
		return &authn.Fault{Path: "smtp.ca", Problem: "holds no certificate", Remedy: "export the authority's certificate as PEM, with BEGIN CERTIFICATE"}
	}
	return nil
}

func (s *settings) credentials() error {
	switch {
	case s.smtp.Username != "" && s.smtp.Password.Empty():
		return &authn.Fault{Path: "smtp.password", Problem: "is missing beside username", Remedy: "give both or neither"}
	case s.smtp.Username == "" && !s.smtp.Password.Empty():
		return &authn.Fault{Path: "smtp.username", Problem: "is missing beside password", Remedy: "give both or neither"}
	case s.smtp.Username != "" && s.smtp.InsecureNoTLS:
		return &authn.Fault{Path: "smtp.insecure_no_tls", Problem: "would send the password for all to read", Remedy: "remove it, or username and password"}
	}
	return nil
}

// mayWriteTo reports whether letters may go to a domain, which is in lower case.
func (s *settings) mayWriteTo(domain string) bool {
	if len(s.domains) == 0 {
		return true
	}
	for _, d := range s.domains {
		if d == domain || strings.HasPrefix(d, ".") && strings.HasSuffix(domain, d) {
			return true
		}
	}
	return false
}

// oneLine is an error's text for a fault, which is one line.
func oneLine(err error) string {
	return authn.CutControl(strings.ReplaceAll(err.Error(), "\n", "; "), 600)
}
