package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/internal/config"
)

func TestStartSaysWhatIsServedHow(t *testing.T) {
	file := &config.File{
		Listen: config.Listen{HTTP: ":8080", HTTPS: ":8443", Admin: "off"}, Session: config.Session{Idle: 20 * time.Minute, Lifetime: 12 * time.Hour},
		Storage: config.Storage{Path: "./data", Redis: config.Redis{Addresses: []string{"redis:6379"}, Password: authn.NewSecret(lookPassword)}, Postgres: authn.NewSecret("postgres://u:" + lookPassword + "@db/x")},
		Methods: []config.Method{{Name: "entra", Kind: "oidc"}}, Log: config.Log{Format: "text"},
	}
	for i := range 7 {
		file.Apps = append(file.Apps, appAt(t, fmt.Sprintf("app%d", i), "http://127.0.0.1:9000"))
	}
	var text, lines bytes.Buffer
	announce(&text, newLog(file.Log, &lines), file)
	if got := strings.Count(text.String(), "\n"); got != 5 || lines.Len() != 0 {
		t.Errorf("%d lines:\n%s%s", got, text.String(), lines.String())
	}
	for _, want := range []string{"serves 7 apps by 1 sign-in methods", "app0 (app0.example) -> http://127.0.0.1:9000", "and 2 more", "entra (oidc)", "https :8443, http :8080\n", "Redis at redis:6379", "20m0s idle, 12h0m0s in all"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	text.Reset()
	file.Log.Format = "json"
	announce(&text, newLog(file.Log, &lines), file)
	var line struct {
		Msg     string
		Apps    []string
		Storage []string
	}
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Msg != "serving" || len(line.Apps) != 7 || text.Len() != 0 {
		t.Errorf("%v: %s", err, lines.String())
	}
	if strings.Contains(lines.String(), lookPassword) {
		t.Error("a secret is told")
	}
}
