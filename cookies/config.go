package cookies

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	defaultName       = "foregate"
	defaultCacheBytes = 50 << 20
	minSecret         = 32
)

// Config says how cookies are named and sealed. Sessions and Attempts share it.
type Config struct {
	Secrets    [][]byte         // at least 32 bytes each; the first seals, all open
	Name       string           // of the session cookie, without prefix; empty: "foregate"
	Domain     string           // of the session cookie; empty: this host alone, which is safer
	Persistent bool             // the session cookie outlives the browser, for the session's lifetime
	CacheBytes int64            // bound of the sessions kept in memory, roughly; 0: 50 MiB, some 50,000 sessions
	Log        *slog.Logger     // nil: nothing is logged
	Clock      func() time.Time // nil: time.Now
}

// withDefaults returns cfg complete, or what is wrong with it.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return cfg, cfg.check()
}

func (cfg Config) check() error {
	if err := checkSecrets(cfg.Secrets); err != nil {
		return err
	}
	if strings.Trim(cfg.Name, nameBytes) != "" || strings.HasPrefix(cfg.Name, "__") {
		return fmt.Errorf("cookies: %q cannot be the name of a cookie: write letters, digits, - and _", cfg.Name)
	}
	if strings.Trim(cfg.Domain, nameBytes+".") != "" {
		return fmt.Errorf("cookies: %q cannot be the domain of a cookie", cfg.Domain)
	}
	if cfg.CacheBytes < 0 {
		return errors.New("cookies: the bound of the session cache is negative")
	}
	return nil
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// Limits are when a session ends by itself. Both must be positive.
type Limits struct {
	Idle     time.Duration // after the last activity of a human
	Lifetime time.Duration // after sign-in, whatever happens
}

// codec seals and opens cookie values of one purpose, one entry for each secret.
type codec []*securecookie.SecureCookie

// newCodec derives the purpose's own keys, so that a value sealed for one
// purpose is garbage for every other. A maxAge of 0 means that age is judged
// elsewhere.
func newCodec(secrets [][]byte, purpose string, maxLength int, maxAge time.Duration) (codec, error) {
	c := make(codec, 0, len(secrets))
	for _, secret := range secrets {
		keys, err := hkdf.Key(sha256.New, secret, nil, "foregate cookie 1 "+purpose, 64)
		if err != nil {
			return nil, fmt.Errorf("cookies: derive %s keys: %w", purpose, err)
		}
		c = append(c, securecookie.New(keys[:32], keys[32:]).
			SetSerializer(securecookie.NopEncoder{}).
			MaxLength(maxLength).
			MaxAge(int(maxAge/time.Second)))
	}
	return c, nil
}

// seal binds plain to the cookie's full name. plain is overwritten: the codec
// encrypts in place.
func (c codec) seal(name string, plain []byte) (string, error) {
	return c[0].Encode(name, plain)
}

func (c codec) open(name, value string) ([]byte, bool) {
	for _, one := range c {
		var plain []byte
		if one.Decode(name, value, &plain) == nil {
			return plain, true
		}
	}
	return nil, false
}
