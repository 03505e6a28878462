package certificates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"foregate/cookies"
)

// Records is the store that replicas share.
type Records interface {
	cookies.Store
	cookies.Lister
}

// Seals hides what is kept from who reads the store.
type Seals interface {
	Seal(key string, plain []byte) []byte
	Open(key string, sealed []byte) ([]byte, error)
}

const (
	filesTag  = "acme"  // of every file's record
	filesMost = 100_000 // that are listed
	loadPause = time.Second
	fileLife  = 10 * 365 * 24 * time.Hour // from the last write
)

// shared is a certmagic.Storage among replicas: orders, keys, certificates and answers to
// challenges. Each file is one sealed record, which says its name itself. Certificates are
// kept in local too, for a start while the store does not answer.
type shared struct {
	records Records
	seals   Seals
	local   certmagic.Storage
	log     *slog.Logger

	mu    sync.Mutex
	locks map[string]*cookies.Lease // held by this process, by name
}

func newShared(r Records, seals Seals, folder string, log *slog.Logger) *shared {
	return &shared{records: r, seals: seals, local: &certmagic.FileStorage{Path: folder}, log: log, locks: make(map[string]*cookies.Lease)}
}

// file is what a record says.
type file struct {
	Name     string    `json:"n"`
	Modified time.Time `json:"t"`
	Value    []byte    `json:"v"`
}

// recordKey hides names, which may be longer than a key of the store.
func recordKey(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return kind + ":" + hex.EncodeToString(sum[:])
}

// copied reports what a start needs.
func copied(name string) bool { return strings.HasPrefix(name, "certificates/") }

// Store implements certmagic.Storage.
func (s *shared) Store(ctx context.Context, name string, value []byte) error {
	if err := s.fence(); err != nil {
		return err
	}
	plain, err := json.Marshal(file{Name: name, Modified: time.Now(), Value: value})
	if err != nil {
		return fmt.Errorf("certificates: store %s: %w", name, err)
	}
	key := recordKey("acme", name)
	rec := cookies.Record{Data: s.seals.Seal(key, plain), Expires: time.Now().Add(fileLife), Tags: []string{filesTag}}
	if err := s.write(ctx, key, rec); err != nil {
		return fmt.Errorf("certificates: store %s: %w", name, err)
	}
	s.copy(ctx, name, value)
	return nil
}

// write creates a record, or replaces what is there. It begins anew when another replica
// was faster.
func (s *shared) write(ctx context.Context, key string, rec cookies.Record) error {
	for {
		err := s.records.Create(ctx, key, rec)
		if !errors.Is(err, cookies.ErrExists) {
			return err
		}
		old, err := s.records.Load(ctx, key)
		if err == nil {
			rec.Version = old.Version
			err = s.records.Update(ctx, key, rec)
		}
		if !errors.Is(err, cookies.ErrNotFound) && !errors.Is(err, cookies.ErrConflict) {
			return err
		}
	}
}

// copy keeps on this machine what the replicas share. It is for a bad day alone, so a full
// disk is no error of this one.
func (s *shared) copy(ctx context.Context, name string, value []byte) {
	if !copied(name) {
		return
	}
	if old, err := s.local.Load(ctx, name); err == nil && bytes.Equal(old, value) {
		return
	}
	if err := s.local.Store(ctx, name, value); err != nil {
		s.log.Warn("a certificate could not be kept on this machine: a start while Redis is down will lack it", "file", name, "err", err)
	}
}

// read returns fs.ErrNotExist also for what no secret opens: it is ordered anew.
func (s *shared) read(ctx context.Context, key string) (file, error) {
	rec, err := s.records.Load(ctx, key)
	if errors.Is(err, cookies.ErrNotFound) {
		return file{}, fs.ErrNotExist
	}
	if err != nil {
		return file{}, err
	}
	var f file
	plain, err := s.seals.Open(key, rec.Data)
	if err == nil {
		err = json.Unmarshal(plain, &f)
	}
	if err != nil {
		s.log.Warn("a record of certificates cannot be opened: was it sealed with another session secret?", "err", err)
		return file{}, fs.ErrNotExist
	}
	return f, nil
}

// Load implements certmagic.Storage. While the store does not answer, a certificate that has
// no copy here is waited for: certmagic would not ask again.
func (s *shared) Load(ctx context.Context, name string) ([]byte, error) {
	for {
		f, err := s.read(ctx, recordKey("acme", name))
		if err == nil {
			s.copy(ctx, name, f.Value)
			return f.Value, nil
		}
		if errors.Is(err, fs.ErrNotExist) || !copied(name) {
			return nil, fmt.Errorf("certificates: load %s: %w", name, err)
		}
		if value, e := s.local.Load(ctx, name); e == nil {
			s.log.Warn("the store does not answer: a certificate's copy on this machine is used", "file", name, "err", err)
			return value, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("certificates: load %s: %w", name, err)
		case <-time.After(loadPause):
		}
	}
}

// Delete implements certmagic.Storage: a folder goes with all that is in it.
func (s *shared) Delete(ctx context.Context, name string) error {
	if err := s.fence(); err != nil {
		return err
	}
	all, err := s.below(ctx, name)
	if err != nil {
		return err
	}
	for _, n := range append(all, name) {
		if err := s.records.Delete(ctx, recordKey("acme", n)); err != nil {
			return fmt.Errorf("certificates: delete %s: %w", n, err)
		}
	}
	if copied(name) {
		return s.local.Delete(ctx, name)
	}
	return nil
}

// Exists implements certmagic.Storage.
func (s *shared) Exists(ctx context.Context, name string) bool {
	_, err := s.Stat(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && copied(name) {
		return s.local.Exists(ctx, name)
	}
	return err == nil
}

// Stat implements certmagic.Storage.
func (s *shared) Stat(ctx context.Context, name string) (certmagic.KeyInfo, error) {
	f, err := s.read(ctx, recordKey("acme", name))
	if err == nil {
		return certmagic.KeyInfo{Key: name, Modified: f.Modified, Size: int64(len(f.Value)), IsTerminal: true}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		var all []string
		if all, err = s.below(ctx, name); err == nil && len(all) > 0 {
			return certmagic.KeyInfo{Key: name}, nil
		}
		if err == nil {
			err = fs.ErrNotExist
		}
	}
	return certmagic.KeyInfo{}, fmt.Errorf("certificates: stat %s: %w", name, err)
}

// List implements certmagic.Storage; as its FileStorage does, it names folders too.
func (s *shared) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	all, err := s.below(ctx, folder)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("certificates: list %s: %w", folder, fs.ErrNotExist)
	}
	set := make(map[string]bool)
	for _, name := range all {
		rest := strings.TrimPrefix(name, inside(folder))
		for at := range rest {
			if rest[at] == '/' && (recursive || !strings.Contains(rest[:at], "/")) {
				set[inside(folder)+rest[:at]] = true
			}
		}
		if recursive || !strings.Contains(rest, "/") {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// inside is what names of files in folder begin with.
func inside(folder string) string {
	if folder == "" {
		return ""
	}
	return folder + "/"
}

// below are the files in folder and its folders.
func (s *shared) below(ctx context.Context, folder string) ([]string, error) {
	keys, err := s.records.Tagged(ctx, filesTag, filesMost)
	if err != nil {
		return nil, fmt.Errorf("certificates: list %s: %w", folder, err)
	}
	var names []string
	for _, key := range keys {
		f, err := s.read(ctx, key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("certificates: list %s: %w", folder, err)
		}
		if strings.HasPrefix(f.Name, inside(folder)) {
			names = append(names, f.Name)
		}
	}
	return names, nil
}
