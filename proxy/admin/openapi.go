package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
)

// describe makes the OpenAPI 3.1 description from the routes and the types that they
// read and answer with, so that it cannot promise anything else.
func describe() func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		paths := make(map[string]map[string]any)
		for _, rt := range routes {
			if paths[base+rt.path] == nil {
				paths[base+rt.path] = make(map[string]any)
			}
			paths[base+rt.path][strings.ToLower(rt.method)] = rt.operation()
		}
		text, err := json.Marshal(map[string]any{
			"openapi": "3.1.0",
			"info": map[string]any{
				"title": "Foregate, the operator's API", "version": "1",
				"description": "On the admin listener each request needs an admin token or a pass (see sign-in) as bearer token; on the admin socket its owner needs none. " +
					"Roles: a viewer reads, a desk decides about access too, an owner does everything. Who looks after one organisation sees and changes its people alone.",
			},
			"paths": paths,
			"components": map[string]any{
				"securitySchemes": map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer"}},
				"schemas":         map[string]any{"Error": schemaOf(ErrorInfo{}, true)},
			},
		})
		if err != nil {
			return nil, fmt.Errorf("describe the API: %w", err)
		}
		return text, nil
	})
}

// operation describes one route.
func (rt *route) operation() map[string]any {
	words := rt.words + "."
	if !rt.open {
		words += " For the role " + string(rt.least) + " and above"
		if rt.whole {
			words += ", if not limited to an organisation"
		}
		words += "."
	}
	fault := map[string]any{"description": "What is wrong", "content": map[string]any{
		"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Error"}},
	}}
	op := map[string]any{
		"summary": rt.words, "description": words, "operationId": rt.name(), "parameters": rt.parameters(),
		"responses": map[string]any{strconv.Itoa(http.StatusOK): rt.answer(), "default": fault},
	}
	if !rt.open {
		op["security"] = []any{map[string]any{"bearer": []any{}}}
		op["x-role"] = rt.least
	}
	switch {
	case rt.file:
		op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"text/csv": map[string]any{"schema": map[string]any{"type": "string"}}}}
	case rt.body != nil:
		op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": schemaOf(rt.body, false)}}}
	}
	return op
}

// name is one word: "postAccountsDisable".
func (rt *route) name() string {
	name := strings.ToLower(rt.method)
	for part := range strings.FieldsFuncSeq(rt.path, func(r rune) bool { return !('a' <= r && r <= 'z') }) {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return name
}

func (rt *route) parameters() []any {
	list := []any{}
	if strings.Contains(rt.path, "{account}") {
		list = append(list, map[string]any{
			"name": "account", "in": "path", "required": true, "schema": map[string]any{"type": "string"},
			"description": "ID of the account, or its user name, or an e-mail address that it alone has",
		})
	}
	for _, p := range rt.query {
		list = append(list, map[string]any{"name": p.name, "in": "query", "description": p.words, "schema": map[string]any{"type": "string"}})
	}
	return list
}

func (rt *route) answer() map[string]any {
	if rt.gives == nil {
		return map[string]any{"description": "Done", "content": map[string]any{rt.kind: map[string]any{"schema": map[string]any{"type": "string"}}}}
	}
	return map[string]any{"description": "Done", "content": map[string]any{"application/json": map[string]any{"schema": schemaOf(rt.gives, true)}}}
}

// schemaOf is the JSON Schema of a type. Answers may get more fields one day.
func schemaOf(v any, more bool) *jsonschema.Schema {
	r := &jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, AllowAdditionalProperties: more,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[netip.Addr]():
				return &jsonschema.Schema{Type: "string"}
			case reflect.TypeFor[any]():
				return &jsonschema.Schema{}
			}
			return nil
		},
	}
	s := r.ReflectFromType(reflect.TypeOf(v))
	s.Version = ""
	return s
}
