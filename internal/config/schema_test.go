package config

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema(kinds())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	schema := compiled(t)
	tests := map[string]bool{
		least: true,
		least + "session: {idle: 1h30m, secrets: [{env: A}, {file: b}, cccc]}\n":                             true,
		least + "    headers: {map: {X-A: {claim: b}, X-B: {value: {file: c}}}}\n":                           true,
		least + "    rules: [{path: /x, allow: anyone, networks: [10.0.0.0/8]}]\n":                           true,
		least + "session: {idle: 20}\n":                                                                      false,
		least + "session: {idle: 20x}\n":                                                                     false,
		least + "session: {secrets: [{fil: a}]}\n":                                                           false,
		least + "session: {secrets: [{file: a, env: B}]}\n":                                                  false,
		least + "sesion: {}\n":                                                                               false,
		least + "limits: {max_url_bytes: 0}\n":                                                               false,
		least + "log: {level: loud}\n":                                                                       false,
		least + "    rules: [{allow: all}]\n":                                                                false,
		with("methods: [ward]", "methods: []"):                                                               false,
		with("upstream: {url: http://127.0.0.1:9000}", "upstream: {url: 9000}"):                              false,
		with("upstream: {url: http://127.0.0.1:9000}", "forward_auth: {form: [10.0.0.1]}"):                   false,
		"trusted_proxies: [10.0.0.1]\n" + with("upstream: {url: http://127.0.0.1:9000}", "forward_auth: {}"): true,
		with("badge: {server: https://badge.example}", "title: x"):                                           false,
		with("badge: {server: https://badge.example}", "badge: {}"):                                          false,
		with("badge: {server: https://badge.example}", "badge: {server: a}\n    door: {}"):                   false,
		with("{server: https://badge.example}", "{server: a, scopes: [d]}"):                                  false,
		with("{server: https://badge.example}", "{server: a, free: {x: [1, {y: z}]}, office: {name: bob}}"):  true,
	}
	for text, want := range tests {
		var doc any
		if err := yaml.Load([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); (err == nil) != want {
			t.Errorf("%s\nschema says %v, want right: %v", text, err, want)
		}
	}
}

func TestSchemaSaysWhatEveryKeyIs(t *testing.T) {
	raw, err := Schema(kinds())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Schema(kinds())
	if err != nil || !bytes.Equal(raw, again) {
		t.Error("two runs differ")
	}
	for _, want := range []string{
		`"$schema": "https://json-schema.org/draft/2020-12/schema"`,
		`"default": "20m"`, `"default": 65536`, `"default": true`, `"additionalProperties": false`,
		`"description": "Address of the badge server."`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the schema has no %s", want)
		}
	}
}

func TestIncompleteExampleIsSeen(t *testing.T) {
	example := "#prefix: /sso\n" + least + "log:\n  #level: info\n  # access: true\n"
	got := Undocumented(kinds(), []byte(example))
	for _, want := range []string{
		"log.access: is not in the example", "log.format: is not in the example", "session: is not in the example",
		"methods[].badge.timeout: is not in the example", "methods[].door.open: is not in the example", "apps[].page: is not in the example",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, strings.Join(got, "\n"))
		}
	}
	for _, key := range []string{"log.level:", "prefix:", "apps[].hosts:", "methods[].badge.server:"} {
		if strings.Contains(strings.Join(got, "\n"), key) {
			t.Errorf("misses %s, which is there", key)
		}
	}
	wrong := Undocumented(kinds(), []byte(least+"#prefx: /sso\n#prefix: [\n"))
	if len(wrong) != 1 || !strings.Contains(wrong[0], "is not YAML") {
		t.Errorf("a comment that does not parse: %q", wrong)
	}
	wrong = Undocumented(kinds(), []byte(least+"#prefx: /sso\n"))
	if len(wrong) == 0 || !strings.Contains(wrong[0], "example:9:1: prefx: unknown key") {
		t.Errorf("a comment with an unknown key: %q", wrong)
	}
}
