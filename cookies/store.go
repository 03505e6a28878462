package cookies

import (
	"context"
	"errors"
	"time"
)

// Errors of a Store.
var (
	ErrNotFound = errors.New("record not found")
	ErrExists   = errors.New("record exists already")
	ErrConflict = errors.New("record was changed meanwhile")
)

// Record is one opaque sealed value that expires.
type Record struct {
	Data    []byte
	Expires time.Time // from then on Load does not find it; the store may drop it; kept to the millisecond
	Version int64     // set by the store: 1 at Create, one more at each Update
	Tags    []string  // for Lister; taken at Create, left alone by Update and Load. At most 4 of at most 64 bytes
	Note    []byte    // for Noter and Walker; taken at Create, left alone by Update and Load. At most 512 bytes
}

// Store keeps records that expire. Keys are opaque, at most 128 bytes.
//
// Every call is safe for concurrent use and ends within ctx. An error that is
// none of this package's means that the store did not answer.
type Store interface {
	// Create stores a new record. ErrExists if there is a live one under key.
	Create(ctx context.Context, key string, r Record) error
	// Load returns the record. ErrNotFound, also when it has expired.
	Load(ctx context.Context, key string) (Record, error)
	// Update replaces Data and Expires of the record whose Version is r.Version.
	// ErrNotFound if it was deleted or has expired meanwhile: a sign-out beats a
	// late touch. ErrConflict if another Update came first: load and try again.
	Update(ctx context.Context, key string, r Record) error
	// Delete removes the record. A missing one is no error.
	Delete(ctx context.Context, key string) error
	// Close waits for calls under way and releases everything.
	Close() error
}

// Lister is a store that finds records by a tag.
type Lister interface {
	// Tagged returns the keys of live records with this tag, at most limit of them,
	// in no order.
	Tagged(ctx context.Context, tag string, limit int) ([]string, error)
}

// Noter is a store that reads notes one at a time.
type Noter interface {
	// Note returns a live record without its Data and Tags, but with its Note, which Load
	// leaves out. ErrNotFound as Load.
	Note(ctx context.Context, key string) (Record, error)
}

// Walker is a store whose records can be listed, and moved to another one.
type Walker interface {
	// Walk calls visit with each live record, whole, in no order, until visit returns
	// an error, which it then returns. It holds nothing up meanwhile and keeps no more
	// than some hundred records in memory. A record that comes, goes or changes during
	// the walk may be visited or not, but never twice.
	Walk(ctx context.Context, visit func(key string, r Record) error) error
}

// Notifier is a store that other processes change too.
type Notifier interface {
	// Follow calls changed with the key of each record that another process deletes,
	// or changes by Update, until ctx ends. It calls following(true) when it will
	// report every change from now on, and following(false) as soon as some may go
	// unnoticed. It calls them one at a time.
	Follow(ctx context.Context, changed func(key string), following func(bool))
}

// Counter is a store that also counts. Ours all do.
type Counter interface {
	// Count adds one to key, atomically, and returns the new count. The first
	// count of a key opens a window; when it has passed, counting starts anew.
	Count(ctx context.Context, key string, window time.Duration) (int, error)
	// Forget removes the count. A missing one is no error.
	Forget(ctx context.Context, key string) error
}
