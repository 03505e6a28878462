package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	recordsLast = 5 * time.Minute  // until they are looked up again
	recordsRest = 10 * time.Second // after a look-up that failed
	recordsSoon = time.Second      // and while nothing is known
)

var errNoRecord = errors.New("there is none")

// records are the SRV records that name a domain's servers (RFC 2782). What was
// found stays in use while the name servers do not answer.
type records struct {
	domain   string
	startTLS bool
	lookUp   func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	now      func() time.Time

	mu    sync.Mutex
	found []*server
	err   error // while nothing was found
	due   time.Time
}

// servers returns what the records name, by priority and weight.
func (r *records) servers(ctx context.Context) ([]*server, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.due) {
		return r.found, r.err
	}
	// The answer is sorted by priority, and shuffled by weight within one.
	_, answer, err := r.lookUp(ctx, "ldap", "tcp", r.domain)
	var list []*server
	for _, record := range answer {
		if one := r.server(record); one != nil {
			list = append(list, one)
		}
	}
	switch {
	case len(list) > 0:
		r.found, r.err, r.due = list, nil, r.now().Add(recordsLast)
	case len(r.found) > 0:
		r.due = r.now().Add(recordsRest)
	default:
		// Whoever waits for the same look-up gets its answer.
		r.err, r.due = fmt.Errorf("no record of _ldap._tcp.%s names a host of that domain: %w", r.domain, cmp.Or(err, errNoRecord)), r.now().Add(recordsSoon)
	}
	return r.found, r.err
}

// server is what one record names, the known one if there is one; nil for a host
// outside the domain: DNS is not trusted, a certificate for the domain is.
func (r *records) server(record *net.SRV) *server {
	host := strings.ToLower(strings.TrimSuffix(record.Target, "."))
	if !strings.HasSuffix(host, "."+strings.ToLower(r.domain)) {
		return nil
	}
	port, by := record.Port, byStartTLS
	if !r.startTLS {
		port, by = encryptedPort(port), byLDAPS
	}
	one := newServer(host, strconv.Itoa(int(port)), by)
	for _, known := range r.found {
		if known.address == one.address {
			return known
		}
	}
	return one
}

// encryptedPort is where a server that names its plain port answers by LDAPS.
func encryptedPort(port uint16) uint16 {
	switch port {
	case 389:
		return 636
	case 3268:
		return 3269
	}
	return port
}
