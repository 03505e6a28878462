package accounts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
)

// rowErrors lists the row errors of a joined error by line.
func rowErrors(err error) []*RowError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*RowError
		for _, one := range joined.Unwrap() {
			all = append(all, rowErrors(one)...)
		}
		return all
	}
	var row *RowError
	if errors.As(err, &row) {
		return []*RowError{row}
	}
	return nil
}

func TestImportTellsAllBadLinesAndImportsNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Username: "taken", ExternalID: "x1"})
		w.create(t, Account{Email: "two@hospital.example"})
		w.create(t, Account{Email: "two@hospital.example"})
		file := "\ufeffusername,email,name,exempt,status,external_id\n" +
			"good,good@hospital.example,Good,true,active,\n" + // 2
			"bad\u200bname,,,,,\n" + // 3
			",not an address,,,,\n" + // 4
			",,,,,\n" + // 5: nothing to know it by
			"a,,,maybe,,\n" + // 6
			"b,,,,gone,\n" + // 7
			"c,,\n" + // 8: too few columns
			"GOOD,,,,,\n" + // 9: as line 2
			"d,,,,,x1\n" + // 10: the external ID of taken
			",two@hospital.example,,,,\n" + // 11: whose?
			"\"e\n\",,,,,\n" // 12 and 13: fine, outer white space
		_, err := w.Import(t.Context(), desk, strings.NewReader(file))
		var lines []int
		for _, row := range rowErrors(err) {
			lines = append(lines, row.Line)
		}
		// What cannot be read is told first, all of it, and nothing is looked up.
		if diff := cmp.Diff([]int{6, 8}, lines); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		file = strings.Replace(strings.Replace(file, "maybe", "", 1), "c,,\n", "c,,,,,\n", 1)
		_, err = w.Import(t.Context(), desk, strings.NewReader(file))
		lines = nil
		for _, row := range rowErrors(err) {
			lines = append(lines, row.Line)
		}
		if diff := cmp.Diff([]int{3, 4, 5, 7, 9, 10, 11}, lines); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if n := w.count(t, `SELECT count(*) FROM accounts`); n != 3 {
			t.Errorf("%d accounts, want the 3 of before", n)
		}
		if n := w.count(t, `SELECT count(*) FROM audit WHERE action LIKE 'import%'`); n != 0 {
			t.Errorf("%d lines of an import that was none", n)
		}
	})
}

func TestImportMakesAndChangesAccounts(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Email: "alice@hospital.example", Name: "Alice", Roles: []string{"nurse"}, Attributes: map[string]any{"staff": "1", "kept": "yes"}})
		bob := w.create(t, Account{Email: "bob@hospital.example"})
		if err := w.Link(t.Context(), desk, Link{Account: bob.ID, Method: "m", Issuer: "i", Subject: "s"}); err != nil {
			t.Fatal(err)
		}
		file := "username,email,status,roles,attribute:staff\n" +
			"ALICE,alice@hospital.example,,manager; nurse,2\n" +
			",BOB@hospital.example,disabled,,\n" +
			"carol,carol@hospital.example,,,3\n"
		done, err := w.Import(t.Context(), desk, strings.NewReader(file))
		if want := (Imported{Created: 1, Changed: 2}); err != nil || done != want {
			t.Fatalf("got %+v, %v", done, err)
		}
		got, err := w.Get(t.Context(), alice.ID)
		if err != nil || got.Username != "ALICE" || got.Name != "Alice" || !cmp.Equal(got.Roles, []string{"manager", "nurse"}) || !cmp.Equal(got.Attributes, map[string]any{"staff": "2", "kept": "yes"}) {
			t.Errorf("alice: %+v, %v", got, err)
		}
		if told := w.told(); len(told) != 2 || told[1].Account.ID != bob.ID || told[1].Refresh || len(told[1].Links) != 1 {
			t.Errorf("told %+v", told)
		}
		again, err := w.Import(t.Context(), desk, strings.NewReader(file))
		if want := (Imported{Same: 3}); err != nil || again != want {
			t.Errorf("the second time: %+v, %v", again, err)
		}
		limited := Context{Actor: "desk-a", Organisation: "a"}
		for _, file := range []string{"username\nalice\n", "username,organisation\nalice,a\n", "id,organisation\n" + alice.ID + ",a\n"} {
			if _, err := w.Import(t.Context(), limited, strings.NewReader(file)); len(rowErrors(err)) != 1 {
				t.Errorf("the desk of another organisation: %v", err)
			}
		}
	})
}

func TestExportIsImportedAsItWas(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for i, name := range []string{"=cmd|' /C calc'!A0", "+1", "-1", "@x", "'=x", "''+x", "plain, \"quoted\"", "Ünal", "'quoted'"} {
			w.create(t, Account{Username: fmt.Sprint("u", i), Name: name, Roles: []string{"a", "b c"}, Attributes: map[string]any{"n": 1.0, "s": name, "j": "json:1", "l": []any{"x"}}})
		}
		w.create(t, Account{Username: "theirs", Organisation: "b"})
		var file bytes.Buffer
		if err := w.Export(t.Context(), desk, &file); err != nil {
			t.Fatal(err)
		}
		for row := range strings.Lines(file.String()) {
			for cell := range strings.SplitSeq(strings.TrimRight(row, "\n"), ",") {
				if cell = strings.TrimPrefix(cell, `"`); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("a spreadsheet takes %q for a formula", cell)
				}
			}
		}
		done, err := w.Import(t.Context(), desk, bytes.NewReader(file.Bytes()))
		if want := (Imported{Same: 10}); err != nil || done != want {
			t.Errorf("into the same: %+v, %v", done, err)
		}
		other := open(t, sqlite(t, t.TempDir()+"/other.db"))
		withoutID := dropFirstColumn(file.String())
		if _, err := other.Import(t.Context(), desk, strings.NewReader(withoutID)); err != nil {
			t.Fatal(err)
		}
		before, err1 := w.Search(t.Context(), Query{})
		after, err2 := other.Search(t.Context(), Query{})
		if diff := cmp.Diff(before.Accounts, after.Accounts, cmpopts.IgnoreFields(Account{}, "ID", "Source"), cmpopts.SortSlices(func(a, b Account) bool { return a.Username < b.Username })); diff != "" {
			t.Errorf("%v %v (-want +got):\n%s", err1, err2, diff)
		}
		file.Reset()
		if err := w.Export(t.Context(), Context{Organisation: "b"}, &file); err != nil || strings.Count(file.String(), "\n") != 2 {
			t.Errorf("of one organisation: %q, %v", file.String(), err)
		}
	})
}

func dropFirstColumn(file string) string {
	var out strings.Builder
	for row := range strings.Lines(file) {
		_, rest, _ := strings.Cut(row, ",")
		out.WriteString(rest)
	}
	return out.String()
}

func TestFileThatIsNoneIsRefused(t *testing.T) {
	for _, file := range []string{"", "nonsense\n", "username,username\n", "attribute:\n", "username\n\"open\n"} {
		if _, err := readCSV(strings.NewReader(file)); len(rowErrors(err)) == 0 {
			t.Errorf("%q: got %v", file, err)
		}
	}
}

func FuzzImportedFile(f *testing.F) {
	f.Add("username,email\nalice,a@b.example\n")
	f.Add("\ufeffid,attribute:x\n'=1,json:{}\n")
	f.Add("roles\n\"a;b\n;\"\n")
	f.Fuzz(func(t *testing.T, file string) {
		records, err := readCSV(strings.NewReader(file))
		if err != nil {
			return
		}
		for _, r := range records {
			account := r.over(Account{ID: "x", Status: Active})
			_, err := account.stored()
			var fault *authn.Fault
			if err != nil && !errors.As(err, &fault) {
				t.Errorf("line %d: %v", r.line, err)
			}
		}
	})
}

func FuzzCoveredCell(f *testing.F) {
	for _, s := range []string{"=1", "'=1", "''", "'", "", "x", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		covered := Cover(cell)
		if covered != "" && strings.ContainsRune("=+-@\t\r", rune(covered[0])) {
			t.Errorf("Cover(%q) = %q", cell, covered)
		}
		if got := uncover(covered); got != cell {
			t.Errorf("uncover(Cover(%q)) = %q", cell, got)
		}
	})
}
