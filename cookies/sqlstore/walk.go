package sqlstore

import (
	"context"
	"fmt"
	"time"

	"foregate/cookies"
)

// walkPage is how many records are read at once. Between two pages no reading
// connection is held.
const walkPage = 200

const (
	walkSQL = `SELECT key, data, expires, version, note FROM records
		WHERE key > ?1 AND expires > ?2 ORDER BY key LIMIT ?3`
	tagsSQL = `SELECT tag FROM record_tags WHERE key = ?1 ORDER BY tag`
)

// Walk goes through the records in the order of their keys.
func (s *Store) Walk(ctx context.Context, visit func(key string, r cookies.Record) error) error {
	for after := []byte{}; ; {
		page, err := s.walkPage(ctx, after)
		if err != nil {
			return fmt.Errorf("sqlstore: walk: %w", err)
		}
		for _, row := range page {
			if err := visit(string(row.key), row.record); err != nil {
				return err
			}
			after = row.key
		}
		if len(page) < walkPage {
			return nil
		}
	}
}

type row struct {
	key    []byte
	record cookies.Record
}

func (s *Store) walkPage(ctx context.Context, after []byte) ([]row, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	rows, err := s.walk.QueryContext(ctx, after, now(), walkPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []row
	for rows.Next() {
		var r row
		var expires int64
		if err := rows.Scan(&r.key, &r.record.Data, &expires, &r.record.Version, &r.record.Note); err != nil {
			return nil, err
		}
		r.record.Expires = time.UnixMilli(expires)
		page = append(page, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range page {
		if page[i].record.Tags, err = s.tagsOf(ctx, page[i].key); err != nil {
			return nil, err
		}
	}
	return page, nil
}

func (s *Store) tagsOf(ctx context.Context, key []byte) ([]string, error) {
	rows, err := s.tags.QueryContext(ctx, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tags []string
	for rows.Next() {
		var tag []byte
		if err := rows.Scan(&tag); err != nil {
			return nil, err
		}
		tags = append(tags, string(tag))
	}
	return tags, rows.Err()
}
