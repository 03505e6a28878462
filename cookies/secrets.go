package cookies

import (
	"errors"
	"fmt"
	"slices"
)

// derived is what Sessions make of the session secrets.
type derived struct {
	marks   []string // by which Attest knows them
	ticket  codec
	stamper stamper
	tagger  tagger
	noter   noter
	kept    codec
	lone    codec
}

func checkSecrets(secrets [][]byte) error {
	if len(secrets) == 0 {
		return errors.New("cookies: no session secret")
	}
	for i, secret := range secrets {
		if len(secret) < minSecret {
			return fmt.Errorf("cookies: session secret %d has %d bytes, it needs %d", i+1, len(secret), minSecret)
		}
	}
	return nil
}

func derive(secrets [][]byte) (*derived, error) {
	d := new(derived)
	for _, step := range []func() error{
		func() (err error) { d.marks, err = secretMarks(secrets); return err },
		// The ticket's own age says nothing: the limits are in the record.
		func() (err error) { d.ticket, err = newCodec(secrets, "session", maxTicketCookie, 0); return err },
		func() (err error) { d.stamper, err = newStamper(secrets); return err },
		func() (err error) { d.tagger, err = newTagger(secrets); return err },
		func() (err error) { d.noter, err = newNoter(secrets); return err },
		func() (err error) { d.kept, err = newCodec(secrets, "kept", maxCookie, keptTime); return err },
		func() (err error) { d.lone, err = newCodec(secrets, "lone", maxCookie, LoneMost); return err },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// UseSecrets puts other session secrets in force: the first seals from now on, all open. The
// error is ErrForeignSecret if none of them is in force already, which would sign everybody
// out. What only a secret sealed that is not among them any more is over at once.
func (s *Sessions) UseSecrets(secrets [][]byte) error {
	if err := checkSecrets(secrets); err != nil {
		return err
	}
	next, err := derive(secrets)
	if err != nil {
		return err
	}
	before := s.derived.Load()
	if !share(next.marks, before.marks) {
		return ErrForeignSecret
	}
	s.derived.Store(next)
	if slices.ContainsFunc(before.marks, func(mark string) bool { return !slices.Contains(next.marks, mark) }) {
		s.ForgetAll() // memory knows sessions by their cookie, whatever sealed it
	}
	return nil
}
