package admin

import (
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogLevelGoesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(LogLevel)
		is := func(want slog.Level) {
			t.Helper()
			synctest.Wait()
			if l.Level() != want {
				t.Errorf("level %v, want %v", l.Level(), want)
			}
		}
		l.Use(slog.LevelInfo)
		l.For(slog.LevelDebug, 10*time.Minute)
		is(slog.LevelDebug)
		time.Sleep(9 * time.Minute)
		l.Use(slog.LevelWarn) // a reload does not end it, and counts after it
		is(slog.LevelDebug)
		time.Sleep(time.Minute)
		is(slog.LevelWarn)

		l.For(slog.LevelDebug, time.Minute)
		time.Sleep(30 * time.Second)
		l.For(slog.LevelDebug, time.Minute) // anew: the first end counts no more
		time.Sleep(45 * time.Second)
		is(slog.LevelDebug)
		l.For(0, 0)
		is(slog.LevelWarn)
		time.Sleep(time.Hour)
		is(slog.LevelWarn)
		l.Use(slog.LevelError)
		is(slog.LevelError)
	})
}

func TestOwnersChangeTheLogLevel(t *testing.T) {
	w := newWorld(t)
	l := new(LogLevel)
	l.Use(slog.LevelInfo)
	w.api.Level = l
	owner := Who{Actor: "x", Role: Owner}
	t.Cleanup(func() { l.For(0, 0) })
	var now LogLevelInfo
	w.got(owner, "PUT", "/log-level", `{"level":"debug"}`, &now)
	if left := time.Until(now.Until); now.Level != "debug" || now.Usual != "info" || left < 9*time.Minute || left > 10*time.Minute || l.Level() != slog.LevelDebug {
		t.Errorf("%+v, %v", now, l.Level())
	}
	for _, body := range []string{`{"level":"loud"}`, `{"level":"debug","seconds":-1}`, `{"level":"debug","seconds":86401}`, `{"seconds":5}`} {
		w.refused(owner, http.StatusBadRequest, "", "PUT", "/log-level", body)
	}
	w.refused(Who{Actor: "y", Role: Desk}, http.StatusForbidden, "owner", "PUT", "/log-level", `{"level":"debug"}`)
	var after, later LogLevelInfo
	w.got(owner, "PUT", "/log-level", `{}`, &after)
	w.got(owner, "GET", "/log-level", ``, &later)
	if now = later; now != after || now.Level != "info" || !now.Until.IsZero() || l.Level() != slog.LevelInfo {
		t.Errorf("%+v, %+v", now, after)
	}
}
