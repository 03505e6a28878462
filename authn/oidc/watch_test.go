package oidc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Time
		w := startWatch(env().Log, func(context.Context, *metadata) (*metadata, error) {
			tries = append(tries, time.Now())
			return nil, errors.New("down")
		})
		<-time.After(2 * time.Minute)
		w.close()
		if len(tries) < 5 || len(tries) > 12 {
			t.Errorf("tried %d times in two minutes", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			if gap := tries[i].Sub(tries[i-1]); gap < firstRetry || gap > longestRetry*5/4 {
				t.Errorf("try %d came %s after the one before", i, gap)
			}
		}
	})
}

func TestImpatientPeopleDoNotHurryTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		w := startWatch(env().Log, func(context.Context, *metadata) (*metadata, error) {
			tries++
			return nil, errors.New("down")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := w.get(ctx); err == nil || err.Error() != "down" {
			t.Errorf("got %v, want the reason of the last try", err)
		}
		w.close()
		if tries < 2 || tries > 21 {
			t.Errorf("tried %d times in twenty seconds", tries)
		}
	})
}

func TestCloseEndsATryUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatch(env().Log, func(ctx context.Context, _ *metadata) (*metadata, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		synctest.Wait()
		w.close()
		if _, err := w.current(); err != nil {
			t.Errorf("a try that was cut short is remembered: %v", err)
		}
	})
}
