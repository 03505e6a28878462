package cookies

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Vault seals what replicas keep in the store besides sessions, with one key for each
// session secret (AES-256-GCM, keys by HKDF, RFC 5869): the first seals, all open.
type Vault []cipher.AEAD

// NewVault derives the keys of a purpose. No two purposes have a key in common.
func NewVault(secrets [][]byte, purpose string) (Vault, error) {
	var v Vault
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive the key of %q: %w", purpose, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("cookies: cipher of %q: %w", purpose, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("cookies: cipher of %q: %w", purpose, err)
		}
		v = append(v, aead)
	}
	if len(v) == 0 {
		return nil, errors.New("cookies: no session secret")
	}
	return v, nil
}

// Seal binds plain to key, its place in the store: moved to another it does not open.
func (v Vault) Seal(key string, plain []byte) []byte { return v[0].Seal(nil, nil, plain, []byte(key)) }

// Open returns what Seal sealed, or an error if no secret opens it at this place.
func (v Vault) Open(key string, sealed []byte) ([]byte, error) {
	for _, aead := range v {
		if plain, err := aead.Open(nil, nil, sealed, []byte(key)); err == nil {
			return plain, nil
		}
	}
	return nil, errors.New("cookies: no session secret opens the record")
}
