package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Seen is what a look at a PostgreSQL database found.
type Seen struct {
	Address string
	Version string
	Clock   time.Time // of the server
	Asleep  bool      // it is a standby, on which nothing can be written
	Shown   bool      // false: the password was not sent, since nothing proves who would get it
}

// LookPostgres connects once, asks what it needs to know, and changes nothing. A
// password goes to a server whose certificate is checked, or stays on this machine;
// otherwise LookPostgres only connects. watch is put around the TLS configuration.
func LookPostgres(ctx context.Context, dsn string, watch func(*tls.Config) *tls.Config) (Seen, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return Seen{}, fmt.Errorf("read storage.postgres: %w", err)
	}
	seen := Seen{Address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
	if config.Password != "" && !proven(config) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", seen.Address)
		if err == nil {
			_ = conn.Close()
		}
		return seen, err
	}
	if config.TLSConfig != nil {
		config.TLSConfig = watch(config.TLSConfig)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return seen, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	seen.Shown = true
	err = conn.QueryRow(ctx, `SELECT clock_timestamp(), current_setting('server_version'), pg_is_in_recovery()`).
		Scan(&seen.Clock, &seen.Version, &seen.Asleep)
	return seen, err
}

// proven reports whether every way to the server is local or has its certificate
// checked. sslmode=prefer, for one, falls back to plain text.
func proven(c *pgx.ConnConfig) bool {
	all := []struct {
		host string
		tls  *tls.Config
	}{{c.Host, c.TLSConfig}}
	for _, f := range c.Fallbacks {
		all = append(all, struct {
			host string
			tls  *tls.Config
		}{f.Host, f.TLSConfig})
	}
	for _, way := range all {
		checked := way.tls != nil && (!way.tls.InsecureSkipVerify || way.tls.VerifyPeerCertificate != nil)
		ip := net.ParseIP(way.host)
		local := strings.HasPrefix(way.host, "/") || way.host == "localhost" || ip != nil && ip.IsLoopback()
		if !checked && !local {
			return false
		}
	}
	return true
}

// LookFolder tries whether the folder of the embedded database can be written, and
// leaves nothing behind. A folder that is not there yet is made at the first start.
func LookFolder(folder string) (there bool, err error) {
	_, err = os.Stat(folder)
	if errors.Is(err, os.ErrNotExist) {
		return false, writable(filepath.Dir(filepath.Clean(folder)))
	}
	if err != nil {
		return false, err
	}
	if err := writable(folder); err != nil {
		return true, err
	}
	return true, readable(filepath.Join(folder, "foregate.db"))
}

func writable(folder string) error {
	f, err := os.CreateTemp(folder, ".foregate-look-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// readable looks at the first bytes of the file (sqlite.org/fileformat.html).
func readable(file string) error {
	const magic = "SQLite format 3\x00"
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(magic))
	if n, err := f.Read(head); err == nil && string(head[:n]) != magic {
		return fmt.Errorf("%s is not a database of Foregate", file)
	}
	return nil
}
