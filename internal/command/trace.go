package command

import (
	"context"
	"os"

	"foregate/internal/traces"
	"foregate/proxy/admin"
)

// watched opens traces, if the environment asks for them, and returns the store with
// its calls counted and followed.
func (fg *running) watched(opened Store) (Store, error) {
	if !traces.Wanted(os.Getenv) {
		return admin.Watched(opened, fg.metrics, nil), nil
	}
	t, err := traces.Open(context.Background(), version, os.Getenv, fg.log)
	if err != nil {
		return nil, usageError{err}
	}
	fg.tracer = t
	fg.log.Info("traces are sent by OTLP")
	return admin.Watched(opened, fg.metrics, t.Step), nil
}
