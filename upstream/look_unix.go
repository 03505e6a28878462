//go:build unix

package upstream

import (
	"errors"
	"syscall"
)

// canLook says whether nothingToRead can tell.
const canLook = true

// nothingToRead reports whether a connection is open and nothing has come on it.
// What came is lost: nobody asked for it.
func nothingToRead(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return errors.Is(err, syscall.EAGAIN)
}
