package accounts

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"foregate/authn"
)

// What authenticator apps understand (RFC 6238): six digits, SHA-1, every 30 seconds.
// One step to each side is accepted, for clocks that are off and people who are slow
// (section 5.2).
const (
	totpPeriod    = 30
	totpSkew      = 1
	recoveryCodes = 10
)

// ErrNoCode means that a code is wrong, was used before, or that none was set up.
var ErrNoCode = errors.New("accounts: wrong code")

// Enrolment is what a person takes into their authenticator app.
type Enrolment struct {
	Secret authn.Secret // base32, to be typed
	URL    authn.Secret // otpauth://, for a QR code; it holds the secret
	Mark   string       // tells this secret from others and gives nothing of it away
}

// EnrolTOTP begins to set up an authenticator app. title is what the app calls this
// place. Nothing changes for the person until ConfirmTOTP; beginning again makes what
// was begun before void.
func (a *Accounts) EnrolTOTP(ctx context.Context, c Context, account, title string) (Enrolment, error) {
	var made Enrolment
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		key, err := totp.Generate(totp.GenerateOpts{Issuer: title, AccountName: who.calledBy(), Period: totpPeriod, SecretSize: 20, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return fmt.Errorf("accounts: make a secret: %w", err)
		}
		sealed, err := a.box().seal(key.Secret(), forTOTP(account))
		if err != nil {
			return err
		}
		const pendSQL = `INSERT INTO credentials (account, totp_pending) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET totp_pending = excluded.totp_pending`
		if _, err := tx.ExecContext(ctx, pendSQL, account, sealed); err != nil {
			return fmt.Errorf("accounts: store a secret of %s: %w", account, err)
		}
		made = enrolment(key)
		return nil
	})
	if err != nil {
		return Enrolment{}, err
	}
	return made, nil
}

// calledBy is the name that an authenticator app shows.
func (a *Account) calledBy() string { return cmp.Or(a.Username, a.Email, a.ID) }

func enrolment(key *otp.Key) Enrolment {
	sum := sha256.Sum256([]byte("foregate enrolment 1 " + key.Secret()))
	return Enrolment{Secret: authn.NewSecret(key.Secret()), URL: authn.NewSecret(key.URL()), Mark: hex.EncodeToString(sum[:16])}
}

// ContinueTOTP is EnrolTOTP, but if what was begun last has this mark, that goes on: the
// picture that a person has scanned stays good when they mistype a code. What somebody
// else has begun meanwhile is never shown.
func (a *Accounts) ContinueTOTP(ctx context.Context, c Context, account, title, mark string) (Enrolment, error) {
	begun, err := a.pendingTOTP(ctx, c, account, title)
	if err == nil && mark != "" && subtle.ConstantTimeCompare([]byte(begun.Mark), []byte(mark)) == 1 {
		return begun, nil
	}
	if err != nil && !errors.Is(err, ErrNoCode) && !errors.Is(err, errUnsealed) {
		return Enrolment{}, err
	}
	return a.EnrolTOTP(ctx, c, account, title)
}

// pendingTOTP is what was begun last; ErrNoCode if nothing was.
func (a *Accounts) pendingTOTP(ctx context.Context, c Context, account, title string) (Enrolment, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	who, err := c.mine(one(ctx, a.db.Reader, `id = $1`, account))
	if err != nil {
		return Enrolment{}, err
	}
	secret, err := a.pendingSecret(ctx, a.db.Reader, account)
	if err != nil {
		return Enrolment{}, err
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return Enrolment{}, fmt.Errorf("accounts: read a secret of %s: %w", account, err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: title, AccountName: who.calledBy(), Period: totpPeriod, Secret: raw, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Enrolment{}, fmt.Errorf("accounts: read a secret of %s: %w", account, err)
	}
	return enrolment(key), nil
}

func (a *Accounts) pendingSecret(ctx context.Context, q conn, account string) (string, error) {
	var sealed []byte
	err := q.QueryRowContext(ctx, `SELECT totp_pending FROM credentials WHERE account = $1`, account).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && sealed == nil {
		return "", ErrNoCode
	}
	if err != nil {
		return "", fmt.Errorf("accounts: look for a secret: %w", err)
	}
	return a.box().open(sealed, forTOTP(account))
}

// ConfirmTOTP ends setting up: code shows that the app has the secret. It returns ten
// recovery codes, which are shown once; earlier ones are void. A wrong code is
// ErrNoCode.
func (a *Accounts) ConfirmTOTP(ctx context.Context, c Context, account, code string) ([]string, error) {
	var codes []string
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		secret, err := a.pendingSecret(ctx, tx, account)
		if err != nil {
			return err
		}
		step, err := matchingStep(secret, code, a.env.Now(), 0)
		if err != nil {
			return err
		}
		const confirmSQL = `UPDATE credentials SET totp = totp_pending, totp_pending = NULL, totp_step = $2 WHERE account = $1`
		if _, err := tx.ExecContext(ctx, confirmSQL, account, step); err != nil {
			return fmt.Errorf("accounts: confirm a secret of %s: %w", account, err)
		}
		if codes, err = newRecoveryCodes(ctx, tx, account); err != nil {
			return err
		}
		return a.noteChange(ctx, tx, c, "totp_set", &who, nil)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// CheckTOTP accepts each code of the account's authenticator app once, and after one no
// earlier one, in whichever order and on whichever replica they come. Any other is
// ErrNoCode. The caller counts tries before it asks.
func (a *Accounts) CheckTOTP(ctx context.Context, account, code string) error {
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := lock(ctx, tx, account)
		if errors.Is(err, ErrNotFound) || err == nil && !who.Open() {
			return ErrNoCode
		}
		if err != nil {
			return err
		}
		var (
			sealed []byte
			last   int64
		)
		err = tx.QueryRowContext(ctx, `SELECT totp, totp_step FROM credentials WHERE account = $1`, account).Scan(&sealed, &last)
		if errors.Is(err, sql.ErrNoRows) || err == nil && sealed == nil {
			return ErrNoCode
		}
		if err != nil {
			return fmt.Errorf("accounts: look for a secret: %w", err)
		}
		secret, err := a.box().open(sealed, forTOTP(account))
		if err != nil {
			return err
		}
		step, err := matchingStep(secret, code, a.env.Now(), last)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE credentials SET totp_step = $2 WHERE account = $1 AND totp_step < $2`, account, step)
		n, err := affected(res, err)
		if err != nil {
			return fmt.Errorf("accounts: spend a code of %s: %w", account, err)
		}
		if n == 0 {
			return ErrNoCode
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNoCode) {
		return unavailable(err)
	}
	return err
}

// matchingStep is the time step that a code is of, if it is later than the last.
func matchingStep(secret, code string, now time.Time, last int64) (int64, error) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' {
			return -1
		}
		return r
	}, code)
	if len(code) != otp.DigitsSix.Length() {
		return 0, ErrNoCode
	}
	current := now.Unix() / totpPeriod
	found := int64(0)
	for step := current - totpSkew; step <= current+totpSkew; step++ {
		want, err := totp.GenerateCodeCustom(secret, time.Unix(step*totpPeriod, 0), totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("accounts: compute a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > last && found == 0 {
			found = step
		}
	}
	if found == 0 {
		return 0, ErrNoCode
	}
	return found, nil
}

// RemoveTOTP takes an authenticator app and the recovery codes from an account, for a
// person who has lost both.
func (a *Accounts) RemoveTOTP(ctx context.Context, c Context, account string) error {
	return a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE credentials SET totp = NULL, totp_pending = NULL WHERE account = $1`, account); err != nil {
			return fmt.Errorf("accounts: remove a secret of %s: %w", account, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE account = $1`, account); err != nil {
			return fmt.Errorf("accounts: remove recovery codes of %s: %w", account, err)
		}
		return a.noteChange(ctx, tx, c, "totp_remove", &who, nil)
	})
}

// RenewRecoveryCodes gives an account that has an authenticator app new recovery codes
// in place of those it has. Without an app it is ErrNoCode.
func (a *Accounts) RenewRecoveryCodes(ctx context.Context, c Context, account string) ([]string, error) {
	var codes []string
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		if _, hasApp, err := factors(ctx, tx, account); err != nil {
			return err
		} else if !hasApp {
			return ErrNoCode
		}
		if codes, err = newRecoveryCodes(ctx, tx, account); err != nil {
			return err
		}
		return a.noteChange(ctx, tx, c, "recovery_codes", &who, nil)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// newRecoveryCodes replaces the recovery codes of an account: 80 bits of chance each,
// so that a plain hash of them is enough.
func newRecoveryCodes(ctx context.Context, tx conn, account string) ([]string, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE account = $1`, account); err != nil {
		return nil, fmt.Errorf("accounts: remove recovery codes of %s: %w", account, err)
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(rand.Text()[:16])
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		if _, err := tx.ExecContext(ctx, `INSERT INTO recovery_codes (account, hash) VALUES ($1, $2)`, account, recoveryHash(account, codes[i])); err != nil {
			return nil, fmt.Errorf("accounts: store recovery codes of %s: %w", account, err)
		}
	}
	return codes, nil
}

func recoveryHash(account, code string) []byte {
	code = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(code))
	sum := sha256.Sum256([]byte("foregate recovery 1 " + account + " " + code))
	return sum[:]
}

// UseRecoveryCode accepts each recovery code once and says how many are left. Any other
// code is ErrNoCode. The caller counts tries before it asks.
func (a *Accounts) UseRecoveryCode(ctx context.Context, c Context, account, code string) (left int, err error) {
	err = a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := lock(ctx, tx, account)
		if errors.Is(err, ErrNotFound) || err == nil && !who.Open() {
			return ErrNoCode
		}
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE account = $1 AND hash = $2`, account, recoveryHash(account, code))
		n, err := affected(res, err)
		if err != nil {
			return fmt.Errorf("accounts: spend a recovery code of %s: %w", account, err)
		}
		if n == 0 {
			return ErrNoCode
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM recovery_codes WHERE account = $1`, account).Scan(&left); err != nil {
			return fmt.Errorf("accounts: count recovery codes of %s: %w", account, err)
		}
		return a.noteChange(ctx, tx, c, "recovery_code", &who, map[string]any{"left": left})
	})
	if err != nil && !errors.Is(err, ErrNoCode) {
		return 0, unavailable(err)
	}
	return left, err
}
