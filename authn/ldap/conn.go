package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// conn is one connection to one server, used by one goroutine at a time.
type conn struct {
	ldap   *ldap.Conn
	wire   *wire
	server *server
	opened time.Time

	rested time.Time // since when it waits in a pool
	reused bool      // it has waited there
	lost   bool      // nothing more can be asked of it
}

// errLost is what failed on the way and was no answer of the server.
var errLost = errors.New("the connection failed")

// do makes one request, which ends within limit and with ctx.
func (c *conn) do(ctx context.Context, limit time.Duration, request func(*ldap.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := c.wire.begin(deadline); err != nil {
		c.lost = true
		return fmt.Errorf("%w: %w", errLost, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.wire.Close() })
	err := request(c.ldap)
	if !stop() || c.wire.end() != nil {
		c.lost = true
	}
	if err == nil || answered(err) {
		return err
	}
	c.lost = true
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%w: %w: %w", errLost, cause, err)
	}
	if !time.Now().Before(deadline) { // the wire's clock was a little earlier
		return fmt.Errorf("%w: %w: %w", errLost, context.DeadlineExceeded, err)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// answered reports whether err is what the server said, so that the connection is
// as good as before. The library's own codes begin at 200.
func answered(err error) bool {
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
		return false
	}
	return e.ResultCode != ldap.LDAPResultBusy && e.ResultCode != ldap.LDAPResultUnavailable
}

// usable reports whether c can be asked something, as far as is known without
// asking.
func (c *conn) usable() bool { return !c.lost && !c.ldap.IsClosing() }

// close ends the connection. The wire goes first: the library would wait for a
// write that stands still.
func (c *conn) close() {
	_ = c.wire.Close()
	_ = c.ldap.Close()
}

// search makes one search. Entries that came before an error are returned with it.
// What the server says of other servers is not followed.
func (c *conn) search(ctx context.Context, limit time.Duration, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	var result *ldap.SearchResult
	err := c.do(ctx, limit, func(l *ldap.Conn) error {
		var err error
		result, err = l.Search(r)
		return err
	})
	if result == nil {
		result = &ldap.SearchResult{}
	}
	return result, err
}

// bind asks the server whether password is that of dn. Neither may be empty: the
// server would say yes to nobody (RFC 4513, section 5.1.2).
func (c *conn) bind(ctx context.Context, limit time.Duration, dn, password string) (*ldap.SimpleBindResult, error) {
	if dn == "" || password == "" {
		return nil, errors.New("bind without a name or without a password")
	}
	var result *ldap.SimpleBindResult
	err := c.do(ctx, limit, func(l *ldap.Conn) error {
		var err error
		result, err = l.SimpleBind(ldap.NewSimpleBindRequest(dn, password, []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}))
		return err
	})
	if result == nil {
		result = &ldap.SimpleBindResult{}
	}
	return result, err
}
