package pages

import (
	"cmp"
	"slices"
	"strconv"

	"foregate/authn"
)

// input is one field as the template shows it.
type input struct {
	ID           string
	Name         string
	Type         string // of the HTML element
	Mode         string // inputmode: which keyboard a phone shows
	Label        string
	Autocomplete string
	Value        string
	Fixed        bool
	Invalid      bool // described by the problem above the form
	Focus        bool
}

// formView is a form as form.html shows it.
type formView struct {
	FormPage
	Lead   string // what the step is for; may be empty
	More   string // what helps if it does not go smoothly; may be empty
	Button string
	Inputs []input
}

// view is the form on a page of its own: the cursor waits in it.
func (f FormPage) view(t *tongue) formView {
	w := f.words(t)
	return formView{FormPage: f, Lead: w.Lead, More: w.More, Button: w.Button, Inputs: f.inputs(true)}
}

// formBelow is the form below the choices. The cursor stays away from it, so that
// nobody who listens to the page misses the choices, until it has a problem.
func (c Chooser) formBelow(t *tongue) formView {
	v := c.Form.view(t)
	v.Inputs = c.Form.inputs(c.Form.Form.Problem != "")
	return v
}

// formHeading tells the form from the choices above it.
func (c Chooser) formHeading(t *tongue) string {
	return cmp.Or(plain(t.say(c.Form.Title)), c.Form.words(t).heading, t.say("Sign in here"))
}

// inputs are the fields in their order. What the person need not type again is
// filled in; the cursor goes to the first field that still wants an answer.
func (f FormPage) inputs(focus bool) []input {
	inputs := make([]input, 0, len(f.Form.Fields))
	for i, field := range f.Form.Fields {
		in := inputOf(i, field)
		in.Invalid = f.Form.Problem != "" && in.Value == ""
		inputs = append(inputs, in)
	}
	if len(inputs) == 0 {
		return inputs
	}
	first := max(0, slices.IndexFunc(inputs, func(in input) bool { return in.Value == "" }))
	inputs[first].Focus = focus
	inputs[first].Invalid = f.Form.Problem != ""
	return inputs
}

func inputOf(i int, field authn.Field) input {
	in := input{
		ID:           "field-" + strconv.Itoa(i+1),
		Name:         field.Name,
		Type:         "text",
		Label:        field.Label,
		Autocomplete: field.Autocomplete,
		Value:        field.Value,
		Fixed:        field.Fixed,
	}
	if in.Autocomplete == "" {
		in.Autocomplete = "off"
	}
	switch field.Kind {
	case "email":
		in.Type, in.Mode = "email", "email"
	case "password":
		in.Type, in.Value = "password", ""
	case "code":
		in.Mode, in.Value = "numeric", ""
	}
	return in
}
