package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"foregate/authn"
	"foregate/authn/handoff"
	"foregate/authn/local"
	"foregate/internal/config"
	"foregate/internal/demo"
)

func (sh *shell) demoCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on this machine: a sample application behind the gate",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return sh.demo(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON line when ready, for scripts")
	return cmd
}

type demoUser struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`
	Full     string   `json:"-"`
	Hash     string   `json:"-"`
	Groups   []string `json:"-"`
}

// demo serves the sample application behind a real Foregate, everything on
// loopback and in a temporary folder that goes away at the end.
func (sh *shell) demo(ctx context.Context, asJSON bool) error {
	folder, err := os.MkdirTemp("", "foregate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	legacy := &http.Server{Handler: demo.App(), ReadHeaderTimeout: 10 * time.Second}
	defer legacy.Close()
	go func() { _ = legacy.Serve(app) }()

	users, err := demoUsers()
	if err != nil {
		return err
	}
	front, adminAddr, token := freePort("127.0.0.1:8080"), freePort("127.0.0.1:9180"), newSecret()
	partner, err := demoPartner(front)
	if err != nil {
		return err
	}
	defer partner.close()
	file, err := demoConfig(sh.Tables, folder, map[string]any{
		"Front": front, "Admin": adminAddr, "Token": token, "App": app.Addr().String(), "Users": users, "Partner": partner.url, "Key": partner.key,
	})
	if err != nil {
		return err
	}
	fg, err := start(file, sh.Tables, sh.err, false)
	if err != nil {
		return err
	}
	defer fg.stop()
	if err := sh.announce(asJSON, "http://"+front, "http://"+adminAddr, token, partner.url, users); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-fg.failed:
		return err
	}
}

// partner is the page of an organisation that shares a key with the demonstration.
type partner struct {
	url, key string
	close    func()
}

func demoPartner(front string) (partner, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return partner{}, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	p := partner{url: "http://" + l.Addr().String(), key: hex.EncodeToString(key)}
	c := &handoff.Config{Page: p.url + "/sso", Format: "aes-gcm", Keys: []handoff.Key{{Key: authn.NewSecret(p.key)}}}
	made, err := handoff.NewPartner(c, "st-elsewhere")
	if err != nil {
		return partner{}, errors.Join(err, l.Close())
	}
	page := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: demo.Partner("http://"+front, func() (string, error) {
		query, err := made.Mint(handoff.Draft{User: "wward", Name: "Wendy Ward", Made: time.Now(), Host: front})
		return query.Encode(), err
	})}
	go func() { _ = page.Serve(l) }()
	p.close = func() { _ = page.Close() }
	return p, nil
}

func demoUsers() ([]demoUser, error) {
	users := []demoUser{
		{Name: "nora", Full: "Nora (nurse)", Groups: []string{"staff"}},
		{Name: "adam", Full: "Adam (administrator)", Groups: []string{"staff", "administrators"}},
	}
	for i := range users {
		users[i].Password = demoPassword()
		hash, err := local.Hash(users[i].Password)
		if err != nil {
			return nil, err
		}
		users[i].Hash = hash
	}
	return users, nil
}

// demoPassword is easy to type and new each time.
func demoPassword() string {
	colours := []string{"amber", "blue", "coral", "green", "ivory", "olive", "plum", "red", "silver", "teal"}
	things := []string{"apple", "boat", "candle", "drum", "feather", "kettle", "lamp", "pebble", "spoon", "window"}
	return fmt.Sprintf("%s-%s-%03d", colours[pick(len(colours))], things[pick(len(things))], pick(1000))
}

func pick(n int) int {
	i, _ := rand.Int(rand.Reader, big.NewInt(int64(n))) // never fails (crypto/rand)
	return int(i.Int64())
}

// freePort is the wanted address, or another port where that one is taken.
func freePort(wanted string) string {
	for _, address := range []string{wanted, "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return wanted
}

var demoFile = template.Must(template.New("demo").Parse(`
listen: {http: "{{.Front}}", admin: "{{.Admin}}"}
storage: {path: "."}
session: {idle: 20m, lifetime: 12h}
log: {format: text, level: warn, access: false}
admin: {tokens: [{name: demo, role: owner, token: "{{.Token}}"}]}
methods:
  - name: local
    title: User name and password
    local:
      users:
{{- range .Users}}
        - {user: {{.Name}}, name: "{{.Full}}", groups: [{{range $i, $g := .Groups}}{{if $i}}, {{end}}{{$g}}{{end}}], password_hash: "{{.Hash}}"}
{{- end}}
  - name: st-elsewhere
    title: I work at St Elsewhere
    handoff: {page: "{{.Partner}}/sso", format: aes-gcm, keys: [{key: "{{.Key}}"}]}
apps:
  - name: careplan
    hosts: ["{{.Front}}"]
    upstream: {url: "http://{{.App}}"}
    methods: [local, st-elsewhere]
    rules:
      - {path: /health, allow: anyone}
      - {path: /admin/**, groups: [administrators]}
    headers: {preset: forwarded, assertion: true}
    page:
      title: Careplan
      help: This is a demonstration. The terminal that you started it in shows two people who may sign in.
`))

func demoConfig(tables Tables, folder string, facts map[string]any) (*config.File, error) {
	var text bytes.Buffer
	if err := demoFile.Execute(&text, facts); err != nil {
		return nil, err
	}
	file, err := config.Parse("the demonstration's configuration", text.Bytes(), folder, tables.Methods)
	if err != nil {
		return nil, errors.Join(errors.New("this is a bug in Foregate"), err)
	}
	return file, nil
}

func (sh *shell) announce(asJSON bool, url, adminURL, token, partnerURL string, users []demoUser) error {
	if asJSON {
		return json.NewEncoder(sh.out).Encode(map[string]any{"url": url, "admin": adminURL, "admin_token": token, "partner": partnerURL, "users": users})
	}
	fmt.Fprintf(sh.out, `
Foregate is guarding a sample application. Open

    %s

in a browser and sign in as one of

`, url)
	for _, u := range users {
		fmt.Fprintf(sh.out, "    %-6s %-22s %s\n", u.Name, u.Password, u.Full)
	}
	_, err := fmt.Fprintf(sh.out, `
or follow the link on a partner's intranet page, which knows its people already:

    %s

Only the administrator may open %s/admin/.

The console for those who look after Foregate is at %s; its token is

    %s

Everything is in a temporary folder and on this machine alone. End with Ctrl-C.
`, partnerURL, url, adminURL, token)
	return err
}
