package admin

import (
	"maps"
	"slices"
)

// methodRow is a way to sign in as its page shows it.
type methodRow struct {
	MethodState
	Counts []methodCount
}

type methodCount struct {
	Result string
	Number int
}

func (c *Console) methods(*visit) (shown, error) {
	var rows []methodRow
	for _, m := range c.Methods() {
		row := methodRow{MethodState: m}
		for _, result := range slices.Sorted(maps.Keys(m.SignIns)) {
			row.Counts = append(row.Counts, methodCount{result, m.SignIns[result]})
		}
		rows = append(rows, row)
	}
	return shown{page: "methods", title: "Ways to sign in", data: rows}, nil
}

func (c *Console) settings(*visit) (shown, error) {
	text, err := c.Config()
	if err != nil {
		return shown{}, err
	}
	return shown{page: "configuration", title: "Configuration", data: string(text)}, nil
}
