package command

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"foregate/cookies"
	"foregate/internal/config"
	"foregate/internal/onetime"
	"foregate/upstream"
)

// secretsInForce are the session secrets, and what is made of them beside methods and
// applications, which are made anew with each configuration.
type secretsInForce struct {
	list     [][]byte
	written  bool // in the configuration; otherwise Foregate made it
	attempts *cookies.Attempts
	codes    *onetime.Codes
	signer   atomic.Pointer[upstream.Signer]
	seals    vaultInForce // of certificates that replicas share

	ctx       context.Context // ends resealing
	stop      context.CancelFunc
	resealing sync.WaitGroup
}

// vaultInForce is a cookies.Vault that can be another from one moment to the next.
type vaultInForce struct{ vault atomic.Pointer[cookies.Vault] }

func (v *vaultInForce) use(secrets [][]byte) error {
	next, err := cookies.NewVault(secrets, "foregate certificates 1")
	if err == nil {
		v.vault.Store(&next)
	}
	return err
}

// Seal implements certificates.Seals.
func (v *vaultInForce) Seal(key string, plain []byte) []byte { return v.vault.Load().Seal(key, plain) }

// Open implements certificates.Seals.
func (v *vaultInForce) Open(key string, sealed []byte) ([]byte, error) {
	return v.vault.Load().Open(key, sealed)
}

// rotation returns the secrets of file if they differ from those in force; nil if not. It
// changes nothing.
func (fg *running) rotation(file *config.File) ([][]byte, error) {
	if len(file.Session.Secrets) == 0 && !fg.secrets.written {
		return nil, nil
	}
	next, err := sessionSecrets(file.Session.Secrets, string(file.Storage.Path))
	if err != nil || slices.EqualFunc(next, fg.secrets.list, bytes.Equal) {
		return nil, err
	}
	known := func(one []byte) bool {
		return slices.ContainsFunc(fg.secrets.list, func(other []byte) bool { return bytes.Equal(one, other) })
	}
	if !slices.ContainsFunc(next, known) {
		return nil, fmt.Errorf("session.secrets: %w, so everybody would be signed out. Put the secret from before behind the new one", cookies.ErrForeignSecret)
	}
	return next, nil
}

// rotate puts secrets in force whose methods and applications serve already.
func (fg *running) rotate(secrets [][]byte, signer *upstream.Signer) error {
	for _, to := range []struct {
		purpose string
		use     func(keys [][]byte) error
	}{
		{"foregate accounts 1", fg.useAccountKeys},
		{"foregate proof 1", fg.secrets.codes.UseKeys},
		{"foregate admin 1", fg.guard.UseKeys},
	} {
		keys, err := deriveKeys(secrets, to.purpose)
		if err != nil {
			return err
		}
		if err := to.use(keys); err != nil {
			return err
		}
	}
	for _, use := range []func([][]byte) error{fg.secrets.seals.use, fg.secrets.attempts.UseSecrets, fg.sessions.UseSecrets} {
		if err := use(secrets); err != nil {
			return err
		}
	}
	fg.secrets.signer.Store(signer)
	fg.secrets.list = secrets
	fg.reseal()
	fg.log.Info("session secrets changed: the first seals from now on", "secrets", len(secrets))
	if err := fg.attest(false); err != nil { // they were replaced in the store by somebody else
		fg.log.Warn("session secrets not compared with the store", "err", err)
	}
	return nil
}

// resealWhen does at last what a start does where the database is there.
func (fg *running) resealWhen(ready <-chan struct{}) {
	if ready == nil {
		return // it was done
	}
	select {
	case <-ready:
		return // here too
	default:
	}
	ctx := fg.secrets.ctx
	fg.secrets.resealing.Go(func() {
		select {
		case <-ready:
			fg.accounts.Reseal(ctx)
		case <-ctx.Done():
		}
	})
}

// reseal goes on beside what is served, and is broken off at the end.
func (fg *running) reseal() {
	if fg.accounts == nil {
		return
	}
	ctx := fg.secrets.ctx
	fg.secrets.resealing.Go(func() { fg.accounts.Reseal(ctx) })
}

func (fg *running) useAccountKeys(keys [][]byte) error {
	if fg.accounts == nil {
		return nil
	}
	return fg.accounts.UseKeys(keys)
}
