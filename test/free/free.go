// Package free finds addresses for servers that a test starts.
package free

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports below the range from which the system takes those of outgoing
// connections (32768 and up on Linux). One of that range, though free when it was
// looked at, may be a browser's own by the time a server listens.
const (
	first = 20_000
	last  = 31_999
)

// Address returns a loopback address on which nobody listens.
func Address() (string, error) {
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first+1)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, l.Close()
	}
	return "", errors.New("no free port in a hundred tries")
}
