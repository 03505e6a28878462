package cookies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"foregate/authn"
)

// leastSpent is how long a mark is kept at least: one that expired before it is
// stored would let the same thing be used again.
const leastSpent = time.Minute

// Spent marks in a Store what may be used once. It implements authn.Once.
type Spent struct{ Store Store }

// Spend fails with authn.ErrSpent for a key that was spent before, and with
// another error when that is not known: then the caller must refuse too.
func (s Spent) Spend(ctx context.Context, key string, until time.Time) error {
	if key == "" {
		return errors.New("cookies: spend an empty key")
	}
	if least := time.Now().Add(leastSpent); until.Before(least) {
		until = least
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.Store.Create(ctx, hashedKey("spent:", key), Record{Data: []byte{1}, Expires: until})
	if errors.Is(err, ErrExists) {
		return authn.ErrSpent
	}
	if err != nil {
		return fmt.Errorf("cookies: mark as spent: %w", err)
	}
	return nil
}

// Tries counts in a Counter. It implements authn.Tries.
type Tries struct{ Counter Counter }

// Count adds one to key and returns how often it was counted in its window.
func (t Tries) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	n, err := t.Counter.Count(ctx, hashedKey("tries:", key), window)
	if err != nil {
		return 0, fmt.Errorf("cookies: count a try: %w", err)
	}
	return n, nil
}

// Forget sets key back to nothing.
func (t Tries) Forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := t.Counter.Forget(ctx, hashedKey("tries:", key)); err != nil {
		return fmt.Errorf("cookies: forget tries: %w", err)
	}
	return nil
}

// hashedKey keeps people's names and tokens out of the store.
func hashedKey(kind, key string) string {
	sum := sha256.Sum256([]byte(key))
	return kind + hex.EncodeToString(sum[:])
}
