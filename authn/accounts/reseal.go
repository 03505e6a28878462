package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// resealTime bounds how long a start may take for it.
const resealTime = time.Minute

// sealedColumn is where sealed values are: read gives account, app and value, write puts
// a new value ($4) in place of the one that was read ($3).
type sealedColumn struct {
	read, write string
	is          func(account, app string) purpose
}

var sealedColumns = []sealedColumn{
	{
		`SELECT account, '', totp FROM credentials WHERE totp IS NOT NULL`,
		`UPDATE credentials SET totp = $4 WHERE account = $1 AND '' = $2 AND totp = $3`,
		func(account, _ string) purpose { return forTOTP(account) },
	},
	{
		`SELECT account, '', totp_pending FROM credentials WHERE totp_pending IS NOT NULL`,
		`UPDATE credentials SET totp_pending = $4 WHERE account = $1 AND '' = $2 AND totp_pending = $3`,
		func(account, _ string) purpose { return forTOTP(account) },
	},
	{
		`SELECT account, app, sealed FROM app_logins`,
		`UPDATE app_logins SET sealed = $4 WHERE account = $1 AND app = $2 AND sealed = $3`,
		forLogin,
	},
}

// Reseal seals with the first key what another one has sealed, so that the other one can be
// taken away, and logs how much that was. Replicas may do it together.
func (a *Accounts) Reseal(ctx context.Context) {
	switch n, err := a.reseal(ctx); {
	case err != nil:
		a.env.Log.Warn("secrets of accounts not sealed with the first key; keep the keys that follow it", "err", err)
	case n > 0:
		a.env.Log.Info("secrets of accounts sealed with the first key", "secrets", n)
	}
}

// reseal returns how many values Reseal has sealed.
func (a *Accounts) reseal(ctx context.Context) (n int, err error) {
	b := a.box()
	if len(b) < 2 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resealTime)
	defer cancel()
	for _, c := range sealedColumns {
		err := a.writeUntil(ctx, func(ctx context.Context, tx *sql.Tx) error {
			stale, err := b.stale(ctx, tx, c)
			if err != nil {
				return err
			}
			for _, s := range stale {
				if _, err := tx.ExecContext(ctx, c.write, s.account, s.app, s.value, s.anew); err != nil {
					return err
				}
			}
			n += len(stale)
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("accounts: seal anew: %w", err)
		}
	}
	return n, nil
}

type staleValue struct {
	account, app string
	value, anew  []byte
}

// stale are the values that a key other than the first opens, with what the first makes
// of them.
func (b box) stale(ctx context.Context, q conn, c sealedColumn) ([]staleValue, error) {
	rows, err := q.QueryContext(ctx, c.read)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []staleValue
	for rows.Next() {
		var s staleValue
		if err := rows.Scan(&s.account, &s.app, &s.value); err != nil {
			return nil, err
		}
		is := c.is(s.account, s.app)
		if _, err := b[:1].open(s.value, is); err == nil {
			continue
		}
		secret, err := b[1:].open(s.value, is)
		if err != nil {
			continue // of a key that is gone: the person sets it up anew
		}
		if s.anew, err = b.seal(secret, is); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
