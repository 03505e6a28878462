// Package free finds addresses for servers that a test starts.
package free

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports below the range from which the system takes those of outgoing
// connections (32768 and up on Linux). One of that range, though free when it was
// looked at, may be a browser's own by the time a server listens.
const (
	first = 20_000
	last  = 31_999
)

var (
	mu    sync.Mutex
	given = make(map[string]bool) // tests run side by side, and each binds its own later
)

// Address returns a loopback address on which nobody listens, and each only once.
func Address() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first+1)))
		l, err := net.Listen("tcp", address)
		if err != nil || given[address] {
			if err == nil {
				_ = l.Close()
			}
			continue
		}
		given[address] = true
		return address, l.Close()
	}
	return "", errors.New("no free port in a hundred tries")
}
