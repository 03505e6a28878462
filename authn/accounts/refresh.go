package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"foregate/authn"
)

// Refreshing is which accounts are compared with their directory, and how.
type Refreshing struct {
	Method string // configured name, for the trail
	Policy Policy // of the method: whoever is in none of its groups has left
	Dry    bool   // change nothing
	Force  bool   // even if most of the people would lose access

	// Tell, if set, is told of each person how far it is: how many of the directory's
	// people were seen, and how many of the accounts that follow it were found.
	Tell func(seen, found, accounts int)
}

// Refreshed is what a comparison found.
type Refreshed struct {
	Seen    int           `json:"seen"`    // people in the directory
	Linked  int           `json:"linked"`  // of them with an account
	Changed int           `json:"changed"` // accounts that took over other attributes, or whose person is in other groups
	Left    int           `json:"left"`    // that lost access: gone, disabled, or in no approved group
	Back    int           `json:"back"`    // that have it again
	Dry     bool          `json:"dry,omitempty"`
	Took    time.Duration `json:"took"`
	Notes   []string      `json:"notes,omitempty"` // one line for each account, the first thousand
}

const maxNotes = 1000

// ErrTooMany means that so many people would lose access that the directory or the
// configuration is wrong rather than they. Nobody has.
var ErrTooMany = errors.New("accounts: too many people would lose access")

// Fewer may leave between two comparisons without anybody being asked.
const leaveFreely = 20

// Refresh compares all accounts that are linked to a directory's people with it.
// Accounts that a sign-in or the directory made take over what it says, and are shut
// while it does not vouch for their person; of other accounts only the sessions end
// that came by this directory. Of whom it says something else, groups too, the sessions
// that came by it go on and are renewed. Nobody gets an account. A directory that cannot be read
// to its end changes nothing.
func (a *Accounts) Refresh(ctx context.Context, c Context, d authn.Directory, how Refreshing) (Refreshed, error) {
	began := time.Now()
	r := &refresh{Accounts: a, c: c, how: how, issuer: d.Issuer(), found: Refreshed{Dry: how.Dry}, gone: make(map[string]string)}
	linked, err := r.linked(ctx)
	if err != nil {
		return r.found, err
	}
	err = d.Everybody(ctx, func(id authn.Identity, enabled bool) error {
		r.found.Seen++
		if how.Tell != nil {
			how.Tell(r.found.Seen, r.found.Linked, r.total)
		}
		sum, known := linked[id.Subject]
		if !known {
			return nil
		}
		delete(linked, id.Subject)
		r.found.Linked++
		if !enabled || !how.Policy.inGroup(id.Groups) {
			r.gone[id.Subject] = whyGone(enabled)
			return nil
		}
		return r.here(ctx, id, sum)
	})
	for subject := range linked {
		r.gone[subject] = "not in the directory"
	}
	if err == nil {
		err = r.shut(ctx)
	}
	if err == nil {
		err = r.takeOver(ctx)
	}
	if err != nil {
		r.found.Changed, r.found.Back = 0, 0
	}
	r.found.Took = time.Since(began)
	if how.Dry {
		return r.found, err
	}
	return r.found, errors.Join(err, r.note(ctx, err))
}

func whyGone(enabled bool) string {
	if !enabled {
		return "disabled in the directory"
	}
	return "in no approved group"
}

// refresh is one comparison.
type refresh struct {
	*Accounts
	c      Context
	how    Refreshing
	issuer string
	found  Refreshed
	gone   map[string]string // subject → why
	other  []taken
	total  int
}

// taken is somebody of whom the directory says something else.
type taken struct {
	account Account // as it will be; its ID alone unless changed
	subject string
	groups  string // what tells them; empty: they are the same
	changed bool   // and not only: the groups were not known before
}

// linked is the subjects that have an account, and what tells their groups.
func (r *refresh) linked(ctx context.Context) (map[string]string, error) {
	all := make(map[string]string)
	for after, n := "", maxPage; n == maxPage; {
		var err error
		if after, n, err = r.linkedPage(ctx, after, all); err != nil {
			return nil, err
		}
	}
	r.total = len(all)
	return all, nil
}

func (r *refresh) linkedPage(ctx context.Context, after string, into map[string]string) (last string, n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const pageSQL = `SELECT subject, groups_sum FROM links WHERE issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3`
	rows, err := r.db.Reader.QueryContext(ctx, pageSQL, r.issuer, after, maxPage)
	if err != nil {
		return "", 0, fmt.Errorf("accounts: look for links: %w", err)
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var sum string
		if err := rows.Scan(&last, &sum); err != nil {
			return "", 0, fmt.Errorf("accounts: read link: %w", err)
		}
		into[last] = sum
	}
	if err := rows.Err(); err != nil {
		return "", 0, fmt.Errorf("accounts: look for links: %w", err)
	}
	return last, n, nil
}

func (r *refresh) say(account *Account, what string) {
	if len(r.found.Notes) < maxNotes {
		name := account.Username
		if name == "" {
			name = account.ID
		}
		r.found.Notes = append(r.found.Notes, line(name)+": "+what)
	}
}

// here finds what the directory says of a person who is there and the account does not.
// sum is what tells the groups that they were in.
func (r *refresh) here(ctx context.Context, id authn.Identity, sum string) error {
	account, err := r.ByLink(ctx, id.Issuer, id.Subject)
	if errors.Is(err, ErrNotFound) { // unlinked meanwhile
		return nil
	}
	if err != nil || account.Status == Disabled {
		return err
	}
	next, fields := account, []string(nil)
	if account.follows() {
		if next, err = followed(ctx, r.db.Reader, &account, &id); err != nil {
			return err
		}
		next.Status = Active
		fields = changedFields(&account, &next)
	}
	t := taken{account: next, subject: id.Subject}
	if now := groupsSum(id.Groups); now != sum {
		t.groups = now
		if sum != "" {
			fields = append(fields, "groups")
		}
	}
	t.changed = len(fields) > 0
	switch {
	case !t.changed && t.groups == "":
		return nil
	case !t.changed:
		t.account = Account{ID: account.ID} // most people, the first time
	case account.Status == Left && account.follows():
		r.found.Back++
		r.say(&account, "has access again")
	default:
		r.found.Changed++
		r.say(&account, fmt.Sprintf("changed %v", fields))
	}
	r.other = append(r.other, t)
	return nil
}

// takeOver stores what here has found.
func (r *refresh) takeOver(ctx context.Context) error {
	if r.how.Dry {
		return nil
	}
	for _, t := range r.other {
		if !t.changed {
			continue
		}
		_, err := r.change(ctx, r.c, "refresh", t.account.ID, func(x *Account) error {
			if !x.follows() {
				return nil
			}
			x.Name, x.Email, x.Attributes = t.account.Name, t.account.Email, t.account.Attributes
			if x.Status == Left {
				x.Status = Active
			}
			return nil
		})
		if err := ignoreGone(err); err != nil {
			return err
		}
		l := Link{Account: t.account.ID, Method: r.how.Method, Issuer: r.issuer, Subject: t.subject}
		if err := r.end(ctx, Ended{Account: t.account, Links: []Link{l}, Why: "refresh", Refresh: true, Only: true}); err != nil {
			return err
		}
	}
	// Last: should this break off, the next comparison sees the same people again.
	return r.keepGroups(ctx)
}

// keepGroups notes by which groups the next comparison tells who has moved.
func (r *refresh) keepGroups(ctx context.Context) error {
	for some := range slices.Chunk(r.other, 500) {
		err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			for _, t := range some {
				if t.groups == "" {
					continue
				}
				if _, err := tx.ExecContext(ctx, `UPDATE links SET groups_sum = $3 WHERE issuer = $1 AND subject = $2`, r.issuer, t.subject, t.groups); err != nil {
					return fmt.Errorf("accounts: store groups of %s: %w", t.account.ID, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shut takes access from those who have left.
func (r *refresh) shut(ctx context.Context) error {
	leaving := make(map[string]Account)
	for subject := range r.gone {
		account, err := r.ByLink(ctx, r.issuer, subject)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if account.Open() && account.follows() || !account.follows() {
			leaving[subject] = account
		}
	}
	open := 0
	for _, account := range leaving {
		if account.Open() {
			open++
		}
	}
	if open > leaveFreely && open*2 > r.total && !r.how.Force && !r.how.Dry {
		return fmt.Errorf("%w: %d of %d; look at the directory and at the method's groups, and if all is right refresh with --force", ErrTooMany, open, r.total)
	}
	for subject, account := range leaving {
		if err := r.leave(ctx, subject, account); err != nil {
			return err
		}
	}
	return nil
}

func (r *refresh) leave(ctx context.Context, subject string, account Account) error {
	why := r.gone[subject]
	if account.follows() {
		r.found.Left++
		r.say(&account, "loses access: "+why)
	}
	if r.how.Dry {
		return nil
	}
	if account.follows() {
		_, err := r.change(ctx, r.c, "refresh", account.ID, func(x *Account) error {
			if x.Status == Active {
				x.Status = Left
			}
			return nil
		})
		return ignoreGone(err)
	}
	l := Link{Account: account.ID, Method: r.how.Method, Issuer: r.issuer, Subject: subject}
	return r.end(ctx, Ended{Account: account, Links: []Link{l}, Why: "refresh"})
}

// note writes one line about the whole comparison.
func (r *refresh) note(ctx context.Context, failed error) error {
	e := Event{
		Actor: r.c.Actor, Action: "refresh", Method: r.how.Method, Result: "ok", RequestID: r.c.RequestID,
		Detail: map[string]any{"seen": r.found.Seen, "linked": r.found.Linked, "changed": r.found.Changed, "left": r.found.Left, "back": r.found.Back},
	}
	if failed != nil {
		e.Result, e.Detail = "failed", map[string]any{"seen": r.found.Seen, "why": line(failed.Error())}
	}
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return r.append(ctx, tx, e) })
}

// ignoreGone: an account that was deleted meanwhile needs no change.
func ignoreGone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
