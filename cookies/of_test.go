package cookies_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/cookies"
	"foregate/cookies/memstore"
)

func TestSessionsOfAPersonAreTheirsAlone(t *testing.T) {
	s := open(t, memstore.New(), nil)
	signIn(t, s, newBrowser(), alice)
	signIn(t, s, newBrowser(), alice)
	signIn(t, s, newBrowser(), bob)
	for name, test := range map[string]struct {
		people []cookies.Person
		want   []string
	}{
		"one":                    {[]cookies.Person{{alice.Issuer, alice.Subject}}, []string{"alice", "alice"}},
		"two":                    {[]cookies.Person{{alice.Issuer, alice.Subject}, {bob.Issuer, bob.Subject}}, []string{"alice", "alice", "bob"}},
		"twice the same":         {[]cookies.Person{{bob.Issuer, bob.Subject}, {bob.Issuer, bob.Subject}}, []string{"bob"}},
		"nobody":                 {[]cookies.Person{{}, {"", bob.Subject}, {bob.Issuer, ""}}, nil},
		"of another issuer":      {[]cookies.Person{{"https://other.example", bob.Subject}}, nil},
		"without asking for one": {nil, nil},
	} {
		got, err := s.Of(t.Context(), test.people...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, users(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
