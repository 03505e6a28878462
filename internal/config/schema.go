package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"
)

// Schema is the JSON Schema (2020-12) of the file, for editors. It is made from
// the structs that the file is decoded into, so it cannot promise other keys.
// Checks that look further than one key are not in it.
func Schema(kinds []Kind) ([]byte, error) {
	s := reflected(reflect.TypeFor[File](), kinds)
	s.Version = jsonschema.Version
	s.Title = "Foregate configuration"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("config: write schema: %w", err)
	}
	return append(out, '\n'), nil
}

// reflected is the schema of a struct with everything that our tags say.
func reflected(t reflect.Type, kinds []Kind) *jsonschema.Schema {
	r := &jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		ExpandedStruct:             true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Mapper:                     scalarSchema,
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	annotate(s, t, kinds)
	return s
}

// annotate adds what our tags say to a schema that was reflected from t.
func annotate(s *jsonschema.Schema, t reflect.Type, kinds []Kind) {
	switch {
	case isScalar(t):
	case t.Kind() == reflect.Pointer:
		annotate(s, t.Elem(), kinds)
	case t.Kind() == reflect.Slice:
		annotate(s.Items, t.Elem(), kinds)
	case t.Kind() == reflect.Map && s.AdditionalProperties != nil:
		annotate(s.AdditionalProperties, t.Elem(), kinds)
	case t.Kind() == reflect.Struct:
		for _, f := range fieldsOf(t) {
			property, _ := s.Properties.Get(f.key)
			annotate(property, t.FieldByIndex(f.index).Type, kinds)
			describe(property, t.FieldByIndex(f.index).Type, f)
			if f.required {
				s.Required = append(s.Required, f.key)
			}
		}
		if t == reflect.TypeFor[Method]() {
			addKinds(s, kinds)
		}
	}
}

// describe adds what the tags of one key say.
func describe(s *jsonschema.Schema, t reflect.Type, f field) {
	s.Description = f.doc
	if f.deflt != "" {
		s.Default = jsonDefault(t, f.deflt)
	}
	words := s
	if s.Items != nil {
		words = s.Items
		if f.required {
			one := uint64(1)
			s.MinItems = &one
		}
	}
	for _, word := range f.enum {
		words.Enum = append(words.Enum, word)
	}
	if s.Type == "integer" || s.Type == "number" {
		s.Minimum, s.Maximum = json.Number(f.min), json.Number(f.max)
	}
}

// addKinds lets a method have exactly one section of a kind.
func addKinds(s *jsonschema.Schema, kinds []Kind) {
	for _, k := range kinds {
		section := reflected(reflect.TypeOf(k.New()).Elem(), kinds)
		section.Description = "A method of kind " + k.Name + "."
		s.Properties.Set(k.Name, section)
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{k.Name}})
	}
}

// scalarSchema is the schema of a type that is one text in the file.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case secretType:
		text := &jsonschema.Schema{Type: "string"}
		one := uint64(1)
		forms := jsonschema.NewProperties()
		forms.Set("file", &jsonschema.Schema{Type: "string", Description: "File that holds nothing but the secret; one newline at its end is left out."})
		forms.Set("env", &jsonschema.Schema{Type: "string", Description: "Environment variable that holds the secret."})
		reference := &jsonschema.Schema{
			Type: "object", Properties: forms, AdditionalProperties: jsonschema.FalseSchema,
			MinProperties: &one, MaxProperties: &one,
		}
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, reference}}
	case durationType:
		return &jsonschema.Schema{Type: "string", Pattern: `^0$|^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$`}
	case prefixType, addrType, pathType:
		return &jsonschema.Schema{Type: "string"}
	case urlType.Elem():
		return &jsonschema.Schema{Type: "string", Format: "uri"}
	}
	return nil
}

// jsonDefault is a default as JSON. It panics when the default does not fit: it
// is part of the program.
func jsonDefault(t reflect.Type, text string) any {
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		panic(fmt.Sprintf("config: default %s: %v", text, err))
	}
	if kind := t.Kind(); kind == reflect.String || t == durationType {
		return strings.Trim(text, `"'`)
	}
	return value
}
