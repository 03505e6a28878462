package handoff

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // what partners' old pages use
)

const (
	ivPrefix = "prefix"
	ivZero   = "zero"
)

// blockCipher keys the cipher of a legacy format.
func blockCipher(format string, key []byte) (cipher.Block, error) {
	switch format {
	case formatBlowfish:
		return blowfish.NewCipher(key)
	case formatTripleDES:
		return des.NewTripleDESCipher(key)
	case formatAESCBC:
		return aes.NewCipher(key)
	}
	return nil, fmt.Errorf("%s is no block cipher", format)
}

// blockSize is that of a legacy format's cipher, in octets.
func blockSize(format string) int {
	if format == formatAESCBC {
		return aes.BlockSize
	}
	return des.BlockSize // blowfish.BlockSize too
}

// legacy is how a recipe encrypts.
type legacy struct {
	ecb     bool
	prefix  bool   // the IV stands before the ciphertext
	iv      []byte // else, for cbc
	zeroPad bool
}

// newLegacy reads the parts of a recipe that concern a cipher with such blocks.
func newLegacy(r Recipe, blockSize int) (legacy, error) {
	l := legacy{ecb: r.Mode == "ecb", zeroPad: r.Padding == "zero"}
	switch {
	case r.IV == ivPrefix:
		l.prefix = !l.ecb
		return l, nil
	case l.ecb:
		return legacy{}, errors.New("has no meaning with mode ecb")
	case r.IV == ivZero:
		l.iv = make([]byte, blockSize)
		return l, nil
	}
	iv, err := hex.DecodeString(r.IV)
	if err != nil || len(iv) != blockSize {
		return legacy{}, fmt.Errorf("is neither prefix nor zero nor %d octets in hex", blockSize)
	}
	l.iv = iv
	return l, nil
}

// decrypt returns the plain text and whether its padding was right. With wrong
// padding it returns what else there is, so that the same work follows: time must
// not tell which it was.
func (l legacy) decrypt(b cipher.Block, sealed []byte) (plain, iv []byte, padded bool, err error) {
	size := b.BlockSize()
	iv = l.iv
	if l.prefix && len(sealed) >= size {
		iv, sealed = sealed[:size], sealed[size:]
	}
	if len(sealed) == 0 || len(sealed)%size != 0 {
		return nil, nil, false, fmt.Errorf("%d octets are no whole blocks of %d", len(sealed), size)
	}
	plain = make([]byte, len(sealed))
	if l.ecb {
		for i := 0; i < len(sealed); i += size {
			b.Decrypt(plain[i:], sealed[i:i+size])
		}
	} else {
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(plain, sealed)
	}
	n, ok := paddingOf(plain, size, l.zeroPad)
	return plain[:len(plain)-n], iv, ok == 1, nil
}

// paddingOf returns how many octets at the end of plain are padding, looking at
// all octets of the last block whatever they are. It is 0 where ok is 0.
func paddingOf(plain []byte, size int, zero bool) (n, ok int) {
	last := plain[len(plain)-size:]
	if zero {
		run, n := 1, 0
		for i := size - 1; i > 0; i-- { // a whole block of zeros would be none of ours
			run &= subtle.ConstantTimeByteEq(last[i], 0)
			n += run
		}
		return n, 1
	}
	n = int(last[size-1])
	ok = subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, size)
	for i := range last {
		within := subtle.ConstantTimeLessOrEq(size-i, n)
		same := subtle.ConstantTimeByteEq(last[i], byte(n))
		ok &= subtle.ConstantTimeSelect(within, same, 1)
	}
	return subtle.ConstantTimeSelect(ok, n, 0), ok
}

// encrypt is the inverse of decrypt.
func (l legacy) encrypt(b cipher.Block, plain []byte) []byte {
	size := b.BlockSize()
	padded := append([]byte(nil), plain...)
	for pad := size - len(plain)%size; len(padded)%size != 0 || !l.zeroPad && len(padded) == len(plain); {
		padded = append(padded, l.fill(pad))
	}
	out := make([]byte, len(padded))
	if l.ecb {
		for i := 0; i < len(padded); i += size {
			b.Encrypt(out[i:], padded[i:i+size])
		}
		return out
	}
	iv := l.iv
	if l.prefix {
		iv = random(size)
	}
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, padded)
	if l.prefix {
		return append(iv, out...)
	}
	return out
}

func (l legacy) fill(pad int) byte {
	if l.zeroPad {
		return 0
	}
	return byte(pad)
}

// macOf is the HMAC-SHA256 of a token's text.
func macOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// additional is what AES-GCM authenticates beside the content: for whom it is and
// from whom.
func additional(partner, audience string) []byte {
	return []byte(partner + "\n" + audience)
}

func openGCM(a cipher.AEAD, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < a.NonceSize()+a.Overhead() {
		return nil, errors.New("is shorter than a nonce and a tag")
	}
	return a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], additional)
}

func sealGCM(a cipher.AEAD, plain, additional []byte) []byte {
	nonce := random(a.NonceSize())
	return a.Seal(nonce, nonce, plain, additional)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
