package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v4"
)

// MethodState is a way to sign in as it is now.
type MethodState struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Kind   string `json:"kind"` // "oidc"
	Usable bool   `json:"usable"`
	Why    string `json:"why,omitempty"` // why it cannot be used
	// Warning is what its people should look into though it can be used.
	Warning string `json:"warning,omitempty"`

	// SignIns of this process since its start, by result: ok, refused, failed, unavailable.
	SignIns map[string]int `json:"sign_ins,omitempty"`
	// LastError is why a sign-in failed last in this process.
	LastError string    `json:"last_error,omitempty"`
	LastFault time.Time `json:"last_fault,omitzero"` // when that was
}

// MethodList is all ways to sign in, in the order of the configuration.
type MethodList struct {
	Methods []MethodState `json:"methods"`
}

func listMethods(a *API, _ *call) (any, error) {
	list := MethodList{Methods: []MethodState{}}
	if a.Methods != nil {
		list.Methods = append(list.Methods, a.Methods()...)
	}
	return list, nil
}

func showConfig(a *API, c *call) (any, error) {
	format, err := c.format("yaml", "json")
	if err != nil {
		return nil, err
	}
	text, err := a.Config()
	if err != nil {
		return nil, err
	}
	if format == "yaml" {
		return download{kind: "application/yaml; charset=utf-8", write: func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		}}, nil
	}
	var tree map[string]any
	if err := yaml.Load(text, &tree); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return tree, nil
}

// PassInfo is a pass and whose it is.
type PassInfo struct {
	Pass string `json:"pass"`
	Idle int    `json:"idle"` // seconds that it holds
	Who  Who    `json:"who"`
}

func signIn(a *API, c *call) (any, error) {
	var s SignIn
	if err := c.read(&s); err != nil {
		return nil, err
	}
	if a.Guard == nil {
		return nil, badOrder{fmt.Errorf("nobody needs to sign in here")}
	}
	pass, who, err := a.Guard.SignIn(c.Context(), s, clientOf(c.Request))
	if err != nil {
		return nil, err
	}
	return PassInfo{Pass: pass, Idle: int(passIdle.Seconds()), Who: who}, nil
}

func signOut(a *API, c *call) (any, error) {
	if text, bearer := bearerOf(c.Request); bearer && a.Guard != nil {
		a.Guard.SignOut(text)
	}
	return c.who, nil
}

func showWho(_ *API, c *call) (any, error) { return c.who, nil }

func (a *API) description(*call) (any, error) {
	text, err := a.describe()
	if err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}
