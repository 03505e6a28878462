package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
	"foregate/internal/resolve"
)

// security is how a connection is encrypted.
type security int

const (
	byLDAPS security = iota
	byStartTLS
	plain
)

// dial connects to s and encrypts. There is no way from here to a connection that
// is less encrypted than configured.
func (s *server) dial(ctx context.Context, trust *tls.Config) (*conn, error) {
	raw, err := resolve.Dial(ctx, new(net.Dialer), "tcp", s.address)
	if err != nil {
		return nil, err
	}
	c := &conn{wire: &wire{Conn: raw}, server: s, opened: time.Now()}
	trust = trust.Clone()
	if trust.ServerName == "" {
		trust.ServerName = s.host
	}
	if s.security != byLDAPS {
		c.ldap = ldap.NewConn(c.wire, false)
		c.ldap.Start()
	}
	switch s.security {
	case byLDAPS:
		err = c.handshake(ctx, trust)
	case byStartTLS:
		err = c.do(ctx, handshakeLimit, func(l *ldap.Conn) error { return l.StartTLS(trust) })
		if err != nil {
			c.close()
			err = fmt.Errorf("StartTLS: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// handshakeLimit is never reached: the context of a dial ends sooner.
const handshakeLimit = 10 * time.Second

func (c *conn) handshake(ctx context.Context, trust *tls.Config) error {
	c.wire.left.Store(maxAnswer)
	t := tls.Client(c.wire, trust)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.wire.Close()
		return fmt.Errorf("TLS: %w", err)
	}
	c.ldap = ldap.NewConn(t, true)
	c.ldap.Start()
	return nil
}

// trust is how servers prove who they are.
func (c *Config) trust() (*tls.Config, error) {
	roots, err := loadCA(c.CA)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, ServerName: c.ServerName, MinVersion: tls.VersionTLS12}, nil
}

// loadCA reads certificate authorities; without a file those of the system.
func loadCA(file authn.Path) (*x509.CertPool, error) {
	if file == "" {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(string(file) + " has no certificates in PEM form")
	}
	return pool, nil
}
