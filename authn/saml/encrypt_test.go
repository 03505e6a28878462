package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"foregate/authn"
)

// sealing is how a test encrypts.
type sealing struct {
	content   string // URI
	size      int
	transport string // URI
	digest    string // DigestMethod and MGF elements
	hash      crypto.Hash
	mask      crypto.Hash
	to        func() pair
	tag       string
	detached  bool // EncryptedKey beside EncryptedData
}

var (
	gcm256 = sealing{"http://www.w3.org/2009/xmlenc11#aes256-gcm", 32, oaepMGF1P, "", crypto.SHA1, crypto.SHA1, spKeys, "EncryptedAssertion", false}
	cbc128 = sealing{"http://www.w3.org/2001/04/xmlenc#aes128-cbc", 16, oaepMGF1P, "", crypto.SHA1, crypto.SHA1, spKeys, "EncryptedAssertion", false}
)

func encrypted(plain string, s sealing) string {
	key := make([]byte, s.size)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	must(err)
	var text []byte
	if strings.HasSuffix(s.content, "gcm") {
		gcm, err := cipher.NewGCM(block)
		must(err)
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		text = gcm.Seal(nonce, nonce, []byte(plain), nil)
	} else {
		iv := make([]byte, 16)
		_, _ = rand.Read(iv)
		n := 16 - len(plain)%16
		padded := append([]byte(plain), bytes.Repeat([]byte{byte(n)}, n)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
		text = append(iv, padded...)
	}
	public := s.to().key.(*rsa.PrivateKey).PublicKey
	var wrapped []byte
	if s.transport == "http://www.w3.org/2001/04/xmlenc#rsa-1_5" {
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, &public, key)
	} else {
		wrapped, err = rsa.EncryptOAEPWithOptions(rand.Reader, &public, key, &rsa.OAEPOptions{Hash: s.hash, MGFHash: s.mask})
	}
	must(err)
	encryptedKey := fmt.Sprintf(`<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="%s">%s</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`,
		s.transport, s.digest, base64.StdEncoding.EncodeToString(wrapped))
	inside, beside := `<ds:KeyInfo>`+encryptedKey+`</ds:KeyInfo>`, ""
	if s.detached {
		inside, beside = "", encryptedKey
	}
	return fmt.Sprintf(`<saml:%s xmlns:saml="%s" xmlns:xenc="%s" xmlns:ds="%s" xmlns:xenc11="%s"><xenc:EncryptedData><xenc:EncryptionMethod Algorithm="%s"/>%s<xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>%s</saml:%s>`,
		s.tag, nsAssertion, nsCipher, nsSignature, nsCipher1, s.content, inside, base64.StdEncoding.EncodeToString(text), beside, s.tag)
}

func TestEncryptedAssertions(t *testing.T) {
	aes128, aes192, older, beside, oaep, mixed := gcm256, gcm256, gcm256, gcm256, gcm256, gcm256
	aes128.content, aes128.size = "http://www.w3.org/2009/xmlenc11#aes128-gcm", 16
	aes192.content, aes192.size = "http://www.w3.org/2009/xmlenc11#aes192-gcm", 24
	older.to = spOlderKeys
	beside.detached = true
	oaep.transport, oaep.hash, oaep.mask = oaep11, crypto.SHA256, crypto.SHA256
	oaep.digest = `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><xenc11:MGF Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>`
	mixed.hash = crypto.SHA256
	mixed.digest = `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>`
	for name, s := range map[string]sealing{
		"AES-256-GCM": gcm256, "AES-192-GCM": aes192, "AES-128-GCM": aes128, "for the older key": older, "key beside the data": beside,
		"OAEP with SHA-256": oaep, "OAEP with SHA-256 and mask SHA-1": mixed,
	} {
		seal := func(plain string) string { return encrypted(plain, s) }
		accept(t, name+", assertion signed", forge{signAssertion: true, encrypt: seal})
		accept(t, name+", response signed", forge{signResponse: true, encrypt: seal})
		accept(t, name+", both signed", forge{encrypt: seal})
		refuse(t, name+", nothing signed", forge{unsigned: true, encrypt: seal})
	}
}

func TestSM12(t *testing.T) {
	rsa15, stranger, unknown, cut := gcm256, gcm256, gcm256, gcm256
	rsa15.transport = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
	stranger.to = otherKeys
	unknown.digest = `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#md5"/>`
	cut.content, cut.size = gcm256.content, 16 // a key of the wrong length
	for name, s := range map[string]sealing{"RSA 1.5": rsa15, "for another reader": stranger, "unknown digest": unknown, "key of the wrong length": cut, "CBC that is not configured": cbc128} {
		refuse(t, name, forge{encrypt: func(plain string) string { return encrypted(plain, s) }})
	}
	for name, change := range map[string]func(string) string{
		"short ciphertext":      func(s string) string { return ciphertext(s, func([]byte) []byte { return []byte("short") }) },
		"no ciphertext":         func(s string) string { return ciphertext(s, func([]byte) []byte { return nil }) },
		"changed ciphertext":    func(s string) string { return ciphertext(s, func(b []byte) []byte { b[20] ^= 1; return b }) },
		"reference":             func(s string) string { return strings.Replace(s, "xenc:CipherValue", "xenc:CipherReference", 4) },
		"without EncryptedKey":  without("<ds:KeyInfo><xenc:EncryptedKey>", "</ds:KeyInfo>"),
		"without EncryptedData": without("<xenc:EncryptedData>", "</xenc:EncryptedData>"),
		"keys without end": func(s string) string {
			i, j := strings.Index(s, "<xenc:EncryptedKey>"), strings.Index(s, "</xenc:EncryptedKey>")+len("</xenc:EncryptedKey>")
			return s[:i] + strings.Repeat(s[i:j], 30) + s[j:]
		},
	} {
		refuse(t, name, forge{encrypt: func(plain string) string { return change(encrypted(plain, gcm256)) }})
	}
	refuse(t, "comment in what was encrypted", forge{encrypt: func(plain string) string {
		return encrypted(strings.Replace(plain, ">alice<", ">alice<!--x--><", 1), gcm256)
	}})
	refuse(t, "DOCTYPE in what was encrypted", forge{encrypt: func(plain string) string { return encrypted("<!DOCTYPE x>"+plain, gcm256) }})
	refuse(t, "a Response was encrypted", forge{encrypt: func(plain string) string {
		return encrypted(`<samlp:Response xmlns:samlp="`+nsProtocol+`">`+plain+`</samlp:Response>`, gcm256)
	}})
}

// ciphertext changes the data, not the key, of an encrypted element.
func ciphertext(s string, change func([]byte) []byte) string {
	i := strings.LastIndex(s, "<xenc:CipherValue>") + len("<xenc:CipherValue>")
	j := strings.LastIndex(s, "</xenc:CipherValue>")
	b, err := base64.StdEncoding.DecodeString(s[i:j])
	must(err)
	return s[:i] + base64.StdEncoding.EncodeToString(change(b)) + s[j:]
}

// With CBC configured, an unsigned Response is refused before its padding is
// looked at; a signed one cannot be changed.
func TestSM12PaddingIsNoOracle(t *testing.T) {
	c := config(t)
	c.InsecureCBC = true
	try := func(f forge) (string, error) {
		s := newScene(t, c)
		f.now, f.request = s.forge.now, s.forge.request
		_, err := post(s.m, s.a, f.build())
		var e *authn.Error
		if errors.As(err, &e) {
			return e.Public, err
		}
		return "", err
	}
	seal := func(plain string) string { return encrypted(plain, cbc128) }
	for name, f := range map[string]forge{"both signed": {encrypt: seal}, "response signed": {signResponse: true, encrypt: seal}} {
		if _, err := try(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := try(forge{signAssertion: true, encrypt: seal}); err == nil {
		t.Error("CBC was taken in an unsigned response")
	}
	seen := make(map[string]bool)
	for i := range 256 {
		words, err := try(forge{signAssertion: true, encrypt: func(plain string) string {
			return ciphertext(seal(plain), func(b []byte) []byte { b[len(b)-17] ^= byte(i); return b })
		}})
		if err == nil {
			t.Fatal("a changed ciphertext was taken")
		}
		seen[words+err.Error()] = true
	}
	if len(seen) != 1 {
		t.Errorf("256 changes have %d different answers", len(seen))
	}
}

func TestEncryptedNameID(t *testing.T) {
	sealed := gcm256
	sealed.tag = "EncryptedID"
	f := forge{text: func(s string) string {
		i, j := strings.Index(s, "<saml:NameID "), strings.Index(s, "</saml:NameID>")+len("</saml:NameID>")
		name := strings.Replace(s[i:j], "<saml:NameID ", `<saml:NameID xmlns:saml="`+nsAssertion+`" `, 1)
		return s[:i] + encrypted(name, sealed) + s[j:]
	}}
	accept(t, "alone", f)
	refuse(t, "beside a plain one", forge{text: func(s string) string {
		return strings.Replace(f.text(s), "<saml:EncryptedID", "<saml:NameID>root</saml:NameID><saml:EncryptedID", 1)
	}})
}

func TestOAEPHashesAreWhatTheyAreCalled(t *testing.T) {
	// gosaml2 v0.12.0 has another URI for SHA-256, which no provider sends.
	if oaepHashes["http://www.w3.org/2001/04/xmlenc#sha256"].New().Size() != sha256.Size || oaepHashes[""].New().Size() != sha1.Size {
		t.Error("wrong digests")
	}
}
