package cookies_test

import (
	"testing"

	"foregate/cookies/memstore"
)

func TestSE14WatchersLearnOfTheEndAtOnce(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess, other := signIn(t, s, b, alice), signIn(t, s, newBrowser(), bob)
	first, stopFirst := s.Watch(sess)
	second, stopSecond := s.Watch(sess)
	bobs, stopBobs := s.Watch(other)
	defer stopSecond()
	defer stopBobs()
	for range 3 { // nobody has to listen
		s.Forget(sess.Key())
	}
	<-first
	<-second
	stopFirst()
	if err := s.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	<-second
	wantNone(t, s, b)
	select {
	case <-first:
		t.Error("told after it had stopped")
	case <-bobs:
		t.Error("told of somebody else's session")
	default:
	}
}
