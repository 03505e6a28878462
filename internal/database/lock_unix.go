//go:build unix

package database

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock makes this process the only one that serves from the file: what one
// process keeps in memory, another could not end. The lock goes with the
// process, however that ends.
func Lock(path string) (*os.File, error) {
	if err := prepare(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("database: lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another Foregate serves from it; end that one, or give each a storage.path of its own")
		}
		return nil, errors.Join(fmt.Errorf("database: %s: %w", path, err), f.Close())
	}
	return f, nil
}
