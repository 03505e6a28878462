package accounts

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

var (
	errNoKey    = errors.New("accounts: no key to seal with")
	errUnsealed = errors.New("accounts: sealed with a key that is not known, or damaged")
)

// box seals what the database must not be able to read (AES-256-GCM). What it is for is
// part of it, so that nobody's secret can be put into another's row.
type box []cipher.AEAD

// UseKeys puts keys in force, see Env.Keys.
func (a *Accounts) UseKeys(keys [][]byte) error {
	b, err := newBox(keys)
	if err == nil {
		a.sealing.Store(&b)
	}
	return err
}

func (a *Accounts) box() box { return *a.sealing.Load() }

func newBox(keys [][]byte) (box, error) {
	var b box
	for i, key := range keys {
		if len(key) != 32 {
			return nil, fmt.Errorf("accounts: key %d has %d bytes, not 32", i, len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("accounts: key %d: %w", i, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("accounts: key %d: %w", i, err)
		}
		b = append(b, aead)
	}
	return b, nil
}

func (b box) seal(secret string, is purpose) ([]byte, error) {
	if len(b) == 0 {
		return nil, errNoKey
	}
	return b[0].Seal(nil, nil, []byte(secret), []byte(is)), nil
}

func (b box) open(sealed []byte, is purpose) (string, error) {
	for _, aead := range b {
		if secret, err := aead.Open(nil, nil, sealed, []byte(is)); err == nil {
			return string(secret), nil
		}
	}
	return "", errUnsealed
}

// purpose is what something is sealed for, and where it opens: the additional data of the
// AEAD (RFC 5116, section 2.1). No two are the same.
type purpose string

func forTOTP(account string) purpose { return purpose("foregate totp 1 " + account) }

// forLogin has the length before the account, so that it does not run on into the app.
func forLogin(account, app string) purpose {
	return purpose(fmt.Sprintf("foregate login 1 %d %s %s", len(account), account, app))
}
