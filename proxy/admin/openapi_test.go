package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"foregate/authn/accounts"
)

type described struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Role        Role `json:"x-role"`
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func (w *world) description() (d described) {
	w.t.Helper()
	w.got(Who{}, "GET", "/openapi.json", "", &d)
	return d
}

// TestDescriptionIsOfTheseRoutesAndNoOthers asks for each route as it is described.
func TestDescriptionIsOfTheseRoutesAndNoOthers(t *testing.T) {
	w := newWorld(t)
	w.api.Close()
	d := w.description()
	if d.OpenAPI != "3.1.0" {
		t.Errorf("version %q", d.OpenAPI)
	}
	var got, want, ids []string
	for path, ops := range d.Paths {
		for method, op := range ops {
			name := strings.ToUpper(method) + " " + strings.TrimPrefix(path, base)
			got = append(got, name)
			ids = append(ids, op.OperationID)
			if op.Role != mayDo[name].least {
				t.Errorf("%s is for %q", name, op.Role)
			}
			target := strings.NewReplacer("{account}", "nobody", "{method}", "nobody", "{code}", "nobody").Replace(strings.TrimPrefix(path, base))
			if rec := w.as(owner, strings.ToUpper(method), target, "{}"); rec.Code == http.StatusMethodNotAllowed || rec.Code == 404 && !strings.Contains(target, "nobody") {
				t.Errorf("%s is described, and the answer is %d", name, rec.Code)
			}
		}
	}
	for _, rt := range routes {
		want = append(want, rt.method+" "+rt.path)
	}
	slices.Sort(got)
	slices.Sort(want)
	slices.Sort(ids)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-there are +described):\n%s", diff)
	}
	if len(slices.Compact(ids)) != len(routes) {
		t.Errorf("two operations have one ID: %q", ids)
	}
}

// TestAnswersAreAsDescribed checks real answers and requests against their schemas.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t)
	d := w.description()
	w.withPassword(w.alice)
	w.guard.Use(rules)
	try(t, w.accounts.Link(t.Context(), accounts.Context{Actor: "x"}, accounts.Link{Account: w.alice.ID, Method: "entra", Issuer: "https://idp.example", Subject: "a-1"}))
	try(t, w.accounts.Usage.Count(t.Context(), accounts.Visit{Method: "entra", User: "a"}))
	w.signIn("https://idp.example", "a-1", "alice")
	for _, ask := range []struct{ method, path, query, body string }{
		{"GET", "/who", "", ""},
		{"POST", "/sign-in", "", `{"token":"` + nightly + `"}`},
		{"POST", "/sign-out", "", `{}`},
		{"GET", "/accounts", "?count=true", ""},
		{"GET", "/accounts/{account}", "", ""},
		{"GET", "/accounts/{account}/sessions", "", ""},
		{"GET", "/audit", "", ""},
		{"GET", "/usage", "", ""},
		{"GET", "/sessions", "", ""},
		{"GET", "/methods", "", ""},
		{"POST", "/methods/entra/try", "", `{"app":"careplan"}`},
		{"POST", "/accounts", "", `{"username":"dave","exempt":false,"attributes":{"ward":null}}`},
		{"PATCH", "/accounts/{account}", "", `{"name":"Alice","roles":["nurse"],"attributes":{"x":1}}`},
		{"POST", "/accounts/{account}/disable", "", `{}`},
		{"POST", "/accounts/{account}/enable", "", `{}`},
		{"POST", "/accounts/{account}/exempt", "", `{"exempt":true}`},
		{"POST", "/accounts/{account}/link", "", `{"method":"adfs","issuer":"https://adfs.example","subject":"a"}`},
		{"POST", "/accounts/{account}/unlink", "", `{"issuer":"https://adfs.example","subject":"a"}`},
		{"PUT", "/accounts/{account}/roles", "", `{"roles":["nurse"]}`},
		{"PUT", "/accounts/{account}/password", "", `{"password":"` + password + `"}`},
		{"DELETE", "/accounts/{account}/password", "", ``},
		{"DELETE", "/accounts/{account}/totp", "", ``},
		{"PUT", "/accounts/{account}/logins/formulary", "", `{"user":"AARCHER","password":"secret"}`},
		{"DELETE", "/accounts/{account}/logins/formulary", "", ``},
		{"POST", "/accounts/{account}/sessions/end", "", `{}`},
		{"POST", "/sessions/revoke", "", `{"user":"alice"}`},
		{"POST", "/import/accounts", "", "username\nerin\n"},
		{"DELETE", "/accounts/{account}", "", ""},
	} {
		op := d.Paths[base+strings.NewReplacer("/entra/", "/{method}/", "/formulary", "/{app}").Replace(ask.path)][strings.ToLower(ask.method)]
		rec := w.as(owner, ask.method, strings.ReplaceAll(ask.path, "{account}", "alice")+ask.query, ask.body)
		if rec.Code != 200 {
			t.Errorf("%s %s: %d %s", ask.method, ask.path, rec.Code, rec.Body)
			continue
		}
		fits(t, ask.method+" "+ask.path, op.Responses["200"].Content["application/json"].Schema, rec.Body.Bytes())
		if schema := op.RequestBody.Content["application/json"].Schema; schema != nil {
			fits(t, "request of "+ask.path, schema, []byte(ask.body))
		}
	}
	for _, rec := range [][]byte{
		w.as(owner, "GET", "/accounts/nobody", "").Body.Bytes(), w.as(owner, "POST", "/accounts", `{"username":"x","email":"y"}`).Body.Bytes(),
		w.as(owner, "POST", "/import/accounts", "username,email\nx,y\n").Body.Bytes(),
	} {
		fits(t, "an error", d.Components.Schemas["Error"], rec)
	}
}

func fits(t *testing.T, what string, schema json.RawMessage, answer []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil || len(schema) == 0 {
		t.Errorf("%s: no schema: %v", what, err)
		return
	}
	try(t, c.AddResource("schema.json", doc))
	compiled, err := c.Compile("schema.json")
	try(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	try(t, err)
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v\n%s", what, err, answer)
	}
}
