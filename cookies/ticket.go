package cookies

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

const (
	ticketVersion   = 2
	ticketKeySize   = 32
	ticketSize      = 1 + ticketKeySize
	maxTicketCookie = 192
)

// recordID says where a session lies: SHA-256 of its cookie's value. In base64url
// it is the record's key. Neither memory nor the store then holds what a browser
// would have to send.
type recordID [sha256.Size]byte

func (id *recordID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseRecordID is the inverse of String; false for the key of another record.
func parseRecordID(key string) (id recordID, ok bool) {
	if len(key) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return id, false
	}
	n, err := base64.RawURLEncoding.Decode(id[:], []byte(key))
	return id, err == nil && n == len(id)
}

// idOf a cookie's value. Over https and plain http the same value would be two
// cookies of different names.
func idOf(secure bool, value string) recordID {
	var buf [1 + maxTicketCookie]byte
	if secure {
		buf[0] = 's'
	}
	return sha256.Sum256(buf[:1+copy(buf[1:], value)])
}

// ticket is what the session cookie stands for: where the record lies, and the key
// that opens it, which is sealed in the cookie.
type ticket struct {
	id  recordID
	key [ticketKeySize]byte
}

// record is the key of the session's record.
func (t *ticket) record() string { return t.id.String() }

// box seals the record's content.
func (t *ticket) box() box { return box{t.key, t.record()} }

// open returns the ticket of a cookie's value, whose id this is.
func (s *Sessions) open(secure bool, value string, id recordID) (*ticket, bool) {
	secrets := s.derived.Load()
	sealed, ok := secrets.stamper.sealed(value)
	if !ok {
		return nil, false
	}
	plain, ok := secrets.ticket.open(s.names.session(secure), sealed)
	if !ok {
		return nil, false
	}
	return parseTicket(plain, id)
}

func parseTicket(plain []byte, id recordID) (*ticket, bool) {
	if len(plain) != ticketSize || plain[0] != ticketVersion {
		return nil, false
	}
	t := &ticket{id: id}
	copy(t.key[:], plain[1:])
	return t, true
}

// issue makes a new ticket and its cookie value.
func (s *Sessions) issue(secure bool) (*ticket, string, error) {
	t := new(ticket)
	_, _ = rand.Read(t.key[:]) // never fails: crypto/rand ends the process instead
	secrets := s.derived.Load()
	sealed, err := secrets.ticket.seal(s.names.session(secure), append([]byte{ticketVersion}, t.key[:]...))
	if err != nil {
		return nil, "", fmt.Errorf("cookies: seal ticket: %w", err)
	}
	value := secrets.stamper.stamped(sealed)
	t.id = idOf(secure, value)
	return t, value, nil
}
