package mail

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func good() Config {
	return Config{
		SMTP: SMTP{Address: "smtp.hospital.example:587", Username: "foregate", Password: authn.NewSecret("x")},
		From: "Careplan <no-reply@careplan.example>", Queue: 10,
	}
}

func TestEachFaultNamesItsKey(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	empty := writeFile(t, filepath.Join(t.TempDir(), "empty.pem"), "nothing")
	tests := map[string]struct {
		change func(*Config)
		want   string // path
	}{
		"no port":             {func(c *Config) { c.SMTP.Address = "smtp.hospital.example" }, "smtp.address"},
		"port zero":           {func(c *Config) { c.SMTP.Address = "smtp.hospital.example:0" }, "smtp.address"},
		"a URL":               {func(c *Config) { c.SMTP.Address = "smtp://smtp.hospital.example:25" }, "smtp.address"},
		"no host":             {func(c *Config) { c.SMTP.Address = ":587" }, "smtp.address"},
		"no mailbox":          {func(c *Config) { c.From = "Careplan" }, "from"},
		"two mailboxes":       {func(c *Config) { c.From = "a@b.example, c@d.example" }, "from"},
		"header in from":      {func(c *Config) { c.From = "a@b.example\r\nBcc: c@d.example" }, "from"},
		"quoted from":         {func(c *Config) { c.From = `"a b"@c.example` }, "from"},
		"reply_to":            {func(c *Config) { c.ReplyTo = "desk" }, "reply_to"},
		"domain with @":       {func(c *Config) { c.AllowedDomains = []string{"a.example", "@b.example"} }, "allowed_domains[1]"},
		"domain with a star":  {func(c *Config) { c.AllowedDomains = []string{"*.b.example"} }, "allowed_domains[0]"},
		"empty domain":        {func(c *Config) { c.AllowedDomains = []string{""} }, "allowed_domains[0]"},
		"user alone":          {func(c *Config) { c.SMTP.Password = authn.Secret{} }, "smtp.password"},
		"password alone":      {func(c *Config) { c.SMTP.Username = "" }, "smtp.username"},
		"password, no TLS":    {func(c *Config) { c.SMTP.InsecureNoTLS = true }, "smtp.insecure_no_tls"},
		"TLS and no TLS":      {func(c *Config) { c.SMTP.InsecureNoTLS, c.SMTP.ImplicitTLS = true, true }, "smtp.insecure_no_tls"},
		"authority, no TLS":   {func(c *Config) { c.SMTP = SMTP{Address: "a.example:25", InsecureNoTLS: true, CA: "x"} }, "smtp.ca"},
		"no such authority":   {func(c *Config) { c.SMTP.CA = authn.Path(none) }, "smtp.ca"},
		"empty authority":     {func(c *Config) { c.SMTP.CA = authn.Path(empty) }, "smtp.ca"},
		"helo of two lines":   {func(c *Config) { c.SMTP.HELO = "a\r\nMAIL FROM:<b>" }, "smtp.helo"},
		"no such templates":   {func(c *Config) { c.Templates = authn.Path(none) }, "templates"},
		"templates is a file": {func(c *Config) { c.Templates = authn.Path(empty) }, "templates"},
	}
	for name, tt := range tests {
		c := good()
		tt.change(&c)
		var fault *authn.Fault
		if err := c.Validate(); !errors.As(err, &fault) || fault.Path != tt.want || fault.Problem == "" || fault.Remedy == "" || strings.ContainsAny(fault.Error(), "\r\n") {
			t.Errorf("%s: %v, want a fault of %s", name, err, tt.want)
		}
	}
	c := good()
	if err := c.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	c.From, c.ReplyTo, c.SMTP.Address = "", "x", "y"
	if several, ok := c.Validate().(interface{ Unwrap() []error }); !ok || len(several.Unwrap()) != 3 {
		t.Errorf("not all faults at once: %v", c.Validate())
	}
}

func TestDefaultsOfOneServer(t *testing.T) {
	c := good()
	s, err := c.settings()
	if err != nil {
		t.Fatal(err)
	}
	if s.smtp.HELO != "careplan.example" || s.host != "smtp.hospital.example" || s.port != 587 || s.from.Name != "Careplan" {
		t.Errorf("settings %+v", s)
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// folder of templates, by file name.
func folder(t *testing.T, files map[string]string) authn.Path {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return authn.Path(dir)
}

func TestTextsOfOnesOwn(t *testing.T) {
	texts, err := loadTexts(folder(t, map[string]string{
		"en/code.txt":                           "general {{.Code}}",
		"apps/careplan/en/code.subject.txt":     "Careplan\n",
		"apps/careplan/en/verify.txt":           "careplan verify {{.Code}}",
		"it/code.subject.txt":                   "Codice per {{.App}}",
		"it/code.txt":                           "italiano {{.Code}}",
		"it/code.html":                          "<p>italiano {{.Code}}",
		"apps/careplan/pt-BR/code.subject.txt":  "Código",
		"apps/careplan/pt-BR/code.txt":          "brasil {{.Code}}",
		"apps/careplan/pt-BR/code.html":         "brasil {{.Code}}",
		".gitkeep":                              "",
		".git/apps/careplan/en/nothing.to.read": "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		app, language, kind string
		subject, text       string
	}{
		"general":                        {"other", "", "code", "Your code for Title", "general 1"},
		"app's subject, general text":    {"careplan", "en", "code", "Careplan", "general 1"},
		"app's text, built-in subject":   {"careplan", "en-GB", "verify", "Confirm your address for Title", "careplan verify 1"},
		"built in":                       {"other", "en", "verify", "Confirm your address for Title", ""},
		"another language":               {"other", "it-CH", "code", "Codice per Title", "italiano 1"},
		"language before app":            {"careplan", "it", "code", "Codice per Title", "italiano 1"},
		"variety of an app":              {"careplan", "pt-br", "code", "Código", "brasil 1"},
		"a language without that kind":   {"careplan", "it", "verify", "Confirm your address for Title", "careplan verify 1"},
		"a language that is not there":   {"other", "pl", "code", "Your code for Title", "general 1"},
		"a language that is no such":     {"other", "../en", "code", "Your code for Title", "general 1"},
		"a variety that is not a base's": {"other", "pt", "code", "Your code for Title", "general 1"},
	} {
		w, ok := texts.find(tt.app, tt.language, tt.kind)
		if !ok {
			t.Errorf("%s: none", name)
			continue
		}
		l, err := w.fill(Values{Code: "1", App: "Title"})
		if err != nil || l.Subject != tt.subject || tt.text != "" && l.Text != tt.text {
			t.Errorf("%s: %q, %q, %v, want %q, %q", name, l.Subject, l.Text, err, tt.subject, tt.text)
		}
	}
	if diff := cmp.Diff([]string{"careplan"}, texts.apps()); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
}

func TestTextsThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"another name":         {map[string]string{"en/login.txt": "x"}, "en/login.txt: is not the name of a text"},
		"no language":          {map[string]string{"code.txt": "x"}, "is not the name of a text"},
		"does not parse":       {map[string]string{"en/code.txt": "{{.Code"}, "unclosed action"},
		"html does not parse":  {map[string]string{"en/code.html": "{{if}}"}, "en/code.html"},
		"unknown value":        {map[string]string{"en/code.txt": "{{.Code}} {{.Password}}"}, "can't evaluate field Password"},
		"unsafe html":          {map[string]string{"en/code.html": "<a href='{{.Code}}<script>"}, "en/code"},
		"without the code":     {map[string]string{"en/code.txt": "Hello"}, "does not say {{.Code}}"},
		"html without code":    {map[string]string{"en/code.html": "Hello"}, "does not say {{.Code}}"},
		"code in the subject":  {map[string]string{"en/code.subject.txt": "{{.Code}}"}, "locked phones"},
		"empty subject":        {map[string]string{"en/code.subject.txt": " \n"}, "the subject is empty"},
		"incomplete language":  {map[string]string{"it/code.txt": "{{.Code}}"}, "it/code: has not all of"},
		"app's own incomplete": {map[string]string{"apps/x/pl/code.txt": "{{.Code}}"}, "apps/x/pl/code: has not all of"},
		"too large":            {map[string]string{"en/code.txt": "{{.Code}}" + strings.Repeat("x", maxTemplate)}, "is larger than"},
	} {
		c := good()
		c.Templates = folder(t, tt.files)
		var fault *authn.Fault
		if err := c.Validate(); !errors.As(err, &fault) || fault.Path != "templates" || !strings.Contains(fault.Problem, tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A Kubernetes ConfigMap is a folder of links into a hidden one.
func TestTemplatesBehindLinks(t *testing.T) {
	dir := string(folder(t, map[string]string{"..2026/en/code.txt": "linked {{.Code}}"}))
	for link, to := range map[string]string{"..data": "..2026", "en": "..data/en"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := loadTexts(authn.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := texts.find("", "en", "code")
	if l, err := w.fill(Values{Code: "1"}); err != nil || l.Text != "linked 1" {
		t.Errorf("%q, %v", l.Text, err)
	}
}

func TestTemplatesCannotLeadOutOfTheirFolder(t *testing.T) {
	dir := string(folder(t, map[string]string{"en/x": ""}))
	secret := writeFile(t, filepath.Join(t.TempDir(), "secret"), "{{.Code}} secret")
	if err := os.Remove(filepath.Join(dir, "en", "x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "en", "code.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := loadTexts(authn.Path(dir)); err == nil {
		t.Error("a link out of the folder is read")
	}
}

// Every built-in letter is there in every language, and none has an address that people
// could learn to click.
func TestLettersAreInAllLanguages(t *testing.T) {
	texts, err := loadTexts("")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for _, language := range Languages() {
		for _, kind := range kinds {
			w, ok := texts.of[which{"", language, kind}]
			if !ok {
				t.Errorf("%s/%s is missing", language, kind)
				continue
			}
			l, err := w.fill(Values{Code: "012345", Minutes: "10", App: "Careplan", Name: "Alice"})
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{l.Text, l.HTML} {
				if !strings.Contains(part, "012345") || !strings.Contains(part, "10 ") && !strings.Contains(part, "10\n") || !strings.Contains(part, "Careplan") || !strings.Contains(part, "Alice,") || strings.Contains(part, "http") || strings.Contains(part, "href") {
					t.Errorf("%s/%s says %s", language, kind, part)
				}
			}
			if !strings.Contains(l.HTML, `lang="`+language+`"`) || !strings.Contains(l.HTML, "prefers-color-scheme: dark") {
				t.Errorf("%s/%s: %s", language, kind, l.HTML)
			}
			if other := seen[l.Text]; other != "" {
				t.Errorf("%s/%s is that of %s", language, kind, other)
			}
			seen[l.Text] = language
		}
	}
}
