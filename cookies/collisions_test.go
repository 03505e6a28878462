package cookies_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
	"foregate/cookies/memstore"
)

// runningOn are people whose issuers and subjects are the same text when one is written
// behind the other.
func runningOn() (people []authn.Identity) {
	for _, p := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a 1", "bc"}, {"a", " 1bc"}, {"1 a", "bc"}, {"a\x00", "bc"}, {"a", "\x00bc"}} {
		people = append(people, authn.Identity{
			Method: "op", Issuer: p[0], Subject: p[1], User: p[0] + "/" + p[1],
			Renew: time.Now().Add(time.Minute), Private: map[string]string{"refresh_token": p[0] + "/" + p[1]},
		})
	}
	return people
}

// TestPB13RenewalsNeverCross: all are asked about again at the same time, each with their own
// token, and each is then in their own group.
func TestPB13RenewalsNeverCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessions(t, memstore.New())
		defer s.Close()
		people := runningOn()
		browsers := make([]*browser, len(people))
		for i, id := range people {
			browsers[i] = newBrowser()
			signIn(t, s, browsers[i], id)
		}
		time.Sleep(time.Minute)
		renew := func(_ context.Context, id authn.Identity) (authn.Identity, error) {
			time.Sleep(time.Second) // until all have asked
			id.Groups, id.Renew = []string{"of " + id.Private["refresh_token"]}, time.Now().Add(time.Hour)
			return id, nil
		}
		var all sync.WaitGroup
		for i, id := range people {
			for range 3 {
				all.Go(func() {
					if err := s.Renew(t.Context(), wantUser(t, s, browsers[i], id.User), renew); err != nil {
						t.Errorf("%s: %v", id.User, err)
					}
				})
			}
		}
		all.Wait()
		for i, id := range people {
			if sess := wantUser(t, s, browsers[i], id.User); len(sess.Identity.Groups) != 1 || sess.Identity.Groups[0] != "of "+id.User {
				t.Errorf("%q is in %q", id.User, sess.Identity.Groups)
			}
		}
	})
}

// TestPB13EndingOnePersonsSessionsEndsNobodyElses.
func TestPB13EndingOnePersonsSessionsEndsNobodyElses(t *testing.T) {
	s := open(t, memstore.New(), nil)
	people := runningOn()
	for i := range people {
		people[i].SID = people[i].Subject // as a provider would name the session: with the same text
	}
	b := signedIn(t, s, people...)
	for i, id := range people {
		n, err := s.RevokePerson(t.Context(), id.Issuer, id.Subject)
		wantRevoked(t, n, err, 1)
		wantNone(t, s, b[i])
		for j := i + 1; j < len(people); j++ {
			wantUser(t, s, b[j], people[j].User)
		}
	}
	b = signedIn(t, s, people...)
	for i, id := range people {
		n, err := s.RevokeSID(t.Context(), id.Issuer, "", id.SID)
		wantRevoked(t, n, err, 1)
		wantNone(t, s, b[i])
		for j := i + 1; j < len(people); j++ {
			wantUser(t, s, b[j], people[j].User)
		}
	}
}
