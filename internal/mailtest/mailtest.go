// Package mailtest is a mail server for tests. It listens on loopback with a
// certificate of its own, keeps what it is sent, and refuses what it is told to.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const patience = 20 * time.Second

// Options say what is unusual about a server. The zero Options offer STARTTLS and
// take every letter.
type Options struct {
	Addr               string // where to listen; a free port of 127.0.0.1 if empty
	NoTLS              bool   // it does not offer STARTTLS
	ImplicitTLS        bool   // TLS from the first byte
	WrongName          bool   // its certificate is another host's
	Username, Password string // who may send; everybody if empty
	LoginOnly          bool   // it knows AUTH LOGIN and not PLAIN

	Mail func(from string) error // answers MAIL FROM; nil takes all
	Rcpt func(to string) error   // answers RCPT TO; nil takes all
	Data func() error            // answers the letter; nil takes all
}

// Letter is one letter as it was received.
type Letter struct {
	From, To string // of the envelope
	TLS      bool
	User     string // who signed in
	Raw      string
	*netmail.Message
}

// Server is a running mail server.
type Server struct {
	Addr    string      // host:port
	CA      string      // file with the certificate that signed its own
	Letters chan Letter // that it took; it has room for a thousand

	t       testing.TB
	options Options
	smtp    *smtp.Server
	accepts net.Listener

	mu      sync.Mutex
	signIns int
	open    int
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Letters: make(chan Letter, 1000), t: t, options: o}
	certFile, keyFile := Certificate(t, o.WrongName)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s.CA = certFile
	s.smtp = smtp.NewServer(s)
	s.smtp.Domain = "mail.test.example"
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = 2*patience, 2*patience
	s.smtp.MaxMessageBytes = 1 << 20
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Addr, s.accepts = l.Addr().String(), l
	encryption := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch {
	case o.ImplicitTLS:
		l = tls.NewListener(l, encryption)
	case !o.NoTLS:
		s.smtp.TLSConfig = encryption
	default:
		s.smtp.AllowInsecureAuth = true
	}
	go func() { _ = s.smtp.Serve(l) }()
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server and its connections.
func (s *Server) Stop() {
	_ = s.accepts.Close() // the other knows it only once it serves
	_ = s.smtp.Close()
}

// SignIns is how often somebody tried to sign in.
func (s *Server) SignIns() int { s.mu.Lock(); defer s.mu.Unlock(); return s.signIns }

// Open is how many connections are open on which the client has said its name.
func (s *Server) Open() int { s.mu.Lock(); defer s.mu.Unlock(); return s.open }

func (s *Server) count(n int) { s.mu.Lock(); defer s.mu.Unlock(); s.open += n }

// Next is the next letter. It fails the test if none comes.
func (s *Server) Next() Letter {
	s.t.Helper()
	select {
	case l := <-s.Letters:
		return l
	case <-time.After(patience):
		s.t.Fatal("no letter came")
		return Letter{}
	}
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s.count(1)
	return &session{server: s, conn: c}, nil
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	user     string
	from, to string
}

func (s *session) AuthMechanisms() []string {
	switch {
	case s.server.options.Username == "":
		return nil
	case s.server.options.LoginOnly:
		return []string{sasl.Login}
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	check := func(user, password string) error {
		s.server.mu.Lock()
		s.server.signIns++
		s.server.mu.Unlock()
		if user != s.server.options.Username || password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	if s.server.options.LoginOnly {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.options.Username != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	if s.server.options.Mail != nil {
		return s.server.options.Mail(from)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.server.options.Rcpt != nil {
		return s.server.options.Rcpt(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.options.Data != nil {
		if err := s.server.options.Data(); err != nil {
			return err
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.server.Letters <- Letter{From: s.from, To: s.to, TLS: encrypted, User: s.user, Raw: string(raw), Message: m}
	return nil
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { s.server.count(-1); return nil }

// login is the server's side of AUTH LOGIN.
type login struct {
	check func(user, password string) error
	user  string
	step  int
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// Certificate makes a certificate for localhost and 127.0.0.1, or for another host, that
// signs itself. The files are PEM.
func Certificate(t testing.TB, wrongName bool) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if wrongName {
		template.DNSNames, template.IPAddresses = []string{"other.example"}, nil
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
