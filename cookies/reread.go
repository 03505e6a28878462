package cookies

import (
	"context"
	"errors"
	"fmt"
)

// RereadPerson makes every replica read the sessions of one person anew at their next
// request: what was made from something beside the record (see Session.Keep) is not true
// any more. The sessions go on as they are.
func (s *Sessions) RereadPerson(ctx context.Context, issuer, subject string) error {
	if issuer == "" || subject == "" {
		return errors.New("cookies: reread the sessions of nobody")
	}
	keys, err := s.tagged(ctx, "person", issuer, subject)
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, s.rewrite(ctx, key))
	}
	return errors.Join(errs...)
}

// rewrite stores a record as it is, which the store tells the other replicas. It ends a
// session that others keep writing meanwhile: each of them would not hear of its own.
func (s *Sessions) rewrite(ctx context.Context, key string) error {
	for range reviseMost {
		rec, err := s.store.Load(ctx, key)
		if err == nil {
			err = s.store.Update(ctx, key, rec)
		}
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case err != nil && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("cookies: rewrite a session: %w", err)
		}
		s.Forget(key)
		return nil
	}
	return s.Revoke(ctx, key)
}
