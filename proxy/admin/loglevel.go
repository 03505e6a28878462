package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// LogLevel is the least important level that is written, which an operator may change
// for a while.
type LogLevel struct {
	level slog.LevelVar

	mu    sync.Mutex
	usual slog.Level // of the configuration
	until time.Time  // zero: the usual one holds
	back  *time.Timer
}

// Level implements slog.Leveler.
func (l *LogLevel) Level() slog.Level { return l.level.Level() }

// Use takes the level of a configuration. A change for a while outlives a reload.
func (l *LogLevel) Use(level slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.usual = level
	if l.until.IsZero() {
		l.level.Set(level)
	}
}

// For changes the level for a while; after it the usual one holds again. With 0 that is
// now.
func (l *LogLevel) For(level slog.Level, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back != nil {
		l.back.Stop()
		l.back = nil
	}
	if d <= 0 {
		l.until = time.Time{}
		l.level.Set(l.usual)
		return
	}
	until := time.Now().Add(d)
	l.until = until
	l.level.Set(level)
	l.back = time.AfterFunc(d, func() { l.end(until) })
}

// end goes back, unless somebody has changed the level anew meanwhile.
func (l *LogLevel) end(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until.Equal(until) {
		l.until = time.Time{}
		l.level.Set(l.usual)
	}
}

func (l *LogLevel) info() LogLevelInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LogLevelInfo{Level: levelName(l.level.Level()), Usual: levelName(l.usual), Until: l.until}
}

// LogLevelInfo is the level that holds now.
type LogLevelInfo struct {
	Level string    `json:"level"`
	Usual string    `json:"usual"`          // of the configuration
	Until time.Time `json:"until,omitzero"` // then the usual one holds again
}

// LogLevelOrder changes it.
type LogLevelOrder struct {
	Level   string `json:"level"`   // debug, info, warn or error; empty: the usual one
	Seconds int    `json:"seconds"` // how long, 1 to 86400; 600 unless given
}

const (
	levelUsually = 10 * time.Minute
	levelMost    = 24 * time.Hour
)

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func levelName(level slog.Level) string {
	for name, l := range levels {
		if l == level {
			return name
		}
	}
	return level.String()
}

var errNoLevel = errors.New("the log's level cannot be changed here")

func showLogLevel(a *API, _ *call) (any, error) {
	if a.Level == nil {
		return nil, badOrder{errNoLevel}
	}
	return a.Level.info(), nil
}

// setLogLevel says so in the log, too.
func setLogLevel(a *API, c *call) (any, error) {
	var o LogLevelOrder
	if err := c.read(&o); err != nil {
		return nil, err
	}
	level, known := levels[o.Level]
	d := time.Duration(o.Seconds) * time.Second
	switch {
	case a.Level == nil:
		return nil, badOrder{errNoLevel}
	case o.Level == "" && o.Seconds == 0:
		a.Level.For(0, 0)
	case !known:
		return nil, badOrder{fmt.Errorf("level is one of debug, info, warn and error")}
	case o.Seconds < 0 || o.Seconds > int(levelMost/time.Second):
		return nil, badOrder{fmt.Errorf("seconds is from 1 to %d", int(levelMost/time.Second))}
	default:
		if d == 0 {
			d = levelUsually
		}
		a.Level.For(level, d)
	}
	now := a.Level.info()
	a.Log.Warn("log level changed by an operator", "request_id", requestID(c.Context()), "by", c.who.Actor, "level", now.Level, "seconds", o.Seconds)
	return now, nil
}
