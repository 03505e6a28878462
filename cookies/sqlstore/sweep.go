package sqlstore

import (
	"context"
	"fmt"
	"time"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 500  // rows of one transaction: a sign-in waits for no more
	freePages  = 1000 // of 4 KiB, given back to the file system at a time
)

const (
	sweepRecordsSQL = `DELETE FROM records WHERE rowid IN
		(SELECT rowid FROM records WHERE expires <= ?1 ORDER BY expires LIMIT ?2)`
	sweepCountsSQL = `DELETE FROM counts WHERE key IN
		(SELECT key FROM counts WHERE until <= ?1 ORDER BY until LIMIT ?2)`
)

// sweep drops what has expired, until ctx ends.
func (s *Store) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("expired records not swept", "err", err)
		}
	}
}

// sweepOnce drops everything that has expired, in small transactions, and gives
// the space back: SQLite would keep it in the file.
func (s *Store) sweepOnce(ctx context.Context) error {
	for _, statement := range []string{sweepRecordsSQL, sweepCountsSQL} {
		for n := int64(sweepBatch); n == sweepBatch; {
			res, err := s.db.Writer.ExecContext(ctx, statement, now(), sweepBatch)
			if n, err = affected(res, err); err != nil {
				return fmt.Errorf("sqlstore: sweep: %w", err)
			}
		}
	}
	if _, err := s.db.Writer.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", freePages)); err != nil {
		return fmt.Errorf("sqlstore: give back space: %w", err)
	}
	return nil
}
