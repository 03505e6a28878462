package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
)

// Group is a group of accounts that an organisation's identity provider keeps here
// (SCIM, RFC 7643, section 4.2). Its name is one of the groups of its members.
type Group struct {
	ID           string
	Organisation string
	Name         string // unique in its organisation, in any spelling
	ExternalID   string
	Members      []string // account IDs, in order; all of the same organisation
	Created      time.Time
	Changed      time.Time
}

// maxMembers bounds one group.
const maxMembers = 50_000

func groupNames(ctx context.Context, q conn, account string) ([]string, error) {
	return texts(ctx, q, `SELECT g.name FROM scim_members m JOIN scim_groups g ON g.id = m.group_id WHERE m.account = $1 ORDER BY g.name`, account)
}

// texts reads one column.
func texts(ctx context.Context, q conn, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("accounts: look for groups: %w", err)
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("accounts: read group: %w", err)
		}
		found = append(found, text)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: look for groups: %w", err)
	}
	return found, nil
}

const groupColumns = `id, organisation, name, external_id, created, changed`

func scanGroup(row scanner) (Group, error) {
	var (
		g                Group
		external         sql.NullString
		created, changed int64
	)
	err := row.Scan(&g.ID, &g.Organisation, &g.Name, &external, &created, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return Group{}, ErrNotFound
	}
	if err != nil {
		return Group{}, fmt.Errorf("accounts: read group: %w", err)
	}
	g.ExternalID, g.Created, g.Changed = external.String, moment(created), moment(changed)
	return g, nil
}

// Group returns a group with its members. c.Organisation limits it.
func (a *Accounts) Group(ctx context.Context, c Context, id string) (Group, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return readGroup(ctx, a.db.Reader, c, id)
}

func readGroup(ctx context.Context, q conn, c Context, id string) (Group, error) {
	g, err := scanGroup(q.QueryRowContext(ctx, `SELECT `+groupColumns+` FROM scim_groups WHERE id = $1`, id))
	if err != nil {
		return Group{}, err
	}
	if c.Organisation != "" && g.Organisation != c.Organisation {
		return Group{}, ErrNotFound
	}
	g.Members, err = texts(ctx, q, `SELECT account FROM scim_members WHERE group_id = $1 ORDER BY account`, id)
	return g, err
}

// GroupQuery says which groups are listed: those for which all that is given holds.
type GroupQuery struct {
	Organisation string
	Name         string // in any spelling
	ExternalID   string
	Member       string // an account's ID
	Offset       int
	Limit        int // 1 to 1000; 0: 50
}

// Groups lists groups by name, without their members, and says how many there are on
// all pages.
func (a *Accounts) Groups(ctx context.Context, q GroupQuery) (groups []Group, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var w where
	if q.Organisation != "" {
		w.add(`organisation = ?`, q.Organisation)
	}
	if q.Name != "" {
		w.add(`name_key = ?`, fold(q.Name))
	}
	if q.ExternalID != "" {
		w.add(`external_id = ?`, q.ExternalID)
	}
	if q.Member != "" {
		w.add(`id IN (SELECT group_id FROM scim_members WHERE account = ?)`, q.Member)
	}
	if err := a.db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM scim_groups WHERE `+w.String(), w.args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("accounts: count groups: %w", err)
	}
	limit := min(q.Limit, maxPage)
	if limit <= 0 {
		limit = pageSize
	}
	rows, err := a.db.Reader.QueryContext(ctx, `SELECT `+groupColumns+` FROM scim_groups WHERE `+w.String()+
		` ORDER BY name_key, id LIMIT `+strconv.Itoa(limit)+` OFFSET `+strconv.Itoa(max(q.Offset, 0)), w.args...)
	if err != nil {
		return nil, 0, fmt.Errorf("accounts: list groups: %w", err)
	}
	defer rows.Close()
	groups = []Group{}
	for rows.Next() {
		g, err := scanGroup(rows)
		if err != nil {
			return nil, 0, err
		}
		groups = append(groups, g)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("accounts: list groups: %w", err)
	}
	return groups, total, nil
}

func (g *Group) check() error {
	if g.Name == "" || !plain(g.Name) || !plain(g.ExternalID) || !plain(g.Organisation) {
		return &authn.Fault{Path: "name", Problem: "the name of a group is empty, longer than 256 bytes, or has characters that cannot be seen"}
	}
	if len(g.Members) > maxMembers {
		return &authn.Fault{Path: "members", Problem: fmt.Sprintf("more than %d members", maxMembers)}
	}
	return nil
}

// CreateGroup makes a group. A name or external ID that the organisation has already is
// ErrTaken, a member who is not of the organisation ErrNotFound.
func (a *Accounts) CreateGroup(ctx context.Context, c Context, g Group) (Group, error) {
	if c.Organisation != "" && g.Organisation != c.Organisation {
		return Group{}, ErrNotFound
	}
	if err := g.check(); err != nil {
		return Group{}, err
	}
	g.ID = newID()
	g.Members = distinct(g.Members)
	g.Created = moment(a.stamp())
	g.Changed = g.Created
	return g, a.editGroup(ctx, c, func(ctx context.Context, tx conn) (Group, []string, error) {
		const insertSQL = `INSERT INTO scim_groups (id, organisation, name, name_key, external_id, created, changed) VALUES ($1, $2, $3, $4, $5, $6, $6)`
		_, err := tx.ExecContext(ctx, insertSQL, g.ID, g.Organisation, g.Name, fold(g.Name), sql.NullString{String: g.ExternalID, Valid: g.ExternalID != ""}, g.Created.UnixMilli())
		if err != nil {
			return g, nil, fmt.Errorf("accounts: store group: %w", err)
		}
		return g, g.Members, join(ctx, tx, &g, g.Members)
	}, "group_create")
}

// UpdateGroup lets change edit a group with its members and stores what it made of it;
// ID, organisation and times are not its to change.
func (a *Accounts) UpdateGroup(ctx context.Context, c Context, id string, change func(*Group) error) (Group, error) {
	var next Group
	err := a.editGroup(ctx, c, func(ctx context.Context, tx conn) (Group, []string, error) {
		// Locks the row, as lock does for accounts.
		if _, err := tx.ExecContext(ctx, `UPDATE scim_groups SET changed = changed WHERE id = $1`, id); err != nil {
			return Group{}, nil, fmt.Errorf("accounts: lock group: %w", err)
		}
		before, err := readGroup(ctx, tx, c, id)
		if err != nil {
			return Group{}, nil, err
		}
		next = before
		next.Members = slices.Clone(before.Members)
		if err := change(&next); err != nil {
			return Group{}, nil, err
		}
		next.ID, next.Organisation, next.Created, next.Changed = before.ID, before.Organisation, before.Created, moment(a.stamp())
		next.Members = distinct(next.Members)
		if err := next.check(); err != nil {
			return Group{}, nil, err
		}
		concerned, err := a.storeGroup(ctx, tx, &before, &next)
		return next, concerned, err
	}, "group_change")
	return next, err
}

// storeGroup returns whose groups are others now.
func (a *Accounts) storeGroup(ctx context.Context, tx conn, before, next *Group) ([]string, error) {
	const updateSQL = `UPDATE scim_groups SET name = $2, name_key = $3, external_id = $4, changed = $5 WHERE id = $1`
	_, err := tx.ExecContext(ctx, updateSQL, next.ID, next.Name, fold(next.Name), sql.NullString{String: next.ExternalID, Valid: next.ExternalID != ""}, next.Changed.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("accounts: store group %s: %w", next.ID, err)
	}
	left, came := without(before.Members, next.Members), without(next.Members, before.Members)
	err = batched(left, []any{next.ID}, func(in string, args []any) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM scim_members WHERE group_id = $1 AND account IN (`+in+`)`, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("accounts: store group %s: %w", next.ID, err)
	}
	if err := join(ctx, tx, next, came); err != nil {
		return nil, err
	}
	if before.Name != next.Name {
		return distinct(slices.Concat(before.Members, next.Members)), nil
	}
	return slices.Concat(left, came), nil
}

// join makes accounts of the group's own organisation its members.
func join(ctx context.Context, tx conn, g *Group, members []string) error {
	return batched(members, []any{g.ID, g.Organisation}, func(in string, args []any) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO scim_members (group_id, account) SELECT $1, id FROM accounts WHERE organisation = $2 AND id IN (`+in+`)`, args...)
		n, err := affected(res, err)
		if err != nil {
			return fmt.Errorf("accounts: store members of %s: %w", g.ID, err)
		}
		if wanted := args[2:]; int(n) < len(wanted) {
			return fmt.Errorf("%d of the members %q …: %w", len(wanted)-int(n), wanted[0], ErrNotFound)
		}
		return nil
	})
}

// batched calls do for some of ids at a time. in stands for them in a query whose first
// arguments are fixed.
func batched(ids []string, fixed []any, do func(in string, args []any) error) error {
	for some := range slices.Chunk(ids, 500) {
		args, marks := slices.Clone(fixed), make([]string, len(some))
		for i, id := range some {
			args = append(args, id)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		if err := do(strings.Join(marks, ", "), args); err != nil {
			return err
		}
	}
	return nil
}

// whoMayBeHere are those of accounts who have signed in: the others have no session.
func whoMayBeHere(ctx context.Context, q conn, ids []string, why string) ([]Ended, error) {
	var all []Ended
	err := batched(ids, nil, func(in string, args []any) error {
		found, err := list(ctx, q, `last_sign_in > 0 AND id IN (`+in+`) ORDER BY id`, args...)
		if err != nil || len(found) == 0 {
			return err
		}
		theirs := make(map[string][]Link)
		known, err := links(ctx, q, `account IN (`+in+`) ORDER BY account, method`, args...)
		if err != nil {
			return err
		}
		for _, l := range known {
			theirs[l.Account] = append(theirs[l.Account], l)
		}
		for _, account := range found {
			all = append(all, Ended{Account: account, Links: theirs[account.ID], Why: why, Refresh: true})
		}
		return nil
	})
	return all, err
}

// DeleteGroup removes a group; its members stay.
func (a *Accounts) DeleteGroup(ctx context.Context, c Context, id string) error {
	return a.editGroup(ctx, c, func(ctx context.Context, tx conn) (Group, []string, error) {
		g, err := readGroup(ctx, tx, c, id)
		if err != nil {
			return Group{}, nil, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM scim_groups WHERE id = $1`, id); err != nil {
			return Group{}, nil, fmt.Errorf("accounts: delete group %s: %w", id, err)
		}
		return g, g.Members, nil
	}, "group_delete")
}

// editGroup writes a change of a group, its audit line, and refreshes the sessions of
// those whose groups are others now.
func (a *Accounts) editGroup(ctx context.Context, c Context, edit func(ctx context.Context, tx conn) (Group, []string, error), action string) error {
	var refreshed []Ended
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		refreshed = nil
		g, concerned, err := edit(ctx, tx)
		if err != nil {
			return err
		}
		if refreshed, err = whoMayBeHere(ctx, tx, concerned, action); err != nil {
			return err
		}
		return a.append(ctx, tx, Event{
			Actor: c.Actor, Action: action, App: c.App, Organisation: g.Organisation, Client: c.Client, Result: "ok",
			Detail: map[string]any{"group": g.ID, "name": g.Name, "members_changed": len(concerned)}, RequestID: c.RequestID,
		})
	})
	if err != nil {
		return err
	}
	return a.end(ctx, refreshed...)
}

func distinct(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// without returns those of ids that are not in others; both are sorted.
func without(ids, others []string) []string {
	var rest []string
	for _, id := range ids {
		if _, found := slices.BinarySearch(others, id); !found {
			rest = append(rest, id)
		}
	}
	return rest
}
