package handoff

import (
	"hash/maphash"
	"sync"
	"time"
)

// A partner must send the same identifier for the same person each time.
const (
	learning  = 24 * time.Hour // in which everybody is new
	enough    = 50             // sign-ins in a day to judge by
	newShare  = 95             // percent
	reminder  = time.Hour
	sketchBit = 1 << 16 // of each generation
	sketchIDs = 4096    // after which a new one begins
)

// steady notices a partner whose people are new each time. It remembers the last
// few thousand in two Bloom filters of 8 KiB, an older and a younger one.
type steady struct {
	seed maphash.Seed

	mu       sync.Mutex
	younger  *[sketchBit / 64]uint64
	older    *[sketchBit / 64]uint64
	inside   int       // of younger
	learned  time.Time // from when on it is judged
	day      time.Time // when counting began
	signIns  int       // in this day
	strange  int       // of them never seen before
	verdict  bool
	reminded time.Time
}

func newSteady(now time.Time) *steady {
	return &steady{
		seed: maphash.MakeSeed(), younger: new([sketchBit / 64]uint64), older: new([sketchBit / 64]uint64),
		learned: now.Add(learning), day: now,
	}
}

// saw notes a sign-in and reports whether it is time to complain.
func (s *steady) saw(user string, now time.Time) (complain bool) {
	h := maphash.String(s.seed, user)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.remember(h)
	if now.Before(s.learned) {
		return false
	}
	if now.Sub(s.day) >= 24*time.Hour {
		s.day, s.signIns, s.strange = now, 0, 0
	}
	s.signIns++
	if !known {
		s.strange++
	}
	if s.signIns >= enough {
		s.verdict = s.strange*100 > newShare*s.signIns
	}
	if !s.verdict || now.Sub(s.reminded) < reminder {
		return false
	}
	s.reminded = now
	return true
}

// remember adds a user and reports whether it was there.
func (s *steady) remember(h uint64) (known bool) {
	inYounger, inOlder := true, true
	for i := range uint64(4) {
		bit := (h + i*(h>>32|1)) % sketchBit
		word, mask := bit/64, uint64(1)<<(bit%64)
		inYounger = inYounger && s.younger[word]&mask != 0
		inOlder = inOlder && s.older[word]&mask != 0
		s.younger[word] |= mask
	}
	if !inYounger {
		s.inside++
	}
	if s.inside >= sketchIDs {
		s.older, s.younger, s.inside = s.younger, new([sketchBit / 64]uint64), 0
	}
	return inYounger || inOlder
}

func (s *steady) unstable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verdict
}
