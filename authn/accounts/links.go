package accounts

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"foregate/authn"
)

// Link connects an identity, which is issuer and subject, with an account. An account
// has at most one link of each method.
type Link struct {
	Account string    `json:"account"`
	Method  string    `json:"method"` // by whose sign-in or for which it was made
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Email   string    `json:"email,omitempty"` // what the issuer said at the last sign-in; nothing is decided by it
	Made    time.Time `json:"made"`
	MadeBy  string    `json:"made_by"` // "mail", "match", "create", or who made it by hand
	Used    time.Time `json:"used,omitzero"`
}

// groupsSum tells groups from others, in whatever order they come. It is never empty:
// that means not known.
func groupsSum(groups []string) string {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	h := sha256.New()
	for _, g := range groups {
		_, _ = fmt.Fprintf(h, "%d %s", len(g), g)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

const linkColumns = `account, method, issuer, subject, email, made, made_by, used`

func links(ctx context.Context, q conn, condition string, args ...any) ([]Link, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+linkColumns+` FROM links WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("accounts: look for links: %w", err)
	}
	defer rows.Close()
	found := []Link{}
	for rows.Next() {
		var (
			l          Link
			made, used int64
		)
		if err := rows.Scan(&l.Account, &l.Method, &l.Issuer, &l.Subject, &l.Email, &made, &l.MadeBy, &used); err != nil {
			return nil, fmt.Errorf("accounts: read link: %w", err)
		}
		l.Made, l.Used = moment(made), moment(used)
		found = append(found, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: look for links: %w", err)
	}
	return found, nil
}

func linksOf(ctx context.Context, q conn, account string) ([]Link, error) {
	return links(ctx, q, `account = $1 ORDER BY method`, account)
}

// Links lists the identities of an account.
func (a *Accounts) Links(ctx context.Context, account string) ([]Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return linksOf(ctx, a.db.Reader, account)
}

// LinksOfIssuer lists the links of one issuer in the order of subjects, limit of them
// after the subject of the last page: for the refresh of a directory.
func (a *Accounts) LinksOfIssuer(ctx context.Context, issuer, after string, limit int) ([]Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return links(ctx, a.db.Reader, `issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3`, issuer, after, limit)
}

func (a *Accounts) insertLink(ctx context.Context, tx conn, account string, id authn.Identity, by string) error {
	const insertSQL = `INSERT INTO links (account, method, issuer, subject, email, made, made_by, used, groups_sum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	now := a.stamp()
	used, sum := now, groupsSum(id.Groups)
	if id.Authenticated.IsZero() { // by hand: nobody has said which groups
		used, sum = 0, ""
	}
	if _, err := tx.ExecContext(ctx, insertSQL, account, id.Method, id.Issuer, id.Subject, seenEmail(&id), now, by, used, sum); err != nil {
		return fmt.Errorf("accounts: link to %s: %w", account, err)
	}
	return nil
}

// Link connects an identity with an account by hand. If the identity is linked, to
// this account or another, or the account to another identity of the method, that is
// ErrTaken.
func (a *Accounts) Link(ctx context.Context, c Context, l Link) error {
	id := authn.Identity{Method: l.Method, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email}
	if err := usable(&id); err != nil {
		return &authn.Fault{Path: "subject", Problem: err.Error()}
	}
	return a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		account, err := c.mine(lock(ctx, tx, l.Account))
		if err != nil {
			return err
		}
		if err := a.insertLink(ctx, tx, account.ID, id, c.Actor); err != nil {
			return err
		}
		return a.noteChange(ctx, tx, c, "link", &account, map[string]any{"method": l.Method, "issuer": l.Issuer, "subject": l.Subject})
	})
}

// Unlink takes an identity from its account; its sessions end. Whether it is linked
// again at the next sign-in is for the policy of the method.
func (a *Accounts) Unlink(ctx context.Context, c Context, issuer, subject string) error {
	var ended Ended
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		account, err := linkedAccount(ctx, tx, issuer, subject)
		if err != nil {
			return err
		}
		if account, err = c.mine(lock(ctx, tx, account.ID)); err != nil {
			return err
		}
		gone, err := links(ctx, tx, `account = $1 AND issuer = $2 AND subject = $3`, account.ID, issuer, subject)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM links WHERE account = $1 AND issuer = $2 AND subject = $3`, account.ID, issuer, subject)
		if n, err := affected(res, err); err != nil {
			return fmt.Errorf("accounts: unlink from %s: %w", account.ID, err)
		} else if n == 0 {
			return ErrNotFound
		}
		ended = Ended{Account: account, Links: gone, Why: "unlink"}
		return a.noteChange(ctx, tx, c, "unlink", &account, map[string]any{"issuer": issuer, "subject": subject})
	})
	if err != nil {
		return err
	}
	return a.end(ctx, ended)
}

// seenEmail is an address that can be kept for people to see.
func seenEmail(id *authn.Identity) string { return shown(id.Email) }

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, errors.Join(errors.New("accounts: rows affected"), err)
	}
	return n, nil
}
