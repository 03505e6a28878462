package cookies

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// box seals what the store keeps with a key that only a browser's cookie has, and
// binds it to its place: moved to another key of the store it does not open.
type box struct {
	key    [ticketKeySize]byte
	record string
}

func (b box) seal(plain []byte) ([]byte, error) {
	aead, err := b.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, b.place()), nil
}

func (b box) open(data []byte) ([]byte, error) {
	aead, err := b.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, data, b.place())
	if err != nil {
		return nil, fmt.Errorf("cookies: decrypt a record: %w", err)
	}
	return plain, nil
}

func (b box) place() []byte { return []byte("session 1 " + b.record) }

// aead uses the key as it is: it is random, and for one record alone.
func (b box) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(b.key[:])
	if err != nil {
		return nil, fmt.Errorf("cookies: record cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
