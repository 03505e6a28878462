package admin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"foregate/cookies"
)

const (
	// PassCookie is the console's cookie without TLS, see passCookie; it holds a pass.
	PassCookie = cookies.ConsoleName
	passIdle   = 30 * time.Minute
	passLife   = 8 * time.Hour
	passSize   = 2048 // bytes of a pass as text, at most
)

// passCookie is the name of the cookie that a request may show a pass in. What comes by
// TLS cannot have been set by another host, or by this one in plain text (RFC 6265bis,
// section 4.1.3.2).
func passCookie(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-" + PassCookie
	}
	return PassCookie
}

// pass says that somebody has shown an admin token or a password. It is sealed, and
// nothing of it is stored here.
type pass struct {
	ID      string `json:"i"`
	Token   string `json:"t,omitempty"` // name of the token that was shown, or
	Account string `json:"a,omitempty"` // ID of the account
	Proof   []byte `json:"p"`           // see proves
	Began   int64  `json:"b"`           // Unix seconds
	Used    int64  `json:"u"`
}

// proves reports whether the pass was given for this token or password hash, and not
// for one that was there before it.
func (p *pass) proves(secret string) bool {
	return subtle.ConstantTimeCompare(p.Proof, proofOf(p.ID, secret)) == 1
}

func proofOf(id, secret string) []byte {
	sum := sha256.Sum256([]byte("foregate admin pass 1 " + id + " " + secret))
	return sum[:16]
}

func (g *Guard) newPass(token, account, secret string) pass {
	id, now := rand.Text(), g.now().Unix()
	return pass{ID: id, Token: token, Account: account, Proof: proofOf(id, secret), Began: now, Used: now}
}

var errPass = errors.New("no pass, or one that is over")

// open returns a pass that is not over.
func (g *Guard) open(text string) (pass, error) {
	p, err := g.box().open(text)
	if err != nil {
		return pass{}, err
	}
	now := g.now()
	if now.Sub(time.Unix(p.Used, 0)) >= passIdle || now.Sub(time.Unix(p.Began, 0)) >= passLife || g.out.has(p.ID) {
		return pass{}, errPass
	}
	return p, nil
}

// Renew returns a pass as used now; it ends half an hour from now, or eight hours after
// the sign-in. Who holds it is for who to say.
func (g *Guard) Renew(text string) (string, error) {
	p, err := g.open(text)
	if err != nil {
		return "", err
	}
	p.Used = g.now().Unix()
	return g.box().seal(p)
}

// SignOut ends a pass, however often it was renewed.
func (g *Guard) SignOut(text string) {
	if p, err := g.open(text); err == nil {
		g.out.add(p.ID, g.now(), time.Unix(p.Began, 0).Add(passLife))
	}
}

// passBox seals passes.
type passBox []cipher.AEAD

func newPassBox(keys [][]byte) (passBox, error) {
	var b passBox
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("admin: pass cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("admin: pass cipher: %w", err)
		}
		b = append(b, aead)
	}
	if len(b) == 0 {
		return nil, errors.New("admin: no key for passes")
	}
	return b, nil
}

var passPlace = []byte("admin pass 1")

func (b passBox) seal(p pass) (string, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("admin: write a pass: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[0].Seal(nil, nil, plain, passPlace)), nil
}

func (b passBox) open(text string) (pass, error) {
	if len(text) > passSize {
		return pass{}, errPass
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return pass{}, errPass
	}
	for _, aead := range b {
		plain, err := aead.Open(nil, nil, sealed, passPlace)
		if err != nil {
			continue
		}
		var p pass
		if err := json.Unmarshal(plain, &p); err != nil {
			return pass{}, errPass
		}
		return p, nil
	}
	return pass{}, errPass
}

// signedOut remembers the passes that were ended before their time, in this process.
type signedOut struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (s *signedOut) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.until[id]
	return found
}

func (s *signedOut) add(id string, now, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	for other, over := range s.until {
		if now.After(over) {
			delete(s.until, other)
		}
	}
	s.until[id] = until
}
