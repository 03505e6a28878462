package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v4"

	"foregate/authn/accounts"
)

// MethodState is a way to sign in as it is now.
type MethodState struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Kind   string `json:"kind"` // "oidc"
	Usable bool   `json:"usable"`
	Why    string `json:"why,omitempty"` // why it cannot be used
	// Trial says that it can be tried: an app offers it, and it is not for emergencies.
	Trial bool `json:"trial,omitempty"`
	// Warning is what its people should look into though it can be used.
	Warning string `json:"warning,omitempty"`

	// SignIns of this process since its start, by result: ok, refused, failed, unavailable.
	SignIns map[string]int `json:"sign_ins,omitempty"`
	// LastError is why a sign-in failed last in this process.
	LastError string    `json:"last_error,omitempty"`
	LastFault time.Time `json:"last_fault,omitzero"` // when that was

	// Compared is how the last comparison of accounts with this directory ended, by any replica.
	Compared *Compared `json:"compared,omitempty"`
}

// Compared is one comparison of accounts with their directory.
type Compared struct {
	At      time.Time `json:"at"`
	Whole   bool      `json:"whole"`         // the directory was read to its end, and what was found is done
	Why     string    `json:"why,omitempty"` // it was not
	Seen    int       `json:"seen"`          // people in the directory
	Linked  int       `json:"linked"`        // of them with an account
	Changed int       `json:"changed"`
	Left    int       `json:"left"` // lost access
	Back    int       `json:"back"` // have it again
}

// ComparedBy is what a line of the audit trail says of a comparison.
func ComparedBy(e *accounts.Event) *Compared {
	number := func(name string) int { n, _ := e.Detail[name].(float64); return int(n) }
	c := &Compared{At: e.Time, Whole: e.Result == "ok", Seen: number("seen"), Linked: number("linked"), Changed: number("changed"), Left: number("left"), Back: number("back")}
	c.Why, _ = e.Detail["why"].(string)
	return c
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
