package command

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foregate/authn"
)

// secretFile is where a session secret is kept that nobody configured.
const secretFile = "session.secret"

// sessionSecrets returns the configured secrets. Without any, one is made on the
// first run and kept beside the database, so that a restart signs nobody out.
func sessionSecrets(configured []authn.Secret, folder string) ([][]byte, error) {
	var out [][]byte
	for _, s := range configured {
		out = append(out, []byte(s.Reveal()))
	}
	if len(out) > 0 {
		return out, nil
	}
	path := filepath.Join(folder, secretFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeSecret(path)
	}
	if err != nil {
		return nil, fmt.Errorf("session secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if len(secret) < 32 {
		return nil, fmt.Errorf("session secret: %s is damaged: put it back from a backup, or delete it to make a new one (everybody has to sign in again)", path)
	}
	return [][]byte{[]byte(secret)}, nil
}

// methodKeys derives a method's own keys, one from each session secret, so that
// replicas which share those have the same (HKDF, RFC 5869).
func methodKeys(secrets [][]byte, method string) ([][]byte, error) {
	return deriveKeys(secrets, "foregate method 1 "+method)
}

func deriveKeys(secrets [][]byte, purpose string) ([][]byte, error) {
	var keys [][]byte
	for _, s := range secrets {
		k, err := hkdf.Key(sha256.New, s, nil, purpose, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// makeSecret writes a new secret in full before it gets its name.
func makeSecret(path string) ([]byte, error) {
	b := []byte(newSecret() + "\n")
	f, err := os.CreateTemp(filepath.Dir(path), secretFile+".*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Link(f.Name(), path) // fails if another process was first
	}
	if errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	}
	return b, err
}
