package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// maxProved is how many programs' names are remembered for one app.
const maxProved = 10_000

// Cache is how long a proved password counts without asking again.
type Cache struct {
	For time.Duration
	Now func() time.Time // nil: time.Now
}

// proved remembers who has just proved a password: one for each name. Of names and
// passwords it holds only what a key makes of them that this process drew for itself
// and nobody else has.
//
// A password that is refused, or another one that is right, takes the place of what was
// remembered under the name. Requests that bring the same at the same time ask once, so
// that a program's own burst is not taken for guessing.
type proved struct {
	cache Cache
	key   []byte
	asked singleflight.Group

	mu  sync.Mutex
	all map[digest]remembered // by what the key makes of the name
}

type digest [sha256.Size]byte

type remembered struct {
	password digest // of name and password
	until    time.Time
	who      *vouched
}

func newProved(cache Cache) (*proved, error) {
	if cache.Now == nil {
		cache.Now = time.Now
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("drawing a key: %w", err)
	}
	return &proved{cache: cache, key: key, all: make(map[digest]remembered)}, nil
}

// get returns who a name and password are, by prove unless it is remembered. prove is
// finished although the one who asked has gone: others wait for it. It is bounded.
func (p *proved) get(ctx context.Context, user, password string, prove func(context.Context) (*vouched, error)) (*vouched, error) {
	name, both := p.digest("name", user, ""), p.digest("both", user, password)
	if who := p.recall(name, both); who != nil {
		return who, nil
	}
	found, err, _ := p.asked.Do(string(both[:]), func() (any, error) {
		if who := p.recall(name, both); who != nil { // proved while this one came here
			return who, nil
		}
		who, err := prove(context.WithoutCancel(ctx))
		p.note(name, both, who)
		return who, err
	})
	who, _ := found.(*vouched)
	return who, err
}

func (p *proved) digest(kind, user, password string) digest {
	mac := hmac.New(sha256.New, p.key)
	_, _ = fmt.Fprintf(mac, "%s %d %s%s", kind, len(user), user, password)
	return digest(mac.Sum(nil))
}

func (p *proved) recall(name, both digest) *vouched {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.all[name]
	if !ok || !p.cache.Now().Before(one.until) || !hmac.Equal(one.password[:], both[:]) {
		return nil
	}
	return one.who
}

// note remembers who, or forgets what was known of the name if it is nil.
func (p *proved) note(name, both digest, who *vouched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, name)
	if who == nil {
		return
	}
	if len(p.all) >= maxProved {
		p.makeRoom()
	}
	p.all[name] = remembered{password: both, until: p.cache.Now().Add(p.cache.For), who: who}
}

// makeRoom drops what does not count any more, or else any one.
func (p *proved) makeRoom() {
	now := p.cache.Now()
	for name, one := range p.all {
		if !now.Before(one.until) {
			delete(p.all, name)
		}
	}
	for name := range p.all {
		if len(p.all) < maxProved {
			return
		}
		delete(p.all, name)
	}
}
