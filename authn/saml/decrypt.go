package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/beevik/etree"
)

const (
	oaepMGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	oaep11    = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	nsCipher1 = "http://www.w3.org/2009/xmlenc11#"

	maxEncryptedKeys = 4 // an assertion may be encrypted for several readers
)

// contentCipher is a way that a document may be encrypted (XML Encryption 1.1, 5.2).
type contentCipher struct {
	key int // bytes
	gcm bool
}

var contentCiphers = map[string]contentCipher{
	"http://www.w3.org/2009/xmlenc11#aes128-gcm":  {16, true},
	"http://www.w3.org/2009/xmlenc11#aes192-gcm":  {24, true},
	"http://www.w3.org/2009/xmlenc11#aes256-gcm":  {32, true},
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc": {16, false},
	"http://www.w3.org/2001/04/xmlenc#aes192-cbc": {24, false},
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc": {32, false},
}

var oaepHashes = map[string]crypto.Hash{
	"":                                       crypto.SHA1, // what OAEP is when nothing is said (XML Encryption 1.1, 5.5.2)
	"http://www.w3.org/2000/09/xmldsig#sha1": crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

var maskHashes = map[string]crypto.Hash{
	"": crypto.SHA1,
	"http://www.w3.org/2009/xmlenc11#mgf1sha1":   crypto.SHA1,
	"http://www.w3.org/2009/xmlenc11#mgf1sha256": crypto.SHA256,
	"http://www.w3.org/2009/xmlenc11#mgf1sha384": crypto.SHA384,
	"http://www.w3.org/2009/xmlenc11#mgf1sha512": crypto.SHA512,
}

// errDecrypt is all that is said of a text that cannot be decrypted: which step
// failed would help whoever tries ciphertexts.
var errDecrypt = errors.New("cannot be decrypted with any of our keys")

// decrypt returns the element in an EncryptedAssertion or EncryptedID. AES in CBC
// mode is taken only where cbc says so: the caller knows then that the ciphertext
// itself was signed, without which its padding is an oracle.
func decrypt(el *etree.Element, keys []*rsa.PrivateKey, cbc bool) (*etree.Element, error) {
	if len(keys) == 0 {
		return nil, errors.New("encrypted, but there are no keys to decrypt with; add keys, and send the provider the metadata again")
	}
	data, err := child(el, nsCipher, "EncryptedData")
	if err != nil || data == nil {
		return nil, errors.New("encrypted element without its EncryptedData")
	}
	how, err := child(data, nsCipher, "EncryptionMethod")
	if err != nil || how == nil {
		return nil, errors.New("encrypted without a method")
	}
	method, ok := contentCiphers[attr(how, "Algorithm")]
	switch {
	case !ok:
		return nil, fmt.Errorf("encryption %q is not accepted", short(attr(how, "Algorithm")))
	case !method.gcm && !cbc:
		return nil, fmt.Errorf("encryption %q is accepted only with insecure_cbc and in a signed Response; let the provider use AES-GCM", short(attr(how, "Algorithm")))
	}
	text, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	wrapped, err := encryptedKeys(el, data)
	if err != nil {
		return nil, err
	}
	plain, err := open(wrapped, keys, method, text)
	if err != nil {
		return nil, err
	}
	root, err := parse(plain, messageLimits)
	if err != nil {
		return nil, fmt.Errorf("decrypted text: %w", err)
	}
	return root, nil
}

func cipherValue(el *etree.Element) ([]byte, error) {
	data, err := child(el, nsCipher, "CipherData")
	if err != nil || data == nil || len(data.ChildElements()) != 1 {
		return nil, errors.New("encrypted without CipherData")
	}
	value, err := child(data, nsCipher, "CipherValue")
	if err != nil || value == nil || len(value.ChildElements()) > 0 {
		return nil, errors.New("encrypted without a CipherValue; references are not followed")
	}
	b, err := decodeBase64(text(value))
	if err != nil {
		return nil, errors.New("CipherValue that is not base64")
	}
	return b, nil
}

// wrappedKey is a content key, encrypted for one reader.
type wrappedKey struct {
	digest, mask crypto.Hash
	text         []byte
}

// encryptedKeys are beside EncryptedData or in its KeyInfo (SAML Core errata E43).
func encryptedKeys(el, data *etree.Element) ([]wrappedKey, error) {
	found := children(el, nsCipher, "EncryptedKey")
	for _, info := range children(data, nsSignature, "KeyInfo") {
		found = append(found, children(info, nsCipher, "EncryptedKey")...)
	}
	if len(found) == 0 || len(found) > maxEncryptedKeys {
		return nil, fmt.Errorf("encrypted with %d keys", len(found))
	}
	var all []wrappedKey
	for _, k := range found {
		w, err := encryptedKey(k)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

func encryptedKey(el *etree.Element) (wrappedKey, error) {
	how, err := child(el, nsCipher, "EncryptionMethod")
	if err != nil || how == nil {
		return wrappedKey{}, errors.New("encrypted key without a method")
	}
	// RSA 1.5 is not offered at all: its padding is an oracle (Bleichenbacher).
	algorithm := attr(how, "Algorithm")
	if algorithm != oaepMGF1P && algorithm != oaep11 {
		return wrappedKey{}, fmt.Errorf("key encryption %q is not accepted; let the provider use RSA-OAEP", short(algorithm))
	}
	var digest, mask string
	for _, c := range how.ChildElements() {
		switch {
		case is(c, nsSignature, "DigestMethod"):
			digest = attr(c, "Algorithm")
		case is(c, nsCipher1, "MGF") && algorithm == oaep11:
			mask = attr(c, "Algorithm")
		default:
			return wrappedKey{}, fmt.Errorf("key encryption with %q", short(c.Tag))
		}
	}
	w := wrappedKey{digest: oaepHashes[digest], mask: maskHashes[mask]}
	if w.digest == 0 || w.mask == 0 {
		return wrappedKey{}, fmt.Errorf("key encryption with digest %q and mask %q is not accepted", short(digest), short(mask))
	}
	w.text, err = cipherValue(el)
	return w, err
}

// open tries all keys: which of ours a provider used is nothing to rely on.
func open(wrapped []wrappedKey, keys []*rsa.PrivateKey, method contentCipher, text []byte) ([]byte, error) {
	for _, w := range wrapped {
		for _, key := range keys {
			content, err := key.Decrypt(rand.Reader, w.text, &rsa.OAEPOptions{Hash: w.digest, MGFHash: w.mask})
			if err != nil || len(content) != method.key {
				continue
			}
			block, err := aes.NewCipher(content)
			if err != nil {
				continue
			}
			plain, ok := openGCM(block, text)
			if !method.gcm {
				plain, ok = openCBC(block, text)
			}
			if ok {
				return plain, nil
			}
		}
	}
	return nil, errDecrypt
}

func openGCM(block cipher.Block, text []byte) ([]byte, bool) {
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(text) < gcm.NonceSize() {
		return nil, false
	}
	plain, err := gcm.Open(nil, text[:gcm.NonceSize()], text[gcm.NonceSize():], nil)
	return plain, err == nil
}

// openCBC takes off the padding of XML Encryption 1.1, 5.2.2: of it only the last
// byte, its length, means something.
func openCBC(block cipher.Block, text []byte) ([]byte, bool) {
	size := block.BlockSize()
	if len(text) < 2*size || len(text)%size != 0 {
		return nil, false
	}
	plain := make([]byte, len(text)-size)
	cipher.NewCBCDecrypter(block, text[:size]).CryptBlocks(plain, text[size:])
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > size {
		return nil, false
	}
	return plain[:len(plain)-padding], true
}
