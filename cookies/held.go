package cookies

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"foregate/authn"
)

// ErrNotHeld says that a ticket opens nothing, or not any more.
var ErrNotHeld = errors.New("nothing is held for this ticket")

const (
	heldPrefix = "held:"
	heldMost   = 64 << 10 // bytes

	// heldSpent is how long a mark of TakeHeld stays: for those who read the record
	// before it was deleted.
	heldSpent = time.Hour
)

// Hold seals data at the store for a while, for what is too long for an attempt's
// cookie. The ticket, of 72 characters, is the only key.
func (s *Sessions) Hold(ctx context.Context, data []byte, length time.Duration) (ticket string, err error) {
	if len(data) > heldMost {
		return "", fmt.Errorf("cookies: hold %d bytes, more than %d", len(data), heldMost)
	}
	b := box{record: heldPrefix + rand.Text()}
	_, _ = rand.Read(b.key[:]) // never fails: crypto/rand ends the process instead
	sealed, err := b.seal(data)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Create(ctx, b.record, Record{Data: sealed, Expires: s.cfg.Clock().Add(length)}); err != nil {
		return "", fmt.Errorf("cookies: hold: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b.key[:]) + b.record[len(heldPrefix):], nil
}

// Held returns what Hold was given. It stays until its time is over, or LetGo.
func (s *Sessions) Held(ctx context.Context, ticket string) ([]byte, error) {
	b, ok := heldBox(ticket)
	if !ok {
		return nil, ErrNotHeld
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rec, err := s.store.Load(ctx, b.record)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotHeld
	}
	if err != nil {
		return nil, fmt.Errorf("cookies: load what is held: %w", err)
	}
	data, err := b.open(rec.Data)
	if err != nil {
		return nil, ErrNotHeld
	}
	return data, nil
}

// TakeHeld is Held for once, whoever else asks at the same moment.
func (s *Sessions) TakeHeld(ctx context.Context, ticket string) ([]byte, error) {
	data, err := s.Held(ctx, ticket)
	if err != nil {
		return nil, err
	}
	err = Spent{s.store}.Spend(ctx, heldPrefix+ticket, s.cfg.Clock().Add(heldSpent))
	if errors.Is(err, authn.ErrSpent) {
		return nil, ErrNotHeld
	}
	if err != nil {
		return nil, err
	}
	s.LetGo(ctx, ticket)
	return data, nil
}

// LetGo deletes what a ticket opens. If that fails it goes when its time is over.
func (s *Sessions) LetGo(ctx context.Context, ticket string) {
	b, ok := heldBox(ticket)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, b.record); err != nil {
		s.cfg.Log.WarnContext(ctx, "what was held stays in the store until it expires", "err", err)
	}
}

func heldBox(ticket string) (box, bool) {
	const keyLength = (ticketKeySize*8 + 5) / 6 // characters
	if len(ticket) <= keyLength || len(ticket) > keyLength+64 {
		return box{}, false
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(ticket[:keyLength])
	if err != nil || len(key) != ticketKeySize {
		return box{}, false
	}
	b := box{record: heldPrefix + ticket[keyLength:]}
	copy(b.key[:], key)
	return b, true
}
