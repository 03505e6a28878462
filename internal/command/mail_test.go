package command

import (
	"bytes"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/internal/config"
	"foregate/internal/mail"
	"foregate/internal/mailtest"
	"foregate/proxy/admin"
)

func TestEachMethodHasKeysOfItsOwn(t *testing.T) {
	old, fresh := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("f"), 32)
	keys := func(method string, secrets ...[]byte) [][]byte {
		k, err := methodKeys(secrets, method)
		if err != nil || len(k) != len(secrets) {
			t.Fatalf("%d keys, %v", len(k), err)
		}
		return k
	}
	one := keys("code", fresh, old)
	switch {
	case len(one[0]) != 32 || bytes.Equal(one[0], one[1]):
		t.Error("not a key of 32 bytes for each secret")
	case !bytes.Equal(one[1], keys("code", old)[0]):
		t.Error("the key of a secret depends on what stands beside it")
	case bytes.Equal(one[0], keys("other", fresh)[0]):
		t.Error("two methods share a key")
	}
}

func TestMailerOutlivesAReload(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	fg := &running{log: slog.New(slog.DiscardHandler), metrics: admin.NewMetrics("test")}
	fg.post.figures(fg.metrics)
	t.Cleanup(fg.post.close)
	section := &mail.Config{SMTP: mail.SMTP{Address: server.Addr, CA: authn.Path(server.CA)}, From: "a@careplan.example", Queue: 10}

	if m, err := fg.mailer(&config.File{}); m != nil || err != nil {
		t.Errorf("without the section: %v, %v", m, err)
	}
	m, err := fg.mailer(&config.File{Mail: section})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := fg.mailer(&config.File{Mail: section}); again != m || err != nil {
		t.Errorf("the second time: another one, or %v", err)
	}
	if err := m.Send(t.Context(), authn.Letter{To: "alice@hospital.example", Kind: "code", Values: map[string]string{"code": "012345"}}); err != nil {
		t.Fatal(err)
	}
	server.Next()
	fg.post.close() // so that all is counted
	text := figuresOf(t, fg.metrics)
	for _, want := range []string{"foregate_mail_up 1\n", "foregate_mail_waiting 0\n", "foregate_mail_letters_total{result=\"sent\"} 1\n", "foregate_mail_letters_total{result=\"dropped\"} 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("figures have no %s", want)
		}
	}
}

func figuresOf(t *testing.T, m *admin.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	log := slog.New(slog.DiscardHandler)
	guard, err := admin.NewGuard([][]byte{make([]byte, 32)}, nil, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	admin.NewListener(admin.ListenerParts{Metrics: m, Guard: guard, API: admin.NewAPI(admin.Parts{Log: log}), Near: true}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
