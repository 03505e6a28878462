package saml

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"foregate/authn"
)

const (
	newKeyBits = 3072 // good beyond 2030 (NIST SP 800-57 part 1, table 2)
	newKeyLife = 5    // years
)

// NewKey makes a key and its self-signed certificate, both PEM, that is good from
// an hour before now until end. The name in it is for people.
func NewKey(name string, now, end time.Time) (key, cert []byte, err error) {
	k, err := rsa.GenerateKey(rand.Reader, newKeyBits)
	if err != nil {
		return nil, nil, fmt.Errorf("saml: make a key: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, fmt.Errorf("saml: write a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("saml: number a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		return nil, nil, fmt.Errorf("saml: make a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER}), nil
}

// keyFile reads the file with our key and its certificate. It is made first if it
// is not there; of several processes that make it at once one wins.
func keyFile(file authn.Path, name string, now time.Time) (ownKey, error) {
	k, err := readKeyFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	key, cert, err := NewKey(name, now, now.AddDate(newKeyLife, 0, 0))
	if err != nil {
		return ownKey{}, err
	}
	if err := writeOnce(string(file), append(key, cert...)); err != nil {
		return ownKey{}, fmt.Errorf("key_file: %w", err)
	}
	return readKeyFile(file)
}

func readKeyFile(file authn.Path) (ownKey, error) {
	b, err := os.ReadFile(string(file))
	if err != nil {
		return ownKey{}, err
	}
	return loadKey(KeyPair{Key: authn.NewSecret(string(b)), Certificate: file})
}

// writeOnce makes a file appear whole, and never in the place of another.
func writeOnce(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".saml-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), file)
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil // another process was quicker: theirs is as good
	}
	return errors.Join(err, os.Remove(f.Name()))
}
