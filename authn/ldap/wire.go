package ldap

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// maxAnswer bounds what one request may bring, in bytes: a page of ten thousand
// entries fits.
const maxAnswer = 64 << 20

var errTooMuch = errors.New("the answer is larger than 64 MiB")

// wire is the network connection below TLS. The LDAP library knows no contexts and
// reads whatever comes; here each request gets a deadline and a number of bytes.
type wire struct {
	net.Conn
	left atomic.Int64
}

// begin opens the books for one request.
func (w *wire) begin(deadline time.Time) error {
	w.left.Store(maxAnswer)
	return w.SetDeadline(deadline)
}

// end lets the connection rest without a deadline.
func (w *wire) end() error {
	return w.SetDeadline(time.Time{})
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.left.Add(int64(-n)) < 0 {
		return 0, errTooMuch
	}
	return n, err
}
