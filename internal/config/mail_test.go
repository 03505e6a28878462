package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSectionMailGetsItsDefaults(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "badge: {server: https://badge.example}", "letter: {}", 1)+
		"mail: {from: Careplan <a@b.example>, templates: \"\", smtp: {address: 'smtp.b.example:587', insecure_no_tls: true}}\n")
	if f.Mail.Queue != 1000 || f.Mail.SMTP.Timeout != 30*time.Second || f.Mail.SMTP.ImplicitTLS {
		t.Errorf("mail %+v", f.Mail)
	}
	if len(f.Warnings) != 2 || f.Warnings[1].Path != "mail.smtp.insecure_no_tls" {
		t.Errorf("warnings %v", f.Warnings)
	}
	if f := mustParse(t, least); f.Mail != nil {
		t.Errorf("without the section: %+v", f.Mail)
	}
}

func TestMailTextsForAnAppThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "texts", "apps", "carepaln", "en")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "code.txt", "{{.Code}}", 0o600)
	text := least + "mail: {from: a@b.example, templates: texts, smtp: {address: 'smtp.b.example:587'}}\n"
	_, err := Parse("foregate.yaml", []byte(text), dir, kinds())
	var faults *Faults
	if !errors.As(err, &faults) || len(faults.All) != 1 || faults.All[0].Path != "mail.templates" || faults.All[0].Nearest != "careplan" {
		t.Errorf("got %v", err)
	}
}
