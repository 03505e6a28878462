package config

import (
	"reflect"
	"strings"

	"foregate/authn"
)

// warner is a method's configuration that knows of risks which no one option is
// named for.
type warner interface {
	// Warnings is asked of a configuration without faults.
	Warnings() []*authn.Fault
}

// risks warns of every option of a method that is named for its risk,
// insecure_…, and is on, and of what the method itself knows.
func (c *checker) risks(path string, config authn.MethodConfig) {
	c.risky(path, reflect.ValueOf(config))
	if w, ok := config.(warner); ok {
		for _, f := range w.Warnings() {
			c.warn(join(path, f.Path), f.Problem, f.Remedy)
		}
	}
}

func (c *checker) risky(path string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil() && !isScalar(v.Type()):
		c.risky(path, v.Elem())
	case v.Kind() == reflect.Slice && !isScalar(v.Type()):
		for i := range v.Len() {
			c.risky(item(path, i), v.Index(i))
		}
	case v.Kind() == reflect.Struct && !isScalar(v.Type()):
		for _, f := range fieldsOf(v.Type()) {
			at := join(path, f.key)
			value := v.FieldByIndex(f.index)
			if strings.HasPrefix(f.key, "insecure_") && value.Kind() == reflect.Bool && value.Bool() {
				c.warn(at, "an insecure option is on", "use it for tests only: "+f.doc)
				continue
			}
			c.risky(at, value)
		}
	}
}
