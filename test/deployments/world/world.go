// Package world starts the deployments of examples/ on this machine, with real servers
// around them: providers, directories, partners' pages, mail servers, applications. What
// runs is the example's own file, in which only addresses, secrets and what it marks with
// CHANGE are others.
package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn/accounts"
	"foregate/internal/ldaptest"
	"foregate/internal/mailtest"
	"foregate/internal/optest"
	"foregate/internal/pgtest"
	"foregate/internal/redistest"
	"foregate/internal/ssptest"
	"foregate/test/free"
)

// Names are those of the deployments.
var Names = []string{"careplan", "formulary", "homewatch", "trialbase", "wardwatch"}

// Options of a world.
type Options struct {
	Binary   string        // of Foregate
	Replicas bool          // two, that share Redis and PostgreSQL; else one with the embedded store
	Idle     time.Duration // of sessions, in place of the example's

	// Authorised is how long what the provider says at a sign-in is current; 0 is its own.
	Authorised time.Duration
}

// World is a running deployment.
type World struct {
	T     testing.TB
	Name  string
	Hosts map[string]string // by the host in the example: the address here, without a slash at its end
	Admin string            // address of the console
	Notes []string          // how to try it by hand: who may sign in, and what to look for

	Mail     *mailtest.Server
	OP       *optest.Provider  // Entra ID's part
	Google   *optest.Provider  // another provider's
	SAML     *ssptest.Provider // ADFS's part, or a federation's
	Domain   *ldaptest.DC
	Intranet string // address of the organisation's own page

	options Options
	folder  string // of the first replica's file
	front   *front
	gates   []*gate
	secrets map[string]string
	swaps   [][2]string
	stores  string
	visits  atomic.Int64
	app     string
}

// Start starts a deployment that ends with t.
func Start(t testing.TB, name string, o Options) *World {
	t.Helper()
	i := slices.Index(Names, name)
	if i < 0 {
		t.Fatalf("no deployment is named %q: there are %s", name, strings.Join(Names, ", "))
	}
	w := &World{T: t, Name: name, Hosts: make(map[string]string), options: o, secrets: make(map[string]string)}
	w.front = openFront(w)
	w.app = w.serve(application(name))
	if o.Replicas {
		w.share()
	}
	[]func(*World){careplan, formulary, homewatch, trialbase, wardwatch}[i](w)
	for range w.count() {
		w.open()
	}
	w.Admin = "http://" + w.gates[0].admin
	return w
}

func (w *World) count() int {
	if w.options.Replicas {
		return 2
	}
	return 1
}

// share starts the stores of replicas.
func (w *World) share() {
	pg := new(pgtest.Server)
	w.T.Cleanup(pg.Stop)
	w.stores = fmt.Sprintf("{path: ./data, redis: {addresses: [%q]}, postgres: %q}", redistest.Start(w.T).Addr, pg.Database(w.T))
}

// swap replaces a piece of the example. What is not in it has changed, and so must this.
func (w *World) swap(old, new string) { w.swaps = append(w.swaps, [2]string{old, new}) }

// host gives a host of the example a name on this machine.
func (w *World) host(example, here string) string {
	at := "http://" + here + ".localhost:" + w.front.port
	w.Hosts[example] = at
	w.swap("hosts: ["+example+"]", "hosts: ["+here+".localhost]")
	return at
}

// secret is what a file that the example names holds.
func (w *World) secret(name, value string) { w.secrets[name] = value }

var acme = regexp.MustCompile(`(?m)^tls:\n  acme: .*\n`)

// example is the file of the deployment, for one replica.
func (w *World) example(g *gate) string {
	w.T.Helper()
	path := filepath.Join(moduleRoot(w.T), "examples", w.Name, "foregate.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		w.T.Fatal(err)
	}
	text := acme.ReplaceAllString(string(raw), "")
	put := func(old, new string) {
		if !strings.Contains(text, old) {
			w.T.Fatalf("examples/%s/foregate.yaml has no %q any more", w.Name, old)
		}
		text = strings.ReplaceAll(text, old, new)
	}
	put(`listen: {http: ":80", https: ":443"}`, fmt.Sprintf("listen: {http: %q, admin: %q, drain: 0s}\ntrusted_proxies: [127.0.0.1]", g.addr, g.admin))
	stores := w.stores
	if stores == "" {
		stores = "{path: ./data}"
	}
	put("storage: {path: /var/lib/foregate}", "storage: "+stores)
	secrets := "secrets: [" + strings.Repeat("s", 40) + "]"
	switch {
	case !strings.Contains(text, "\nsession:\n"):
		put("\nmethods:\n", "\nsession:\n  "+secrets+"\n  idle: 20m\nmethods:\n")
	default:
		put("\nsession:\n", "\nsession:\n  "+secrets+"\n")
	}
	if w.options.Idle > 0 {
		put("  idle: 20m", "  idle: "+w.options.Idle.String())
	}
	put(`upstream: {url: "http://127.0.0.1:9000"}`, fmt.Sprintf("upstream: {url: %q}", w.app))
	for _, s := range w.swaps {
		put(s[0], s[1])
	}
	return text
}

// Learn replaces a piece of the running configuration: somebody edits the file.
func (w *World) Learn(old, new string) {
	w.T.Helper()
	w.swap(old, new)
	for _, g := range w.gates {
		g.write(w.example(g))
		g.reload()
	}
}

// Restart ends each replica and starts it again.
func (w *World) Restart() {
	w.T.Helper()
	for _, g := range w.gates {
		g.stop()
		g.start()
	}
}

// Foregate runs a command on the configuration of the first replica.
func (w *World) Foregate(stdin string, args ...string) string {
	w.T.Helper()
	out, err := w.try(stdin, args...)
	if err != nil {
		w.T.Fatalf("foregate %q: %v\n%s", args, err, out)
	}
	return out
}

// Account is one of the accounts, and its links.
func (w *World) Account(name string) (accounts.Account, []accounts.Link) {
	w.T.Helper()
	var found struct {
		Account accounts.Account `json:"account"`
		Links   []accounts.Link  `json:"links"`
	}
	if err := json.Unmarshal([]byte(w.Foregate("", "accounts", "show", name, "--json")), &found); err != nil {
		w.T.Fatal(err)
	}
	return found.Account, found.Links
}

// Program runs a command that needs no configuration.
func (w *World) Program(args ...string) string {
	w.T.Helper()
	out, err := exec.Command(w.options.Binary, args...).CombinedOutput()
	if err != nil {
		w.T.Fatalf("foregate %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (w *World) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(w.options.Binary, append(args, "-c", w.gates[0].file())...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Said is what all replicas wrote.
func (w *World) Said() string {
	var all strings.Builder
	for _, g := range w.gates {
		all.WriteString(g.logs.String())
	}
	return all.String()
}

// File is the configuration as the first replica reads it.
func (w *World) File() string { return w.example(w.gates[0]) }

// Path is where that configuration is.
func (w *World) Path() string { return w.gates[0].file() }

// From says where the next requests come from: an address, as the balancer sees it.
func (w *World) From(address string) { w.front.from.Store(&address) }

// Letter is the next one that was sent.
func (w *World) Letter() mailtest.Letter {
	w.T.Helper()
	return w.Mail.Next()
}

var digits = regexp.MustCompile(`\b\d{6}\b`)

// Code is the code of the next letter.
func (w *World) Code() string {
	w.T.Helper()
	return CodeIn(w.Letter())
}

// CodeIn is the code of a letter.
func CodeIn(l mailtest.Letter) string {
	_, body, _ := strings.Cut(l.Raw, "\r\n\r\n")
	return digits.FindString(body)
}

func (w *World) address() string {
	w.T.Helper()
	a, err := free.Address()
	if err != nil {
		w.T.Fatal(err)
	}
	return a
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above here: start this in the checkout")
		}
		dir = up
	}
}

// Build builds Foregate into a folder.
func Build(dir string) (binary string, err error) {
	binary = filepath.Join(dir, "foregate")
	out, err := exec.Command("go", "build", "-o", binary, "foregate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build Foregate: %w: %s", err, out)
	}
	return binary, nil
}

// logs gathers what a process says.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
