package local

import (
	"strings"
	"testing"
)

// quick is bcrypt of "correct horse" at the lowest cost, for tests that hash a lot.
const quick = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"

const right = "correct horse"

func TestHashesOfOtherProgramsAreRead(t *testing.T) {
	// Made with crypt(3) of libxcrypt and with Python's hashlib.
	for _, hash := range []string{
		quick,
		"$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$y$j75$abcdefghijklmnop$1kKL1r02wT4HlcktLfzeoOHd1GFgv7Ay4JeEbqGj80B",
		"$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9",
		"$6$rounds=1000$abcdefgh$DbXqPck5ABZumVXwcH5eMVHsPZwvQ3jylSxpJmKkZVxcoCiC3N0rPerjHmAqL7r6PK6CIeYnO9.vxpbsevscg/",
		"$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB",
		"{CRYPT}$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB",
		"$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
		"$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
	} {
		if ok, err := Verify(hash, right); err != nil || !ok {
			t.Errorf("Verify(%q, right) = %v, %v", hash, ok, err)
		}
		if ok, err := Verify(hash, "Correct horse"); err != nil || ok {
			t.Errorf("Verify(%q, wrong) = %v, %v", hash, ok, err)
		}
	}
}

func TestNewHashesAreArgon2idOf19MiB(t *testing.T) {
	hash, err := Hash(right)
	if err != nil {
		t.Fatal(err)
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(hash, want) {
		t.Errorf("Hash = %q, want it to begin with %q", hash, want)
	}
	if other, _ := Hash(right); other == hash {
		t.Error("two hashes of one password are equal")
	}
	if ok, err := Verify(hash, right); err != nil || !ok {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

func TestLD8PasswordsAreNeitherCutNorTrimmed(t *testing.T) {
	long := strings.Repeat("a", maxPassword)
	hash, err := Hash(long)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{long[1:], long + "a", " " + long[1:], long[1:] + " ", long[:1023] + "b", ""} {
		if ok, err := Verify(hash, wrong); err != nil || ok {
			t.Errorf("Verify with %d bytes = %v, %v", len(wrong), ok, err)
		}
	}
	for _, bad := range []string{"", long + "a", "a\x00b", "\x00"} {
		if _, err := Hash(bad); err == nil {
			t.Errorf("Hash of %d bytes %.5q succeeds", len(bad), bad)
		}
	}
}

func TestLD8BcryptRefusesWhatItWouldCut(t *testing.T) {
	// crypt(3) of 72 bytes "a", and so of every longer run of them.
	d, err := readDigest(bcryptOf72)
	if err != nil {
		t.Fatal(err)
	}
	if !d.matches(strings.Repeat("a", 72)) {
		t.Error("72 bytes do not match")
	}
	for _, n := range []int{71, 73, 100} {
		if d.matches(strings.Repeat("a", n)) {
			t.Errorf("%d bytes match the hash of 72", n)
		}
	}
}

func TestPasswordIsTheSameFromEveryKeyboard(t *testing.T) {
	hash, err := Hash("caf\u00e9") // é in one
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := Verify(hash, "cafe\u0301"); !ok { // e and its accent
		t.Error("form D of the password does not match")
	}
	if ok, _ := Verify(hash, "CAF\u00c9"); ok {
		t.Error("upper case matches")
	}
}

func TestHashesThatCostTooMuchAreRefused(t *testing.T) {
	const tail = "$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M"
	const bcryptTail = "$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
	for _, hash := range []string{
		"$argon2id$v=19$m=262145,t=2,p=1" + tail,
		"$argon2id$v=19$m=4294967295,t=2,p=1" + tail,
		"$argon2id$v=19$m=19456,t=11,p=1" + tail,
		"$argon2id$v=19$m=19456,t=2,p=17" + tail,
		"$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$YWJj", // three bytes of key
		"$2b$15" + bcryptTail,
		"$2b$31" + bcryptTail,
		"$2b$03" + bcryptTail,
		"$2x$04" + bcryptTail,
		"$2$04" + bcryptTail,
		"$scrypt$ln=18,r=9,p=1" + tail,
		"$scrypt$ln=62,r=8,p=1" + tail,
		"$scrypt$ln=0,r=8,p=1" + tail,
		"$scrypt$ln=-1,r=8,p=1" + tail,
		"$scrypt$ln=17,r=8,p=16" + tail,
		"$pbkdf2-sha256$2000001$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
		"$6$rounds=1000001$abcdefgh$DbXqPck5ABZumVXwcH5eMVHsPZwvQ3jylSxpJmKkZVxcoCiC3N0rPerjHmAqL7r6PK6CIeYnO9.vxpbsevscg/",
		"$y$jET$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9",
		"$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", // md5crypt
		"{SSHA}aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=",
		"$plaintext$correct horse",
		"correct horse",
		"",
		quick + strings.Repeat("e", maxEncoded),
	} {
		if _, err := readDigest(hash); err == nil {
			t.Errorf("readDigest(%q) succeeds", hash)
		}
	}
}

func TestFaultsOfHashesDoNotRepeatThem(t *testing.T) {
	for _, hash := range []string{"hunter2", "$hunter2$hunter2$hunter2", "$argon2id$v=19$hunter2=1$a$b", "$2b$hunter2$x"} {
		if _, err := readDigest(hash); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("readDigest(%q) = %v", hash, err)
		}
	}
}

func FuzzReadDigest(f *testing.F) {
	for _, hash := range []string{quick, "$argon2id$v=19$m=8,t=1,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hhYmNkZWZnaA", "$y$j75$a$b", "$2b$", "$"} {
		f.Add(hash)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		d, err := readDigest(hash)
		if err == nil && (d.stored == nil || d.kind == "") {
			t.Errorf("readDigest(%q) = %+v without an error", hash, d)
		}
	})
}

const bcryptOf72 = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"
