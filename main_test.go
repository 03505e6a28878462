package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"foregate/authn"
	"foregate/internal/config"
	"foregate/test/free"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"foregate": main})
}

// TestStories runs test/stories. Beside the usual commands their scripts have
// these:
//
//	fails STATUS command …   the command must end with this status
//	ready                    wait until the admin listener says so
//	get STATUS path          wait until the public listener answers so
//	metric NAME VALUE        wait until a metric has this value
//	bearer STATUS path TOKEN wait until the admin listener answers so to this token (-: none), and show it
//	signal NAME              send a signal to the program in the background
//
// In *.yaml files and scripts, $HTTP and $ADMIN are free addresses and $TAKEN is
// one that is in use.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "test/stories",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               giveAddresses,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "ready": ready, "get": get, "metric": metric, "bearer": bearer, "signal": signal,
		},
	})
}

func giveAddresses(env *testscript.Env) error {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = taken.Close() })
	env.Setenv("TAKEN", taken.Addr().String())
	for _, name := range []string{"HTTP", "ADMIN"} {
		address, err := free.Address()
		if err != nil {
			return err
		}
		env.Setenv(name, address)
	}
	files, err := filepath.Glob(filepath.Join(env.WorkDir, "*.yaml"))
	if err != nil {
		return err
	}
	fill := strings.NewReplacer("$HTTP", env.Getenv("HTTP"), "$ADMIN", env.Getenv("ADMIN"), "$TAKEN", env.Getenv("TAKEN"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(fill.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails STATUS command ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("ended with %v, want status %d", err, want)
	}
}

func ready(ts *testscript.TestScript, _ bool, _ []string) {
	wait(ts, "foregate is ready", func() bool {
		status, _, err := ask("http://" + ts.Getenv("ADMIN") + "/readyz")
		return err == nil && status == http.StatusOK
	})
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get STATUS path")
	}
	wait(ts, "the answer is "+args[0], func() bool {
		status, _, err := ask("http://" + ts.Getenv("HTTP") + args[1])
		return err == nil && strconv.Itoa(status) == args[0]
	})
}

func metric(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: metric NAME VALUE")
	}
	line := "\n" + args[0] + " " + args[1] + "\n"
	wait(ts, args[0]+" is "+args[1], func() bool {
		_, body, err := ask("http://" + ts.Getenv("ADMIN") + "/metrics")
		return err == nil && strings.Contains(body, line)
	})
}

func bearer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: bearer STATUS path TOKEN")
	}
	wait(ts, "the answer is "+args[0], func() bool {
		r, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("ADMIN")+args[1], nil)
		ts.Check(err)
		if args[2] != "-" {
			r.Header.Set("Authorization", "Bearer "+args[2])
		}
		status, body, err := answer(r)
		if err != nil || strconv.Itoa(status) != args[0] {
			return false
		}
		_, _ = ts.Stdout().Write([]byte(body))
		return true
	})
}

func signal(ts *testscript.TestScript, neg bool, args []string) {
	known := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}
	running := ts.BackgroundCmds()
	if neg || len(args) != 1 || known[args[0]] == 0 || len(running) != 1 {
		ts.Fatalf("usage: signal HUP|TERM|INT, with one program in the background")
	}
	ts.Check(running[0].Process.Signal(known[args[0]]))
}

// wait asks another process until it agrees.
func wait(ts *testscript.TestScript, what string, ask func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	for !ask() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain until %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func ask(url string) (status int, body string, err error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept", "text/html, text/plain")
	return answer(r)
}

func answer(r *http.Request) (status int, body string, err error) {
	client := http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const example = "config.example.yaml"

func TestExampleDocumentsEveryKey(t *testing.T) {
	for _, line := range config.Undocumented(methods, read(t, example)) {
		t.Error(line)
	}
}

func TestSchemaFileIsCurrent(t *testing.T) {
	want, err := config.Schema(methods)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(read(t, "config.schema.json"))); diff != "" {
		t.Errorf("write it anew with: go run . schema > config.schema.json (-want +got)\n%s", diff)
	}
}

func TestSchemaAcceptsTheExampleAndRefusesAMistake(t *testing.T) {
	schema := compiled(t)
	for name, text := range map[string][]byte{
		"the example": read(t, example), "the example with all keys": config.Uncommented(read(t, example)), "a small file": []byte(small),
	} {
		if err := schema.Validate(load(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, change := range [][2]string{{"local:", "locla:"}, {"idle: 20m", "idle: 20"}, {"allow: anyone", "allow: everyone"}} {
		if err := schema.Validate(load(t, []byte(strings.Replace(small, change[0], change[1], 1)))); err == nil {
			t.Errorf("accepts %s", change[1])
		}
	}
}

const small = `
listen: {http: "127.0.0.1:8080", admin: "off"}
session: {idle: 20m, lifetime: 12h}
methods:
  - name: local
    local:
      users: [{user: nora, name: Nora, groups: [staff], password_hash: "$argon2id$..."}]
apps:
  - name: careplan
    hosts: [careplan.example]
    upstream: {url: "http://127.0.0.1:9000"}
    methods: [local]
    rules: [{path: /health, allow: anyone}, {path: /admin/**, groups: [administrators]}]
    headers: {preset: forwarded, assertion: true}
`

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "config.schema.json"
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func load(t *testing.T, text []byte) any {
	t.Helper()
	var doc any
	if err := yaml.Load(text, &doc); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", text, err))
	}
	return doc
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestConfigurationIsShownWithoutSecrets fills every key of every kind of method, each
// secret with a text of its own, and looks for those in what operators are shown.
func TestConfigurationIsShownWithoutSecrets(t *testing.T) {
	file := new(config.File)
	planted := 0
	plant(reflect.ValueOf(file).Elem(), &planted)
	for _, kind := range methods {
		c := kind.New()
		plant(reflect.ValueOf(c).Elem(), &planted)
		file.Methods = append(file.Methods, config.Method{Name: kind.Name, Kind: kind.Name, Config: c})
	}
	text, err := file.Dump()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "planted-secret") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	if n := strings.Count(string(text), "(secret)"); n != planted || n < 10 {
		t.Errorf("%d secrets were planted, and %d are shown masked", planted, n)
	}
}

// TestKeysNamedLikeSecretsAreSecrets: a new key that holds one must not be a plain text.
func TestKeysNamedLikeSecretsAreSecrets(t *testing.T) {
	plain := map[string]bool{ // that only sound like it
		"oidc.id_token_algorithms": true, "oidc.token_endpoint": true, "ldap.password_page": true, "ldap.attributes.key": true,
	}
	looks := regexp.MustCompile(`password|secret|token|hash|(^|_)key$|credential`)
	var look func(rt reflect.Type, path string)
	look = func(rt reflect.Type, path string) {
		for rt.Kind() == reflect.Pointer || rt.Kind() == reflect.Slice || rt.Kind() == reflect.Map {
			rt = rt.Elem()
		}
		if rt.Kind() != reflect.Struct || rt == reflect.TypeFor[authn.Secret]() || rt.PkgPath() == "net/netip" || rt.PkgPath() == "net/url" {
			return
		}
		for i := range rt.NumField() {
			f := rt.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" || key == "-" {
				continue
			}
			of := f.Type
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
				of = of.Elem()
			}
			if of.Kind() == reflect.String && of != reflect.TypeFor[authn.Path]() && looks.MatchString(key) && !plain[path+"."+key] {
				t.Errorf("%s.%s is a plain text; make it an authn.Secret", path, key)
			}
			look(f.Type, path+"."+key)
		}
	}
	look(reflect.TypeFor[config.File](), "")
	for _, kind := range methods {
		look(reflect.TypeOf(kind.New()), kind.Name)
	}
}

// plant gives every key of v a value, and counts the secrets.
func plant(v reflect.Value, planted *int) {
	switch t := v.Type(); {
	case t == reflect.TypeFor[authn.Secret]():
		*planted++
		v.Set(reflect.ValueOf(authn.NewSecret(fmt.Sprint("planted-secret-", *planted))))
	case t == reflect.TypeFor[*url.URL]():
		v.Set(reflect.ValueOf(&url.URL{Scheme: "https", Host: "app.example", User: url.UserPassword("u", "planted-secret-in-url")}))
	case t.PkgPath() == "net/netip" || t.PkgPath() == "time":
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		plant(v.Elem(), planted)
	case t.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if key := t.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
				plant(v.Field(i), planted)
			}
		}
	case t.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		plant(v.Index(0), planted)
	case t.Kind() == reflect.Map:
		value := reflect.New(t.Elem()).Elem()
		plant(value, planted)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(reflect.ValueOf("x").Convert(t.Key()), value)
	case t.Kind() == reflect.String:
		v.SetString("x")
	}
}
