package cookies

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

const (
	ticketVersion   = 1
	ticketIDSize    = 16
	ticketKeySize   = 32
	ticketSize      = 1 + ticketIDSize + ticketKeySize
	maxTicketCookie = 192
)

// ticket is what the session cookie holds: where the record lies and the key
// that opens it.
type ticket struct {
	record string // key of the record: SHA-256 of the session ID in base64url
	key    [ticketKeySize]byte
}

// newTicket makes a ticket with a new session ID and the plain text of its cookie.
func newTicket() (*ticket, []byte) {
	plain := make([]byte, ticketSize)
	_, _ = rand.Read(plain) // never fails: crypto/rand ends the process instead
	plain[0] = ticketVersion
	t, _ := parseTicket(plain)
	return t, plain
}

func parseTicket(plain []byte) (*ticket, bool) {
	if len(plain) != ticketSize || plain[0] != ticketVersion {
		return nil, false
	}
	id := sha256.Sum256(plain[1 : 1+ticketIDSize])
	t := &ticket{record: base64.RawURLEncoding.EncodeToString(id[:])}
	copy(t.key[:], plain[1+ticketIDSize:])
	return t, true
}

// ticket returns what a cookie value opens to. That never changes for a value,
// so it is remembered, under a hash: memory then holds no cookies.
func (s *Sessions) ticket(secure bool, value string) (*ticket, bool) {
	if len(value) > maxTicketCookie {
		return nil, false
	}
	sum := ticketHash(secure, value)
	if t, ok := s.tickets.GetIfPresent(sum); ok {
		return t, true
	}
	sealed, ok := s.stamper.sealed(value)
	if !ok {
		return nil, false
	}
	plain, ok := s.codec.open(s.names.session(secure), sealed)
	if !ok {
		return nil, false
	}
	t, ok := parseTicket(plain)
	if ok {
		s.tickets.Set(sum, t)
	}
	return t, ok
}

func ticketHash(secure bool, value string) [sha256.Size]byte {
	var buf [1 + maxTicketCookie]byte
	if secure {
		buf[0] = 's'
	}
	return sha256.Sum256(buf[:1+copy(buf[1:], value)])
}

// issue makes a new ticket and its cookie value, and remembers it for the request
// that follows.
func (s *Sessions) issue(secure bool) (*ticket, string, error) {
	t, plain := newTicket()
	sealed, err := s.codec.seal(s.names.session(secure), plain)
	if err != nil {
		return nil, "", fmt.Errorf("cookies: seal ticket: %w", err)
	}
	value := s.stamper.stamped(sealed)
	s.tickets.Set(ticketHash(secure, value), t)
	return t, value, nil
}
