package upstream

// Sticky addresses: a person's requests go to the same address as long as that can take
// them, on every replica and after a restart, and nothing need be remembered for it. Each
// address has its own order of people (rendezvous hashing): when one goes out its people
// are shared among the others, and nobody else moves.

// keyOf is the same for all requests of a person, or of an address for who has not signed
// in.
func keyOf(t *Trip) uint64 {
	h := uint64(offset64)
	if t.Who != nil && !t.Who.id.Anonymous() {
		h = fnv(fnv(h, t.Who.id.Issuer), "\x00")
		return fnv(h, t.Who.id.Subject)
	}
	return fnv(h, t.Client)
}

// FNV-1a, which needs no allocation as hash/fnv does.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime64
	}
	return h
}

// weight is how much an address wants the requests of a key: the highest gets them.
func (a *address) weight(key uint64) uint64 {
	// The finalizer of splitmix64: neighbouring keys must not go to the same address.
	z := key ^ a.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
