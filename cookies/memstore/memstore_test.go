package memstore

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"foregate/cookies"
	"foregate/cookies/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) cookies.Store { return New() })
}

func TestExpiredRecordsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBounded(10)
		for i := range 10 {
			r := cookies.Record{Data: []byte("v"), Expires: time.Now().Add(time.Duration(i+1) * 10 * time.Second)}
			if err := s.Create(t.Context(), fmt.Sprint(i), r); err != nil {
				t.Fatal(err)
			}
		}
		more := cookies.Record{Data: []byte("v"), Expires: time.Now().Add(time.Hour)}
		if err := s.Create(t.Context(), "more", more); !errors.Is(err, errFull) {
			t.Fatalf("create in a full store: got %v, want %v", err, errFull)
		}
		<-time.After(15 * time.Second)
		if err := s.Create(t.Context(), "more", more); err != nil {
			t.Fatalf("create after one record expired: %v", err)
		}
		<-time.After(2 * time.Minute)
		if _, err := s.Load(t.Context(), "more"); err != nil {
			t.Fatal(err)
		}
		if got := len(s.records); got != 1 {
			t.Errorf("got %d records after sweeping, want 1", got)
		}
	})
}
