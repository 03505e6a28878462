package handoff

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"foregate/authn"
)

// key is one key made ready.
type key struct {
	id    string
	until time.Time // zero: for good

	block cipher.Block // legacy formats
	mac   []byte       // legacy formats; nil without
	aead  cipher.AEAD  // aes-gcm
	jose  any          // jwe: []byte; jwt: what go-jose verifies with
	alg   jose.SignatureAlgorithm
}

func (k *key) live(now time.Time) bool { return k.until.IsZero() || now.Before(k.until) }

// fault says which of a key's settings is wrong; made into an *authn.Fault with the
// key's place in the list.
type keyFault struct{ field, problem, remedy string }

func (f *keyFault) Error() string { return f.field + ": " + f.problem }

// newKey makes a key ready for a format, and refuses weak ones.
func newKey(format string, c Key) (key, error) {
	k := key{id: c.ID}
	var err error
	if k.until, err = lastDay(c.Until); err != nil {
		return key{}, &keyFault{"until", err.Error(), "write the last day as 2027-06-30"}
	}
	if c.Encoding == "pem" || c.Encoding == "jwk" {
		if format != formatJWT {
			return key{}, &keyFault{"encoding", c.Encoding + " is for the public keys of jwt", "write the key in hex"}
		}
		if k.jose, k.alg, err = publicKey(c.Encoding, c.Key.Reveal()); err != nil {
			return key{}, &keyFault{"key", err.Error(), "give a public key: Ed25519, EC P-256, or RSA of 2048 bits or more"}
		}
		return k, nil
	}
	raw, err := secretKey(c.Encoding, c.Key)
	if err == nil {
		err = checkLength(format, raw)
	}
	if err != nil {
		return key{}, &keyFault{"key", err.Error(), "make one with: foregate handoff keygen --format " + format}
	}
	if err := k.use(format, raw); err != nil {
		return key{}, &keyFault{"key", err.Error(), "make one with: foregate handoff keygen --format " + format}
	}
	if c.MACKey.Empty() {
		return k, nil
	}
	if k.mac, err = secretKey(c.Encoding, c.MACKey); err == nil && bytes.Equal(k.mac, raw) {
		err = errors.New("is the key itself")
	}
	if err != nil {
		return key{}, &keyFault{"mac_key", err.Error(), "make another one with: foregate handoff keygen --format mac"}
	}
	return k, nil
}

func (k *key) use(format string, raw []byte) (err error) {
	switch format {
	case formatAESGCM:
		block, err := aes.NewCipher(raw)
		if err != nil {
			return err
		}
		k.aead, err = cipher.NewGCM(block)
		return err
	case formatJWE:
		k.jose = raw
	case formatJWT:
		k.jose, k.alg = raw, jose.HS256
	default:
		k.block, err = blockCipher(format, raw)
	}
	return err
}

const leastKey = 16 // octets: 128 bits

// secretKey reads a key as it is encoded. Its errors say nothing of its content.
func secretKey(encoding string, s authn.Secret) ([]byte, error) {
	text := s.Reveal()
	raw := []byte(text)
	var err error
	switch encoding {
	case "text":
		if strings.Contains(text, "-----BEGIN") {
			return nil, errors.New("is a PEM file and no secret; a public key is known to everybody")
		}
		if len(text) < 2*leastKey && strings.Trim(strings.ToLower(text), "0123456789abcdef") == "" {
			return nil, fmt.Errorf("is %d hex digits read as text, so of %d bits at most; is it encoding: hex", len(text), 4*len(text))
		}
	case "base64":
		text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
		raw, err = base64.RawStdEncoding.DecodeString(text)
	default:
		raw, err = hex.DecodeString(strings.TrimSpace(text))
	}
	if err != nil {
		return nil, fmt.Errorf("is not in %s", cmp.Or(encoding, "hex"))
	}
	return raw, strong(raw)
}

// strong refuses keys that nobody has drawn at random.
func strong(raw []byte) error {
	if len(raw) < leastKey {
		return fmt.Errorf("has %d bits, fewer than 128", 8*len(raw))
	}
	seen := make(map[byte]bool)
	for _, b := range raw {
		seen[b] = true
	}
	if len(seen) < 8 { // with 16 octets drawn at random it never happens
		return errors.New("repeats itself: it is not random")
	}
	return nil
}

// lengths of keys in octets, by format.
func checkLength(format string, raw []byte) error {
	n := len(raw)
	switch format {
	case formatBlowfish:
		if n > 56 {
			return fmt.Errorf("has %d octets, and blowfish takes 56 at most", n)
		}
	case formatTripleDES:
		if n != 24 {
			return fmt.Errorf("has %d octets, and triple-des takes 24", n)
		}
		return threeKeys(raw)
	case formatAESCBC, formatAESGCM:
		if n != 16 && n != 24 && n != 32 {
			return fmt.Errorf("has %d octets, and AES takes 16, 24 or 32", n)
		}
	case formatJWE:
		if n != 32 {
			return fmt.Errorf("has %d octets, and A256GCM takes 32", n)
		}
	case formatJWT:
		if n < 32 { // RFC 7518 section 3.2
			return fmt.Errorf("has %d octets, and HS256 needs 32 or more", n)
		}
	}
	return nil
}

// threeKeys refuses keys with which triple DES is DES, or has two keys: fewer than
// 128 bits.
func threeKeys(raw []byte) error {
	var k [3][]byte
	for i := range k {
		for _, b := range raw[8*i : 8*i+8] {
			k[i] = append(k[i], b&^1) // without parity
		}
	}
	if bytes.Equal(k[0], k[1]) || bytes.Equal(k[1], k[2]) || bytes.Equal(k[0], k[2]) {
		return errors.New("repeats a third of itself, and has fewer than 128 bits so")
	}
	return nil
}

// publicKey reads the partner's public key, which alone says the algorithm.
func publicKey(encoding, text string) (any, jose.SignatureAlgorithm, error) {
	var pub any
	if encoding == "jwk" {
		var j jose.JSONWebKey
		if err := j.UnmarshalJSON([]byte(text)); err != nil {
			return nil, "", errors.New("is not a JWK")
		}
		if !j.IsPublic() {
			return nil, "", errors.New("is not a public key: the private one must stay with the partner")
		}
		pub = j.Key
	} else {
		block, rest := pem.Decode([]byte(text))
		if block == nil || len(bytes.TrimSpace(rest)) > 0 {
			return nil, "", errors.New("is not one PEM block")
		}
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			pub, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "CERTIFICATE":
			var cert *x509.Certificate
			if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
				pub = cert.PublicKey
			}
		default:
			return nil, "", fmt.Errorf("is a %q, and not PUBLIC KEY or CERTIFICATE", authn.CutControl(block.Type, 32))
		}
		if err != nil {
			return nil, "", errors.New("cannot be read")
		}
	}
	alg, err := algorithmOf(pub)
	return pub, alg, err
}

func algorithmOf(pub any) (jose.SignatureAlgorithm, error) {
	switch k := pub.(type) {
	case ed25519.PublicKey:
		return jose.EdDSA, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return jose.ES256, nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= 2048 {
			return jose.RS256, nil
		}
		return "", fmt.Errorf("is an RSA key of %d bits", k.N.BitLen())
	}
	return "", errors.New("is of a kind that is not used here")
}

// NewKey makes a random key for a format, or with "mac" one for mac_key, in hex.
func NewKey(format string) (string, error) {
	length := map[string]int{
		formatBlowfish: 16, formatTripleDES: 24, formatAESCBC: 32, formatAESGCM: 32, formatJWE: 32, formatJWT: 32, "mac": 32,
	}
	n, ok := length[format]
	if !ok {
		return "", fmt.Errorf("%q is not blowfish, triple-des, aes-cbc, aes-gcm, jwe, jwt or mac", authn.CutControl(format, 32))
	}
	return hex.EncodeToString(random(n)), nil
}
