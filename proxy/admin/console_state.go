package admin

import (
	"cmp"
	"maps"
	"slices"
)

// methodRow is a way to sign in as its page shows it.
type methodRow struct {
	MethodState
	Counts []methodCount
}

// methodsPage is all ways to sign in.
type methodsPage struct {
	Rows   []methodRow
	MayTry bool
}

// signInWords are outcomes of sign-ins in plain words.
var signInWords = map[string]string{"ok": "signed in", "failed": "failed", "reentered": "came back", "unavailable": "could not be tried"}

type methodCount struct {
	Result string
	Number int
}

func (c *Console) methods(v *visit) (shown, error) {
	page := methodsPage{MayTry: c.Try != nil && v.who.May(Desk)}
	for _, m := range c.Methods() {
		row := methodRow{MethodState: m}
		for _, result := range slices.Sorted(maps.Keys(m.SignIns)) {
			row.Counts = append(row.Counts, methodCount{cmp.Or(signInWords[result], resultWords(result)), m.SignIns[result]})
		}
		page.Rows = append(page.Rows, row)
	}
	return shown{page: "methods", title: "Ways to sign in", data: page}, nil
}

func (c *Console) settings(*visit) (shown, error) {
	text, err := c.Config()
	if err != nil {
		return shown{}, err
	}
	return shown{page: "configuration", title: "Configuration", data: string(text)}, nil
}
