package authn

import "encoding/json"

// Trial collects what a method sees while an administrator tries it. Methods note it at
// any rate: to a nil Trial, which is that of everybody else, nothing is written. Neither
// passwords, codes nor tokens are noted.
type Trial struct {
	Checked []Noted // what was verified and with what, in the order of the checks
	Sent    []Noted // what the provider says of the person, under its own names
	Made    []Made  // what became of that
}

// Noted is a name with what was found under it.
type Noted struct {
	Name   string
	Values []string
}

// Made is one part of an identity. Its Value is empty where nothing was sent for it.
type Made struct {
	Part  string   // "user name"
	From  []string // the names that were looked for, in their order
	Value string
}

const mostNoted = 300 // of each kind

// Check notes what was verified.
func (t *Trial) Check(name string, values ...string) {
	if t != nil && len(t.Checked) < mostNoted {
		t.Checked = append(t.Checked, Noted{name, values})
	}
}

// Send notes what the provider says.
func (t *Trial) Send(name string, values ...string) {
	if t != nil && len(t.Sent) < mostNoted {
		t.Sent = append(t.Sent, Noted{name, values})
	}
}

// SendValue notes a claim as JSON has it: a text, a number, a list, an object.
func (t *Trial) SendValue(name string, v any) {
	if t == nil {
		return
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	values := make([]string, len(list))
	for i, one := range list {
		values[i] = Plain(one)
	}
	t.Send(name, values...)
}

// Plain is a JSON value as a person reads it.
func Plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}

// Make notes what a part of the identity was made of.
func (t *Trial) Make(part string, from []string, value string) {
	if t != nil && len(t.Made) < mostNoted {
		t.Made = append(t.Made, Made{part, from, value})
	}
}
