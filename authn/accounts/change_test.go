package accounts

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestAccountIsKeptAsItWasMade(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		want := Account{
			Username: "Alice", Email: "Alice@Hospital.Example", Name: "Alice Archer", Status: Active, Exempt: true, Organisation: "st-elsewhere",
			Kind: "staff", Roles: []string{"nurse", "manager"}, Attributes: map[string]any{"n": 1.5, "list": []any{"a", true}, "staff": "0017"},
			Source: FromSCIM, ExternalID: "ext-1", Created: w.now(), Changed: w.now(),
		}
		made := w.create(t, want)
		want.ID = made.ID
		if diff := cmp.Diff(want, made); diff != "" || len(made.ID) != 26 {
			t.Errorf("(-want +got):\n%s", diff)
		}
		byEmail, err := w.ByEmail(t.Context(), "ALICE@hospital.example")
		if err != nil || len(byEmail) != 1 {
			t.Fatalf("got %+v, %v", byEmail, err)
		}
		byID, err1 := w.Get(t.Context(), made.ID)
		byName, err2 := w.ByUsername(t.Context(), "ALICE")
		byExternal, err3 := w.ByExternalID(t.Context(), "st-elsewhere", "ext-1")
		for i, got := range []Account{byID, byName, byExternal, byEmail[0]} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("look-up %d: %v %v %v (-want +got):\n%s", i, err1, err2, err3, diff)
			}
		}
		for _, err := range []error{
			errOf(w.Get(t.Context(), "nobody")), errOf(w.ByUsername(t.Context(), "nobody")), errOf(w.ByUsername(t.Context(), "\x00")),
			errOf(w.ByExternalID(t.Context(), "other", "ext-1")), errOf(w.ByLink(t.Context(), "i", "s")),
			w.Disable(t.Context(), desk, "nobody"), w.Delete(t.Context(), desk, "nobody"), w.SetPassword(t.Context(), desk, "nobody", "x"),
			w.Unlink(t.Context(), desk, "i", "s"), w.Link(t.Context(), desk, Link{Account: "nobody", Method: "m", Issuer: "i", Subject: "s"}),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("got %v, want ErrNotFound", err)
			}
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestWhatSomebodyHasIsTaken(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", ExternalID: "1", Organisation: "a"})
		bob := w.create(t, Account{Username: "bob", ExternalID: "2", Organisation: "a"})
		w.create(t, Account{ExternalID: "1", Organisation: "b"}) // of another organisation
		link := Link{Account: alice.ID, Method: "entra", Issuer: "i", Subject: "s"}
		if err := w.Link(t.Context(), desk, link); err != nil {
			t.Fatal(err)
		}
		toBob, second, other := link, link, link
		toBob.Account = bob.ID
		second.Subject = "s2"
		other.Method, other.Subject = "adfs", "s3"
		for name, err := range map[string]error{
			"user name":         errOf(w.Create(t.Context(), desk, Account{Username: "ALICE"})),
			"external ID":       errOf(w.Create(t.Context(), desk, Account{ExternalID: "1", Organisation: "a"})),
			"renamed":           errOf(w.Update(t.Context(), desk, bob.ID, func(a *Account) error { a.Username = "Alice"; return nil })),
			"identity":          w.Link(t.Context(), desk, toBob),
			"identity twice":    w.Link(t.Context(), desk, link),
			"two of one method": w.Link(t.Context(), desk, second),
		} {
			if !errors.Is(err, ErrTaken) {
				t.Errorf("%s: got %v, want ErrTaken", name, err)
			}
		}
		if err := w.Link(t.Context(), desk, other); err != nil {
			t.Errorf("of another method: %v", err)
		}
		if got, err := w.LinksOfIssuer(t.Context(), "i", "s", 10); err != nil || len(got) != 1 || got[0].Subject != "s3" {
			t.Errorf("links after s: %+v, %v", got, err)
		}
	})
}

func TestWhatCannotBeStoredIsNamed(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for want, account := range map[string]Account{
			"username":   {Username: "a\u200bb"},
			"email":      {Email: "Alice <a@b.example>"},
			"status":     {Status: "maybe"},
			"name":       {Name: "a\nb"},
			"roles":      {Roles: []string{""}},
			"attributes": {Attributes: map[string]any{"a": strings.Repeat("x", 40_000)}},
		} {
			_, err := w.Create(t.Context(), desk, account)
			var fault *authn.Fault
			if !errors.As(err, &fault) || fault.Path != want {
				t.Errorf("%s: got %v", want, err)
			}
		}
		if n := w.count(t, `SELECT count(*) FROM accounts`); n != 0 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestChangesTellWhoKeepsTheSessions(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Email: "alice@hospital.example"})
		link := Link{Account: alice.ID, Method: "entra", Issuer: "i", Subject: "s"}
		relink := func() {
			t.Helper()
			if err := w.Link(t.Context(), desk, link); err != nil {
				t.Fatal(err)
			}
		}
		relink()
		rename := func() error {
			_, err := w.Update(t.Context(), desk, alice.ID, func(a *Account) error { a.Name = "Alice"; return nil })
			return err
		}
		for _, test := range []struct {
			name    string
			do      func() error
			why     string
			refresh bool
		}{
			{"link", func() error { return nil }, "", false},
			{"name", rename, "", false},
			{"roles", func() error { return w.SetRoles(t.Context(), desk, alice.ID, []string{"nurse"}) }, "set_roles", true},
			{"the same roles", func() error { return w.SetRoles(t.Context(), desk, alice.ID, []string{"nurse"}) }, "", false},
			{"exempt", func() error { return w.Exempt(t.Context(), desk, alice.ID, true) }, "exempt", true},
			{"password", func() error { return w.SetPassword(t.Context(), desk, alice.ID, "correct horse") }, "set_password", false},
			{"disable", func() error { return w.Disable(t.Context(), desk, alice.ID) }, "disable", false},
			{"disable again", func() error { return w.Disable(t.Context(), desk, alice.ID) }, "", false},
			{"enable", func() error { return w.Enable(t.Context(), desk, alice.ID) }, "", false},
			{"unlink", func() error { return w.Unlink(t.Context(), desk, "i", "s") }, "unlink", false},
			{"delete", func() error { relink(); return w.Delete(t.Context(), desk, alice.ID) }, "delete", false},
		} {
			if err := test.do(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			told := w.told()
			if test.why == "" {
				if len(told) != 0 {
					t.Errorf("%s: told %+v", test.name, told)
				}
				continue
			}
			if len(told) != 1 || told[0].Why != test.why || told[0].Refresh != test.refresh || told[0].Account.ID != alice.ID || len(told[0].Links) != 1 || told[0].Links[0].Subject != "s" {
				t.Errorf("%s: told %+v", test.name, told)
			}
		}
		for _, table := range []string{"accounts", "links", "credentials"} {
			if n := w.count(t, `SELECT count(*) FROM `+table); n != 0 {
				t.Errorf("%d rows left in %s", n, table)
			}
		}
		events, err := w.Audit.List(t.Context(), Filter{Account: alice.ID, Actor: "desk"})
		var actions []string
		for _, e := range slices.Backward(events) {
			actions = append(actions, e.Action)
		}
		want := []string{"create", "link", "change", "set_roles", "exempt", "set_password", "disable", "enable", "unlink", "link", "delete"}
		if diff := cmp.Diff(want, actions); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func TestChangeStandsWhenSessionsCannotBeEnded(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		w.fail = errors.New("the session store is away")
		if err := w.Disable(t.Context(), desk, alice.ID); !errors.Is(err, w.fail) {
			t.Errorf("got %v", err)
		}
		if got, err := w.Get(t.Context(), alice.ID); err != nil || got.Status != Disabled {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestDeskOfOneOrganisationTouchesNoOther(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		theirs := w.create(t, Account{Username: "alice", Email: "alice@b.example", Organisation: "b"})
		ours := w.create(t, Account{Username: "bob", Organisation: "a"})
		if err := w.Link(t.Context(), desk, Link{Account: theirs.ID, Method: "m", Issuer: "i", Subject: "s"}); err != nil {
			t.Fatal(err)
		}
		limited := Context{Actor: "desk-a", Organisation: "a"}
		enrol := func() error { _, err := w.EnrolTOTP(t.Context(), limited, theirs.ID, "Portal"); return err }
		for name, err := range map[string]error{
			"create":    errOf(w.Create(t.Context(), limited, Account{Username: "eve", Organisation: "b"})),
			"update":    errOf(w.Update(t.Context(), limited, theirs.ID, func(a *Account) error { a.Name = "x"; return nil })),
			"take over": errOf(w.Update(t.Context(), limited, theirs.ID, func(a *Account) error { a.Organisation = "a"; return nil })),
			"give away": errOf(w.Update(t.Context(), limited, ours.ID, func(a *Account) error { a.Organisation = "b"; return nil })),
			"disable":   w.Disable(t.Context(), limited, theirs.ID),
			"exempt":    w.Exempt(t.Context(), limited, theirs.ID, true),
			"roles":     w.SetRoles(t.Context(), limited, theirs.ID, []string{"administrator"}),
			"password":  w.SetPassword(t.Context(), limited, theirs.ID, "correct horse"),
			"totp":      w.RemoveTOTP(t.Context(), limited, theirs.ID),
			"enrol":     enrol(),
			"link":      w.Link(t.Context(), limited, Link{Account: theirs.ID, Method: "x", Issuer: "i", Subject: "t"}),
			"unlink":    w.Unlink(t.Context(), limited, "i", "s"),
			"delete":    w.Delete(t.Context(), limited, theirs.ID),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: got %v, want ErrNotFound", name, err)
			}
		}
		for name, err := range map[string]error{
			"create":              errOf(w.Create(t.Context(), limited, Account{Email: "Alice@b.example", Organisation: "a"})),
			"update":              errOf(w.Update(t.Context(), limited, ours.ID, func(a *Account) error { a.Email = "alice@B.example"; return nil })),
			"import":              errOf(w.Import(t.Context(), limited, strings.NewReader("username,email,organisation\nbob,alice@b.example,a\n"))),
			"import of a new one": errOf(w.Import(t.Context(), limited, strings.NewReader("email,organisation\nalice@b.example,a\n"))),
		} {
			if !errors.Is(err, ErrTaken) {
				t.Errorf("%s with the address of somebody else's person: got %v, want ErrTaken", name, err)
			}
		}
		if got, err := w.Get(t.Context(), theirs.ID); err != nil || !cmp.Equal(got, theirs) {
			t.Errorf("it was changed: %+v, %v", got, err)
		}
		if err := w.Disable(t.Context(), limited, ours.ID); err != nil {
			t.Errorf("our own: %v", err)
		}
	})
}

func TestParallelUpdatesLoseNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice"})
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				_, err := w.Update(t.Context(), desk, alice.ID, func(a *Account) error { a.Roles = append(a.Roles, fmt.Sprintf("r%d", i)); return nil })
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, err := w.Get(t.Context(), alice.ID); err != nil || len(got.Roles) != 10 {
			t.Errorf("got %v, %v", got.Roles, err)
		}
	})
}

func TestPeopleSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foregate.db")
	dsn := postgres.Database(t)
	for name, db := range map[string]func() DB{"sqlite": func() DB { return sqlite(t, path) }, "postgres": func() DB { return shared(t, dsn) }} {
		t.Run(name, func(t *testing.T) {
			w := open(t, db())
			alice := w.create(t, Account{Username: "alice", Email: "alice@hospital.example"})
			id := person("s-1", "alice@hospital.example")
			v := w.asked(t, byMail, id)
			if _, err := w.Confirm(t.Context(), byMail, v, id, careplan); err != nil {
				t.Fatal(err)
			}
			if err := w.SetPassword(t.Context(), desk, alice.ID, "correct horse"); err != nil {
				t.Fatal(err)
			}
			if err := w.Usage.Count(t.Context(), Visit{Organisation: "o", Method: "m", User: "u"}); err != nil {
				t.Fatal(err)
			}
			again := open(t, db())
			if got := again.admitted(t, byMail, id); got.Linked || got.Account.ID != alice.ID {
				t.Errorf("got %+v", got)
			}
			if ok, err := again.CheckPassword(t.Context(), alice.ID, "correct horse"); !ok || err != nil {
				t.Errorf("password: %v, %v", ok, err)
			}
			if rows, err := again.Usage.Report(t.Context(), ReportQuery{From: w.now().Add(-time.Hour), To: w.now(), By: ByDay}); err != nil || len(rows) != 1 {
				t.Errorf("usage: %v, %v", rows, err)
			}
			if events, err := again.Audit.List(t.Context(), Filter{Account: alice.ID}); err != nil || len(events) != 6 {
				t.Errorf("audit: %d lines, %v", len(events), err)
			}
		})
	}
}

func TestSearchFindsPartsOfNamesPageByPage(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for i := range 25 {
			w.create(t, Account{Username: fmt.Sprintf("user%02d", i), Email: fmt.Sprintf("u%02d@hospital.example", i), Name: fmt.Sprintf("Näme %02d", i%5), Organisation: []string{"", "a"}[i%2], Kind: "staff"})
		}
		w.create(t, Account{Username: "100%_sure"})
		w.create(t, Account{Username: "100xxsure"})
		var seen []string
		q := Query{Text: "HOSPITAL näm", Limit: 10}
		for pages := 0; ; pages++ {
			page, err := w.Search(t.Context(), q)
			if err != nil || pages > 3 {
				t.Fatalf("page %d: %v", pages, err)
			}
			for _, a := range page.Accounts {
				seen = append(seen, a.Name+a.ID)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(seen) != 25 || !slices.IsSorted(seen) || len(slices.Compact(seen)) != 25 {
			t.Errorf("%d seen: %v", len(seen), seen)
		}
		for _, test := range []struct {
			q    Query
			want int
		}{
			{Query{}, 27},
			{Query{Text: "user0"}, 10},
			{Query{Text: "0%_s"}, 1},
			{Query{Text: `\`}, 0},
			{Query{Text: "a\x00b"}, 0},
			{Query{Organisation: "a"}, 12},
			{Query{Organisation: "-"}, 15},
			{Query{Username: "USER07"}, 1},
			{Query{Email: "u07@HOSPITAL.example", Organisation: "a"}, 1},
			{Query{Email: "u07@hospital.example", Organisation: "-"}, 0},
			{Query{Email: "no address"}, 0},
			{Query{Kind: "staff", Status: Active, Source: FromCreate}, 25},
			{Query{Status: Disabled}, 0},
		} {
			page, err := w.Search(t.Context(), test.q)
			n, err2 := w.Count(t.Context(), test.q)
			if err != nil || err2 != nil || len(page.Accounts) != test.want || n != test.want {
				t.Errorf("%+v: %d accounts, count %d, %v %v, want %d", test.q, len(page.Accounts), n, err, err2, test.want)
			}
		}
		page, err := w.Search(t.Context(), Query{Offset: 20, Limit: 100})
		if err != nil || len(page.Accounts) != 7 || page.Next != "" {
			t.Errorf("after 20: %d, %v", len(page.Accounts), err)
		}
		if _, err := w.Search(t.Context(), Query{After: "***"}); err == nil {
			t.Error("a forged place is taken")
		}
	})
}

func TestAuditIsListedNewestFirstAndPruned(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.pass(time.Hour)
			if err := w.Audit.Append(t.Context(), Event{Actor: "bob\nforged line", Action: "look", Organisation: []string{"a", "b"}[i%2], Detail: map[string]any{"n": i}, RequestID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		first, err := w.Audit.List(t.Context(), Filter{Limit: 2})
		if err != nil || len(first) != 2 || first[0].RequestID != "4" || first[0].Actor != "bobforged line" || first[0].Detail["n"] != 4.0 {
			t.Fatalf("got %+v, %v", first, err)
		}
		next, err := w.Audit.List(t.Context(), Filter{Before: first[1].ID, Organisation: "a"})
		if err != nil || len(next) != 2 || next[0].RequestID != "2" {
			t.Errorf("got %+v, %v", next, err)
		}
		within, err := w.Audit.List(t.Context(), Filter{Since: w.now().Add(-2 * time.Hour), Until: w.now()})
		if err != nil || len(within) != 2 {
			t.Errorf("got %+v, %v", within, err)
		}
		if n, err := w.Audit.Prune(t.Context(), w.now().Add(-time.Hour)); err != nil || n != 3 {
			t.Errorf("pruned %d, %v", n, err)
		}
	})
}

func TestUsageAddsUpByDayOrganisationAndPerson(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				v := Visit{Time: w.now().Add(time.Duration(i%2) * 24 * time.Hour), Organisation: "st-elsewhere", Method: "page", User: fmt.Sprint("u", i%3)}
				if err := w.Usage.Count(t.Context(), v); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		day := w.now()
		for _, test := range []struct {
			q                   ReportQuery
			rows, visits, users int
		}{
			{ReportQuery{By: ByOrganisation, From: day, To: day.Add(24 * time.Hour)}, 1, 12, 3},
			{ReportQuery{By: ByOrganisation, From: day, To: day}, 1, 6, 3},
			{ReportQuery{By: ByDay, From: day, To: day.Add(24 * time.Hour)}, 2, 6, 3},
			{ReportQuery{By: ByUser, From: day, To: day.Add(24 * time.Hour), Method: "page"}, 3, 4, 1},
			{ReportQuery{By: ByUser, From: day, To: day, Organisation: "other"}, 0, 0, 0},
		} {
			rows, err := w.Usage.Report(t.Context(), test.q)
			if err != nil || len(rows) != test.rows {
				t.Errorf("%+v: %+v, %v", test.q, rows, err)
				continue
			}
			if len(rows) > 0 && (rows[0].Visits != test.visits || rows[0].Users != test.users || !rows[0].First.Equal(day)) {
				t.Errorf("%+v: %+v", test.q, rows[0])
			}
		}
		if _, err := w.Usage.Report(t.Context(), ReportQuery{By: "day; DROP TABLE usage"}); err == nil {
			t.Error("any column is reported by")
		}
		if n, err := w.Usage.Prune(t.Context(), day.Add(24*time.Hour)); err != nil || n != 3 {
			t.Errorf("pruned %d, %v", n, err)
		}
	})
}

func TestSessionsThatCouldNotBeEndedAreEndedAgain(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Email: "alice@a.example", Organisation: "a"})
		p := onSight
		p.Organisation = "a"
		w.admitted(t, p, person("s-1", "alice@a.example"))
		mine := Context{Actor: "scim:a", Organisation: "a"}
		w.fail = errors.New("the store is down")
		if err := w.Disable(t.Context(), mine, alice.ID); !errors.Is(err, w.fail) {
			t.Fatalf("disable: %v", err)
		}
		w.fail = nil
		w.told()
		if err := w.EndSessions(t.Context(), Context{Organisation: "b"}, alice.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("by another organisation: %v", err)
		}
		if err := w.EndSessions(t.Context(), mine, alice.ID); err != nil {
			t.Fatal(err)
		}
		told := w.told()
		if len(told) != 1 || told[0].Refresh || told[0].Account.ID != alice.ID || len(told[0].Links) != 1 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestTrailIsReadOnFromALine(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for _, action := range []string{"one", "two", "three", "four"} {
			if err := w.Audit.Append(t.Context(), Event{Actor: "x", Action: action, Result: "ok"}); err != nil {
				t.Fatal(err)
			}
		}
		newest, err := w.Audit.List(t.Context(), Filter{})
		if err != nil || len(newest) != 4 || newest[0].Action != "four" {
			t.Fatalf("newest first: %+v, %v", newest, err)
		}
		for after, want := range map[int64]string{-1: "one two", newest[3].ID: "two three", newest[1].ID: "four", newest[0].ID: ""} {
			events, err := w.Audit.List(t.Context(), Filter{After: after, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, e.Action)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("after %d: %q, want %q", after, got, want)
			}
		}
	})
}
