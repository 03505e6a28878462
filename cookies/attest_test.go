package cookies_test

import (
	"testing"

	"foregate/cookies"
	"foregate/cookies/memstore"
)

func TestFM22WrongSecretIsNoticedAtTheStart(t *testing.T) {
	store := memstore.New()
	attest := func(secrets ...string) error {
		t.Helper()
		s := open(t, store, func(c *cookies.Config) {
			c.Secrets = nil
			for _, one := range secrets {
				c.Secrets = append(c.Secrets, secret(one))
			}
		})
		return s.Attest(t.Context())
	}
	for _, step := range []struct {
		what    string
		secrets []string
		want    error
	}{
		{"a new store", []string{"a"}, nil},
		{"the same again", []string{"a"}, nil},
		{"another secret", []string{"x"}, cookies.ErrForeignSecret},
		{"a new one in front", []string{"b", "a"}, nil},
		{"a replica that has the old one only", []string{"a"}, nil},
		{"the old one taken away", []string{"b"}, nil},
		{"another secret, still", []string{"x", "y"}, cookies.ErrForeignSecret},
	} {
		got := attest(step.secrets...)
		if step.want == nil && got != nil {
			t.Errorf("%s: %v", step.what, got)
		} else if step.want != nil {
			wantError(t, got, step.want)
		}
	}
	s := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("x")} })
	if err := s.AcceptSecrets(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Attest(t.Context()); err != nil {
		t.Errorf("accepted, yet: %v", err)
	}
}
