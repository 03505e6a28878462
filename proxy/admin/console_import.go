package admin

import (
	"errors"
	"fmt"
	"net/http"

	"foregate/authn/accounts"
)

const faultsShown = 200 // lines of a file that are named

// importView asks for a file, or says what came of one.
type importView struct {
	Bound   bool
	Done    *accounts.Imported // nil: nothing was imported
	Rows    []RowInfo          // what is wrong, by line
	More    int                // lines at fault that are not named
	Problem string             // what is wrong with the file as a whole
}

func (c *Console) askImport(v *visit) (shown, error) {
	return importPage(v, importView{}), nil
}

func importPage(v *visit, view importView) shown {
	view.Bound = v.who.Organisation != ""
	s := shown{page: "import", title: "Import people", data: view}
	if view.Problem != "" || len(view.Rows) > 0 {
		s.status = http.StatusUnprocessableEntity
	}
	return s
}

// importFile reads the one file of the form as it comes: it is never on the disk here.
func (c *Console) importFile(v *visit) (shown, error) {
	parts, err := v.r.MultipartReader()
	if err != nil {
		return shown{}, errForm
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return importPage(v, importView{Problem: "Choose a file first."}), nil
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		done, err := c.Accounts.Import(v.r.Context(), v.context(), part)
		return importAnswer(v, done, err)
	}
}

func importAnswer(v *visit, done accounts.Imported, err error) (shown, error) {
	if err == nil {
		return importPage(v, importView{Done: &done}), nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return importPage(v, importView{Problem: fmt.Sprintf("The file is larger than %d MiB. Split it, with the line of column names in each part.", maxFile>>20)}), nil
	}
	var view importView
	for _, one := range leaves(err) {
		var row *accounts.RowError
		if !errors.As(one, &row) {
			return shown{}, err
		}
		if len(view.Rows) == faultsShown {
			view.More++
			continue
		}
		view.Rows = append(view.Rows, RowInfo{Line: row.Line, Problem: rowProblem(row.Err)})
	}
	return importPage(v, view), nil
}
