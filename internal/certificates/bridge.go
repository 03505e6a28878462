package certificates

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap/zapcore"
)

// bridge writes what certmagic says of orders and renewals into our log.
type bridge struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func levelOf(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l >= zapcore.WarnLevel:
		return slog.LevelWarn
	case l >= zapcore.InfoLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Enabled implements zapcore.LevelEnabler.
func (b bridge) Enabled(l zapcore.Level) bool {
	return b.log.Enabled(context.Background(), levelOf(l))
}

// With implements zapcore.Core.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.log, slices.Concat(b.fields, fields)}
}

// Check implements zapcore.Core.
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return c.AddCore(e, b)
	}
	return c
}

// Write implements zapcore.Core.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	into := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(b.fields, fields) {
		f.AddTo(into)
	}
	b.log.Log(context.Background(), levelOf(e.Level), "certificates", "what", e.Message, "more", into.Fields)
	return nil
}

// Sync implements zapcore.Core.
func (b bridge) Sync() error { return nil }
