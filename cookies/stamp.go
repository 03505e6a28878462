package cookies

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"
)

// A ticket's cookie ends with a stamp: a short MAC of what stands before it. It
// proves nothing that the sealed ticket does not prove itself, but refuses a
// stranger's cookie at a tenth of the price, without an allocation. Who guesses
// one stamp in 2^64 is where everybody was before.

const (
	stampSize   = 8 // bytes
	stampLength = 11
	stampMark   = '.'
)

// stamper makes and checks stamps, one entry for each secret.
type stamper []*sync.Pool

func newStamper(secrets [][]byte) (stamper, error) {
	var s stamper
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "foregate cookie 1 stamp", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive stamp key: %w", err)
		}
		s = append(s, &sync.Pool{New: func() any { return &stampMAC{mac: hmac.New(sha256.New, key)} }})
	}
	return s, nil
}

// stampMAC is a keyed MAC with the memory that it works in.
type stampMAC struct {
	mac  hash.Hash
	in   [maxTicketCookie]byte
	sum  [sha256.Size]byte
	text [stampLength]byte
}

// of leaves the stamp of a sealed ticket in text.
func (m *stampMAC) of(sealed string) {
	m.mac.Reset()
	_, _ = m.mac.Write(m.in[:copy(m.in[:], sealed)]) // a hash never fails
	sum := m.mac.Sum(m.sum[:0])
	base64.RawURLEncoding.Encode(m.text[:], sum[:stampSize])
}

// stamped returns sealed with its stamp behind it.
func (s stamper) stamped(sealed string) string {
	m := s[0].Get().(*stampMAC)
	defer s[0].Put(m)
	m.of(sealed)
	return sealed + string(stampMark) + string(m.text[:])
}

// sealed returns what was stamped with any of the secrets.
func (s stamper) sealed(value string) (string, bool) {
	at := len(value) - stampLength - 1
	if at < 1 || value[at] != stampMark {
		return "", false
	}
	for _, pool := range s {
		if stampIs(pool, value[:at], value[at+1:]) {
			return value[:at], true
		}
	}
	return "", false
}

func stampIs(pool *sync.Pool, sealed, stamp string) bool {
	m := pool.Get().(*stampMAC)
	defer pool.Put(m)
	m.of(sealed)
	var given [stampLength]byte
	copy(given[:], stamp)
	return subtle.ConstantTimeCompare(m.text[:], given[:]) == 1
}
