package local

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-crypt/crypt"
	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/text/unicode/norm"
)

const (
	maxPassword = 1024 // bytes
	bcryptReads = 72   // bytes; what comes after is not part of the hash

	// Of new hashes. OWASP's first choice for argon2id.
	newMemory = 19 * 1024 // KiB
	newPasses = 2
	newLanes  = 1

	// Of stored hashes. Each sign-in pays for them, so a stray zero must not
	// take the machine down.
	maxEncoded      = 512 // bytes
	minKey          = 16  // bytes: a shorter one is found by chance
	maxMemory       = 256 * 1024
	maxPasses       = 10
	maxLanes        = 16
	minBcryptCost   = 4
	maxBcryptCost   = 14
	maxPBKDF2Rounds = 2_000_000
	maxSHARounds    = 1_000_000
	maxScryptWork   = 1 << 30 // bytes written: 128·N·r·p
)

// Hash makes a hash of a new password, to be stored in password_hash. The
// password is 1 to 1024 bytes without NUL.
func Hash(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	hasher, err := argon2.New(argon2.WithVariantID(), argon2.WithM(newMemory), argon2.WithT(newPasses), argon2.WithP(newLanes))
	if err != nil {
		return "", fmt.Errorf("local: set up argon2id: %w", err)
	}
	d, err := hasher.Hash(norm.NFC.String(password))
	if err != nil {
		return "", fmt.Errorf("local: hash password: %w", err)
	}
	return d.Encode(), nil
}

// Verify reports whether hash is of password. The error is about the hash alone.
func Verify(hash, password string) (bool, error) {
	d, err := readDigest(hash)
	if err != nil {
		return false, err
	}
	return checkPassword(password) == nil && d.matches(password), nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("local: the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("local: the password is longer than %d bytes", maxPassword)
	case strings.ContainsRune(password, 0):
		return errors.New("local: the password has a NUL byte")
	}
	return nil
}

// digest is a stored hash within bounds.
type digest struct {
	stored algorithm.Digest
	kind   string // algorithm and cost, which tell how long a comparison takes
	limit  int    // longest password that all of it is hashed of; 0 means any
}

// matches compares, at the same cost whatever the password.
func (d digest) matches(password string) bool {
	password = norm.NFC.String(password)
	if d.limit > 0 && len(password) > d.limit {
		d.stored.Match(password[:d.limit])
		return false
	}
	return d.stored.Match(password)
}

// readDigest reads a stored hash. Its errors do not repeat any of it: people put
// the password itself there.
func readDigest(encoded string) (digest, error) {
	if len(encoded) > maxEncoded {
		return digest{}, fmt.Errorf("longer than %d bytes", maxEncoded)
	}
	decoder, err := crypt.NewDefaultDecoder()
	if err != nil {
		return digest{}, fmt.Errorf("local: set up the decoder: %w", err)
	}
	stored, err := decoder.Decode(encoded)
	if err != nil {
		return digest{}, errors.New("not a hash of a known kind")
	}
	if len(stored.Key()) < minKey {
		return digest{}, fmt.Errorf("the hash itself is shorter than %d bytes", minKey)
	}
	return bounded(stored, crypt.Normalize(encoded))
}

// bounded refuses a hash that costs too much. The library keeps the parameters
// to itself but writes them out in one canonical form.
func bounded(stored algorithm.Digest, encoded string) (digest, error) {
	parts := strings.Split(stored.Encode(), "$") // "", algorithm, parameters…
	if len(parts) < 4 {
		return digest{}, errors.New("not a hash of a known kind")
	}
	d := digest{stored: stored, kind: parts[1] + " " + parts[2]}
	switch stored.(type) {
	case *argon2.Digest:
		d.kind = parts[1] + " " + parts[3]
		return d, boundedArgon2(parts[3])
	case *bcrypt.Digest:
		if parts[1] == "2b" {
			d.limit = bcryptReads
		}
		return d, boundedBcrypt(parts, encoded)
	case *pbkdf2.Digest:
		return d, boundedRounds("%d", parts[2], maxPBKDF2Rounds)
	case *shacrypt.Digest:
		if len(parts) == 4 { // rounds left out: 5000
			d.kind = parts[1]
			return d, nil
		}
		return d, boundedRounds("rounds=%d", parts[2], maxSHARounds)
	case *scrypt.Digest:
		if parts[1] == scrypt.AlgIdentifierYescrypt {
			return d, boundedYescrypt(encoded)
		}
		return d, boundedScrypt(parts[2])
	}
	return digest{}, errors.New("not a hash of a known kind")
}

func boundedArgon2(parameters string) error {
	var memory, passes, lanes uint32
	if _, err := fmt.Sscanf(parameters, "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return errors.New("its parameters cannot be read")
	}
	if memory > maxMemory || passes > maxPasses || lanes > maxLanes {
		return fmt.Errorf("asks for m=%d,t=%d,p=%d; at most m=%d,t=%d,p=%d", memory, passes, lanes, maxMemory, maxPasses, maxLanes)
	}
	return nil
}

func boundedBcrypt(parts []string, encoded string) error {
	format := "%d"
	switch {
	case parts[1] == bcrypt.AlgIdentifierVariantSHA256:
		format = "v=2,t=2b,r=%d"
	case !slices.Contains([]string{"$2a$", "$2b$", "$2y$"}, encoded[:4]):
		// $2x$ is made by a bug; as the ordinary kind it would match other passwords.
		return errors.New("a kind of bcrypt that cannot be trusted; only $2a$, $2b$ and $2y$ are read")
	}
	var cost int
	if _, err := fmt.Sscanf(parts[2], format, &cost); err != nil || cost < minBcryptCost || cost > maxBcryptCost {
		return fmt.Errorf("asks for cost %d; from %d to %d", cost, minBcryptCost, maxBcryptCost)
	}
	return nil
}

func boundedRounds(format, parameters string, most int) error {
	var rounds int
	if _, err := fmt.Sscanf(parameters, format, &rounds); err != nil || rounds < 1 || rounds > most {
		return fmt.Errorf("asks for %d rounds; from 1 to %d", rounds, most)
	}
	return nil
}

func boundedScrypt(parameters string) error {
	var ln, r, p int
	if _, err := fmt.Sscanf(parameters, "ln=%d,r=%d,p=%d", &ln, &r, &p); err != nil {
		return errors.New("its parameters cannot be read")
	}
	fits := ln >= 1 && ln <= 21 && r >= 1 && r <= 64 && p >= 1 && p <= maxLanes
	if !fits || 128*r<<ln > maxMemory*1024 || 128*r*p<<ln > maxScryptWork {
		return fmt.Errorf("asks for ln=%d,r=%d,p=%d; at most %d MiB, and with all passes %d MiB",
			ln, r, p, maxMemory/1024, maxScryptWork>>20)
	}
	return nil
}

// boundedYescrypt lets through what crypt(5) of today's systems makes, from 1 to
// 256 MiB: flags "j", then the letters of N = 2^10 … 2^16 and of r = 8 or 32.
func boundedYescrypt(encoded string) error {
	if !regexp.MustCompile(`^\$y\$j[789ABCD][5T]\$`).MatchString(encoded) {
		return errors.New("asks for a yescrypt cost other than those of crypt_gensalt, 1 to 9")
	}
	return nil
}
