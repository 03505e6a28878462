package cookies

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrForeignSecret says that the sessions in the store were sealed with none of
// the configured secrets.
var ErrForeignSecret = errors.New("the sessions in the store were sealed with none of these secrets")

const (
	attestKey  = "secrets:known"
	attestLife = 10 * 365 * 24 * time.Hour
	attestMost = 8 // secrets that are remembered
)

// Attest makes sure that at least one of the secrets has sealed sessions in this
// store before, or that the store is new, and notes the others. A secret that was
// changed by mistake would otherwise silently sign everybody out.
func (s *Sessions) Attest(ctx context.Context) error {
	marks := s.derived.Load().marks
	var err error
	for range reviseMost {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		err = s.attest(ctx, marks)
		cancel()
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrExists) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("cookies: note the secrets: %w", err)
}

func (s *Sessions) attest(ctx context.Context, marks []string) error {
	expires := s.cfg.Clock().Add(attestLife)
	rec, err := s.store.Load(ctx, attestKey)
	if errors.Is(err, ErrNotFound) {
		return s.store.Create(ctx, attestKey, Record{Data: []byte(strings.Join(marks, " ")), Expires: expires})
	}
	if err != nil {
		return fmt.Errorf("cookies: look up the secrets: %w", err)
	}
	known := strings.Fields(string(rec.Data))
	if !share(marks, known) {
		return ErrForeignSecret
	}
	all := slices.Clone(marks)
	for _, k := range known { // replicas that do not have the new secret yet
		if !slices.Contains(all, k) && len(all) < attestMost {
			all = append(all, k)
		}
	}
	if slices.Equal(all, known) {
		return nil
	}
	rec.Data, rec.Expires = []byte(strings.Join(all, " ")), expires
	return s.store.Update(ctx, attestKey, rec)
}

// share reports whether two lists of marks have one in common.
func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(mark string) bool { return slices.Contains(b, mark) })
}

// AcceptSecrets forgets what Attest knows, so that it accepts these secrets.
func (s *Sessions) AcceptSecrets(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, attestKey); err != nil {
		return fmt.Errorf("cookies: forget the secrets: %w", err)
	}
	return nil
}

// ForeignSecrets reports whether r, which comes from another store and had this key
// there, says that its sessions were sealed with none of the secrets that this store
// knows.
func ForeignSecrets(ctx context.Context, store Store, key string, r Record) (bool, error) {
	if key != attestKey {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	here, err := store.Load(ctx, attestKey)
	if err != nil {
		return false, fmt.Errorf("cookies: look up the secrets: %w", err)
	}
	return !share(strings.Fields(string(here.Data)), strings.Fields(string(r.Data))), nil
}

// secretMarks tell secrets apart and reveal nothing of them.
func secretMarks(secrets [][]byte) ([]string, error) {
	var marks []string
	for _, secret := range secrets {
		mark, err := hkdf.Key(sha256.New, secret, nil, "foregate secret mark 1", 16)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive a secret's mark: %w", err)
		}
		marks = append(marks, hex.EncodeToString(mark))
	}
	return marks, nil
}
