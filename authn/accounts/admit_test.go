package accounts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestStrangerToTheGroupLeavesOneLineAndNothingElse(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "alice@hospital.example"})
		id := person("s-1", "alice@hospital.example")
		id.Groups = []string{"careplan-users", "Others", ""}
		lines := w.count(t, `SELECT count(*) FROM audit`)
		w.refused(t, byMail, id, careplan, NotInGroup)
		id.Groups = nil
		w.refused(t, Policy{Groups: byMail.Groups, Account: AccountCreate}, id, careplan, NotInGroup)
		if got := w.count(t, `SELECT count(*) FROM audit`) - lines; got != 2 {
			t.Errorf("%d lines for two refusals", got)
		}
		if n := w.count(t, `SELECT count(*) FROM accounts`) + w.count(t, `SELECT count(*) FROM links`); n != 1 {
			t.Errorf("%d rows, want the one account", n)
		}
		events, err := w.Audit.List(t.Context(), Filter{Result: string(NotInGroup)})
		if err != nil || len(events) != 2 || events[0].Actor != "s-1" || events[0].App != "careplan" || events[0].RequestID != "r-1" || events[0].Client != careplan.Client {
			t.Errorf("got %+v, %v", events, err)
		}
	})
}

func TestPersonIsLinkedOnceByMailAndRemembered(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "aarcher", Email: "Alice@Hospital.Example", Name: "Alice Archer (ward 7)", Roles: []string{"nurse"}, Attributes: map[string]any{"staff_number": "0017"}})
		id := person("s-1", "alice@hospital.example")
		id.Claims = map[string]any{"department": "Ward 7", "staff_number": "claimed", "account": "forged"}
		v := w.asked(t, byMail, id)
		// The address is the one on the account, as it is written there.
		if want := (Verify{Account: alice.ID, Address: "Alice@Hospital.Example", Masked: "A•••@Hospital.Example", Name: alice.Name}); v != want {
			t.Errorf("got %+v, want %+v", v, want)
		}
		if n := w.count(t, `SELECT count(*) FROM links`); n != 0 {
			t.Fatalf("%d links before the code came back", n)
		}
		got, err := w.Confirm(t.Context(), byMail, v, id, careplan)
		if err != nil || !got.Linked || got.Account.ID != alice.ID {
			t.Fatalf("got %+v, %v", got, err)
		}
		want := id
		want.User, want.Email, want.Name, want.Roles = "aarcher", "Alice@Hospital.Example", alice.Name, []string{"nurse"}
		want.Claims = map[string]any{"department": "Ward 7", "staff_number": "0017", "account": alice.ID}
		if diff := cmp.Diff(want, got.Identity); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
		w.pass(24 * time.Hour)
		again := w.admitted(t, byMail, id)
		if again.Linked || again.Account.ID != alice.ID || !again.Account.LastSignIn.Equal(w.now()) {
			t.Errorf("the second time: %+v", again)
		}
		links, err := w.Links(t.Context(), alice.ID)
		if err != nil || len(links) != 1 || links[0].MadeBy != "mail" || !links[0].Used.Equal(w.now()) || !links[0].Made.Before(links[0].Used) {
			t.Errorf("got %+v, %v", links, err)
		}
		events, err := w.Audit.List(t.Context(), Filter{Account: alice.ID})
		if err != nil {
			t.Fatal(err)
		}
		var story []string
		for _, e := range events {
			story = append(story, e.Action+" "+e.Result)
		}
		if diff := cmp.Diff([]string{"sign_in admitted", "sign_in admitted", "link ok", "sign_in verify", "create ok"}, story); diff != "" {
			t.Errorf("audit (-want +got):\n%s", diff)
		}
	})
}

func TestOI6UnverifiedAddressNeverMatches(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "alice@corp.test"})
		for _, email := range []string{"attacker@evil.com@corp.test", "alice@corp.test.", "alice@corp\u3002test", `"alice"@corp.test`, "alice(x)@corp.test", "", "al\u0131ce@corp.test"} {
			w.refused(t, onSight, person("s-"+email, email), careplan, EmailUnverified)
		}
		id := person("s-1", "alice@corp.test")
		id.Checked = false
		w.refused(t, onSight, id, careplan, EmailUnverified)
		w.refused(t, Policy{Account: AccountExisting}, id, careplan, EmailUnverified)
		// On demand it makes an account of its own, which does not claim the address.
		made := w.admitted(t, Policy{Account: AccountCreate}, id)
		if !made.Created || made.Account.Email != "" {
			t.Errorf("got %+v", made.Account)
		}
		if n := w.count(t, `SELECT count(*) FROM accounts WHERE email_key = 'alice@corp.test'`); n != 1 {
			t.Errorf("%d accounts have the address", n)
		}
		// The true owner, later, at another provider.
		owner := person("s-2", "alice@corp.test")
		owner.Issuer = "https://other.example"
		if got := w.admitted(t, onSight, owner); got.Account.ID == made.Account.ID {
			t.Error("the owner of the address was given the stranger's account")
		}
	})
}

func TestOI7PersonIsIssuerAndSubjectAndNotAnAddress(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		bob := w.create(t, Account{Email: "bob@hospital.example"})
		id := person("s-1", "alice@hospital.example")
		w.admitted(t, onSight, id)

		// Her address at the provider becomes bob's: she stays who she is.
		id.Email = "bob@hospital.example"
		if got := w.admitted(t, onSight, id); got.Account.ID != alice.ID || got.Identity.Email != "alice@hospital.example" {
			t.Errorf("with another address she is %+v", got)
		}
		if got, err := w.Get(t.Context(), bob.ID); err != nil || !got.LastSignIn.IsZero() {
			t.Errorf("bob was touched: %+v, %v", got, err)
		}

		// Another tenant says the same address and the same subject: somebody else.
		other := person("s-1", "alice@hospital.example")
		other.Issuer = "https://idp.evil.example"
		w.refused(t, onSight, other, careplan, ConflictLinked)
		other.Method = "other"
		v := w.asked(t, Policy{Account: AccountExisting}, other)
		if v.Account != alice.ID {
			t.Errorf("got %+v", v)
		}
		if got, err := w.ByLink(t.Context(), other.Issuer, other.Subject); !errors.Is(err, ErrNotFound) {
			t.Errorf("it is linked without a code: %+v, %v", got, err)
		}
	})
}

func TestSM17AccountOfAnotherOrganisationIsNeverMatched(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		root := w.create(t, Account{Username: "root", Email: "root@corp-a.test", Organisation: "corp-a", Attributes: map[string]any{"staff": "1"}})
		w.create(t, Account{Email: "house@corp-a.test"})
		id := person("root", "root@corp-a.test")
		id.Method, id.Issuer, id.Claims = "idp-b", "https://idp.corp-b.test", map[string]any{"staff": "1"}
		inB := Context{App: "portal", Organisation: "corp-b"}
		for _, p := range []Policy{
			{Account: AccountExisting, Verify: VerifyNone},
			{Account: AccountExisting, Verify: VerifyNone, Match: MatchUsername},
			{Account: AccountExisting, Verify: VerifyNone, Match: "attribute:staff"},
			{Account: AccountExisting},
			{Account: AccountCreate},
			{Account: AccountCreate, Match: MatchUsername},
			{Account: AccountCreate, Match: "attribute:staff"},
		} {
			w.refused(t, p, id, inB, WrongOrg)
			w.refused(t, p, id, Context{}, WrongOrg) // of no organisation is not of every one
			p.Organisation = "corp-b"
			w.refused(t, p, id, Context{Organisation: "corp-a"}, WrongOrg)
		}
		house := person("h", "house@corp-a.test")
		house.Method, house.Issuer = id.Method, id.Issuer
		w.refused(t, onSight, house, inB, WrongOrg)
		// Matched by a name of its own, it still does not bring the address of another's.
		id.User = "unheard-of"
		w.refused(t, Policy{Account: AccountCreate, Match: MatchUsername}, id, inB, WrongOrg)

		// The lines that corp-b may read do not name the account.
		if lines, err := w.Audit.List(t.Context(), Filter{Organisation: "corp-b", Account: root.ID}); err != nil || len(lines) != 0 {
			t.Errorf("got %+v, %v", lines, err)
		}
		// Its own provider may, and so may one that is said to be for everybody.
		own := onSight
		own.Organisation = "corp-a"
		id.Method, id.Issuer = "idp-a", "https://idp.corp-a.test"
		if got := w.admitted(t, own, id); got.Account.ID != root.ID {
			t.Errorf("got %+v", got)
		}
		id.Method, id.Issuer = "house", "https://idp.hospital.example"
		if got := w.admitted(t, Policy{Account: AccountExisting, Verify: VerifyNone, Organisation: "*"}, id); got.Account.ID != root.ID {
			t.Errorf("got %+v", got)
		}
		// A linked account that has moved elsewhere is not this provider's any more.
		if _, err := w.Update(t.Context(), desk, root.ID, func(a *Account) error { a.Organisation = "corp-c"; return nil }); err != nil {
			t.Fatal(err)
		}
		id.Method, id.Issuer = "idp-a", "https://idp.corp-a.test"
		w.refused(t, own, id, careplan, WrongOrg)
	})
}

func TestRefusalsNameTheirReason(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "off@x.example", Status: Disabled})
		w.create(t, Account{Email: "two@x.example"})
		w.create(t, Account{Email: "two@x.example"})
		w.create(t, Account{Email: "patient@x.example", Kind: "patient"})
		w.create(t, Account{Email: "both@x.example", Kind: "patient"})
		staff := w.create(t, Account{Email: "both@x.example", Kind: "staff"})
		linked := w.create(t, Account{Email: "linked@x.example"})
		w.create(t, Account{Username: "nomail"})
		taken := w.create(t, Account{Username: "taken"})
		if err := w.Link(t.Context(), desk, Link{Account: linked.ID, Method: "entra", Issuer: "i", Subject: "old"}); err != nil {
			t.Fatal(err)
		}
		kinds := Policy{Account: AccountExisting, Verify: VerifyNone, Kinds: []string{"staff"}}
		exempt := Policy{Account: AccountExisting, Verify: VerifyNone, ExemptOnly: true}
		byName := Policy{Account: AccountExisting, Match: MatchUsername}
		byStaff := Policy{Account: AccountExisting, Match: "attribute:staff"}
		for _, test := range []struct {
			name   string
			policy Policy
			id     authn.Identity
			want   Reason
		}{
			{"nobody has the address", onSight, person("1", "new@x.example"), NoAccount},
			{"disabled", onSight, person("2", "off@x.example"), IsDisabled},
			{"disabled, on demand", Policy{Account: AccountCreate}, person("3", "off@x.example"), IsDisabled},
			{"two accounts", onSight, person("4", "two@x.example"), ConflictSeveral},
			{"another identity", onSight, person("5", "linked@x.example"), ConflictLinked},
			{"another identity, no code is sent", byMail, person("6", "linked@x.example"), ConflictLinked},
			{"patients", kinds, person("7", "patient@x.example"), WrongKind},
			{"not exempt", exempt, person("8", "two@x.example"), ConflictSeveral},
			{"not exempt", exempt, person("9", "linked@x.example"), NotExempt},
			{"no address to send to", byName, person("nomail", ""), NoAddress},
			{"no claim", byStaff, person("10", ""), NotMatched},
			{"no user name", byName, person("\u202e", ""), NotMatched},
			{"the name is taken", Policy{Account: AccountCreate}, person("TAKEN", ""), ConflictName},
		} {
			t.Run(test.name, func(t *testing.T) {
				_, err := w.Admit(t.Context(), test.policy, test.id, careplan)
				var said *authn.Error
				if ReasonOf(err) != test.want || !errors.As(err, &said) || said.Status != http.StatusForbidden || said.Public == "" {
					t.Errorf("got %v, want %s", err, test.want)
				}
				if said != nil && strings.Contains(said.Public, "x.example") {
					t.Errorf("the words hold what is stored: %q", said.Public)
				}
			})
		}
		if got := w.admitted(t, kinds, person("11", "both@x.example")); got.Account.ID != staff.ID {
			t.Errorf("of two the one of the right kind: got %+v", got.Account)
		}
		if got, err := w.Get(t.Context(), taken.ID); err != nil || !got.LastSignIn.IsZero() {
			t.Errorf("the taken name was touched: %+v, %v", got, err)
		}
	})
}

func TestDisabledPersonIsKeptOutThoughLinked(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		id := person("s-1", "alice@hospital.example")
		w.admitted(t, onSight, id)
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Policy{onSight, byMail, {}, {Account: AccountCreate}} {
			w.refused(t, p, id, careplan, IsDisabled)
		}
		if _, err := w.Recheck(t.Context(), onSight, id, careplan); ReasonOf(err) != IsDisabled {
			t.Errorf("recheck: %v", err)
		}
		if err := w.Enable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		w.admitted(t, onSight, id)
	})
}

func TestAccountIsMadeOnDemandAndFollowsTheDirectory(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		p := Policy{Account: AccountCreate, Kinds: []string{"staff"}}
		id := person("aarcher", "alice@hospital.example")
		id.Method, id.Claims = "ward-ad", map[string]any{"sn": "Archer", "givenName": "Alice"}
		made := w.admitted(t, p, id)
		want := Account{
			ID: made.Account.ID, Username: "aarcher", Email: "alice@hospital.example", Name: "Alice Archer", Status: Active, Kind: "staff",
			Attributes: id.Claims, Source: FromAdmit, Created: w.now(), Changed: w.now(), LastSignIn: w.now(), LastMethod: "ward-ad",
		}
		if diff := cmp.Diff(want, made.Account); diff != "" || !made.Created || !made.Linked {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.pass(time.Hour)
		id.Name, id.Email, id.Claims = "Alice Baker", "alice.baker@hospital.example", map[string]any{"sn": "Baker"}
		again := w.admitted(t, p, id)
		stored, err := w.Get(t.Context(), made.Account.ID)
		if err != nil || again.Created || stored.Name != "Alice Baker" || stored.Email != "alice.baker@hospital.example" || stored.Attributes["sn"] != "Baker" || stored.Attributes["givenName"] != "Alice" {
			t.Errorf("got %+v, %v", stored, err)
		}
		if again.Identity.Claims["sn"] != "Baker" || again.Identity.User != "aarcher" {
			t.Errorf("identity: %+v", again.Identity)
		}
	})
}

func TestExemptPersonKeepsALocalWayIn(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		admin := w.create(t, Account{Username: "admin"})
		id := person("admin", "")
		p := Policy{Account: AccountExisting, Match: MatchUsername, Verify: VerifyNone, ExemptOnly: true}
		w.refused(t, p, id, careplan, NotExempt)
		if err := w.Exempt(t.Context(), desk, admin.ID, true); err != nil {
			t.Fatal(err)
		}
		w.admitted(t, p, id)
		if err := w.Exempt(t.Context(), desk, admin.ID, false); err != nil {
			t.Fatal(err)
		}
		w.refused(t, p, id, careplan, NotExempt)
	})
}

func TestWithoutAccountsEverybodyOfTheGroupComesIn(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		id := person("s-1", "alice@hospital.example")
		id.Roles = []string{"own"}
		got := w.admitted(t, Policy{Groups: []string{"Careplan-Users"}}, id)
		if diff := cmp.Diff(Admitted{Identity: id}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if again, err := w.Recheck(t.Context(), Policy{}, id, careplan); err != nil || !cmp.Equal(again, got) {
			t.Errorf("recheck: %+v, %v", again, err)
		}
		if n := w.count(t, `SELECT count(*) FROM accounts`); n != 0 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestIdentityThatCannotBeKeptIsRefused(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		for name, id := range map[string]authn.Identity{
			"anonymous": {}, "no issuer": {Subject: "x"}, "NUL": person("a\x00b", ""), "not UTF-8": person("a\xff", ""), "long": person(strings.Repeat("a", 2000), ""),
		} {
			_, err := w.Admit(t.Context(), Policy{Account: AccountCreate}, id, careplan)
			var said *authn.Error
			if !errors.As(err, &said) || said.Status != http.StatusBadRequest {
				t.Errorf("%s: got %v", name, err)
			}
		}
		// What only decorates is made to fit.
		id := person("s-1", "a\x00@b\xff")
		id.User, id.Name, id.Claims = "a\x00b", "A\x00lice\xff\u202e", map[string]any{"x": "a\x00b", "y": "ok"}
		got := w.admitted(t, Policy{Account: AccountCreate}, id)
		if got.Account.Username != "" || got.Identity.User != got.Account.ID || got.Account.Attributes["y"] != "ok" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestCodeForAnotherAddressOrAccountConfirmsNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Username: "alice", Email: "alice@hospital.example"})
		bob := w.create(t, Account{Email: "bob@hospital.example"})
		id := person("alice", "alice@hospital.example")
		v := w.asked(t, byMail, id)
		stolen := v
		stolen.Account, stolen.Address = bob.ID, bob.Email
		if _, err := w.Confirm(t.Context(), byMail, stolen, id, careplan); ReasonOf(err) != Changed {
			t.Errorf("with bob's code: %v", err)
		}
		if _, err := w.Confirm(t.Context(), byMail, Verify{}, id, careplan); err == nil {
			t.Error("nothing confirms")
		}
		if _, err := w.Update(t.Context(), desk, alice.ID, func(a *Account) error { a.Email = "Alice@hospital.example"; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Confirm(t.Context(), byMail, v, id, careplan); ReasonOf(err) != Changed {
			t.Errorf("with a code to the old address: %v", err)
		}
		v = w.asked(t, byMail, id)
		if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Confirm(t.Context(), byMail, v, id, careplan); ReasonOf(err) != IsDisabled {
			t.Errorf("disabled meanwhile: %v", err)
		}
		if err := w.Delete(t.Context(), desk, alice.ID); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Policy{byMail, {Account: AccountCreate, Verify: VerifyMail}} {
			if _, err := w.Confirm(t.Context(), p, v, id, careplan); ReasonOf(err) != NoAccount {
				t.Errorf("deleted meanwhile: %v", err)
			}
		}
		if n := w.count(t, `SELECT count(*) FROM links`); n != 0 {
			t.Errorf("%d links", n)
		}
	})
}

func TestManyConfirmAtOnceAndOneIsLinked(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		const browsers = 8
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		var ids []authn.Identity
		var asked []Verify
		for i := range browsers {
			ids = append(ids, person(fmt.Sprintf("s-%d", i), "alice@hospital.example"))
			asked = append(asked, w.asked(t, byMail, ids[i]))
		}
		results := make([]error, browsers)
		var all sync.WaitGroup
		for i := range browsers {
			all.Go(func() { _, results[i] = w.Confirm(t.Context(), byMail, asked[i], ids[i], careplan) })
		}
		all.Wait()
		winners := 0
		for _, err := range results {
			switch {
			case err == nil:
				winners++
			case ReasonOf(err) != ConflictLinked:
				t.Errorf("a loser got %v", err)
			}
		}
		links, err := w.Links(t.Context(), alice.ID)
		if winners != 1 || err != nil || len(links) != 1 {
			t.Errorf("%d winners, links %+v, %v", winners, links, err)
		}
	})
}

func TestOneIdentityInManyBrowsersIsLinkedOnceAndAdmittedInAll(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "alice@hospital.example"})
		id := person("s-1", "alice@hospital.example")
		v := w.asked(t, byMail, id)
		fresh := person("s-2", "new@hospital.example")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := w.Confirm(t.Context(), byMail, v, id, careplan); err != nil {
					t.Errorf("confirm: %v", err)
				}
				if _, err := w.Admit(t.Context(), Policy{Account: AccountCreate}, fresh, careplan); err != nil {
					t.Errorf("on demand: %v", err)
				}
			})
		}
		all.Wait()
		if accounts, links := w.count(t, `SELECT count(*) FROM accounts`), w.count(t, `SELECT count(*) FROM links`); accounts != 2 || links != 2 {
			t.Errorf("%d accounts and %d links, want 2 and 2", accounts, links)
		}
	})
}

func TestDisablingBeatsASignInAtTheSameMoment(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		id := person("s-1", "alice@hospital.example")
		w.admitted(t, onSight, id)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := w.Admit(t.Context(), onSight, id, careplan); err != nil && ReasonOf(err) != IsDisabled {
					t.Errorf("sign-in: %v", err)
				}
			})
			all.Go(func() {
				if err := w.Disable(t.Context(), desk, alice.ID); err != nil {
					t.Errorf("disable: %v", err)
				}
			})
		}
		all.Wait()
		w.refused(t, onSight, id, careplan, IsDisabled)
		if told := w.told(); len(told) != 1 || told[0].Refresh || len(told[0].Links) != 1 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestStoreThatDoesNotAnswerLetsNobodyIn(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		w.create(t, Account{Email: "alice@hospital.example"})
		_ = w.db.Writer.Close()
		_ = w.db.Reader.Close()
		for _, p := range []Policy{{}, onSight, {Account: AccountCreate}} {
			got, err := w.Admit(t.Context(), p, person("s-1", "alice@hospital.example"), careplan)
			var said *authn.Error
			if got != nil || !errors.As(err, &said) || said.Status != http.StatusServiceUnavailable || ReasonOf(err) != "" {
				t.Errorf("got %v, %v", got, err)
			}
			if _, err := w.Recheck(t.Context(), p, person("s-1", ""), careplan); !errors.As(err, &said) || said.Status != http.StatusServiceUnavailable {
				t.Errorf("recheck: %v", err)
			}
		}
	})
}

func TestEachDecisionIsOneLineOfTheLog(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		var out bytes.Buffer
		w.env.Log = slog.New(slog.NewJSONHandler(&out, nil))
		alice := w.create(t, Account{Email: "alice@hospital.example"})
		id := person("s-1\nforged", "alice@hospital.example")
		w.refused(t, Policy{Groups: []string{"Others"}}, id, careplan, NotInGroup)
		v := w.asked(t, byMail, id)
		if _, err := w.Confirm(t.Context(), byMail, v, id, careplan); err != nil {
			t.Fatal(err)
		}
		var results []string
		for text := range strings.Lines(out.String()) {
			var l struct{ User, Method, App, Result, Account, Request string }
			if err := json.Unmarshal([]byte(text), &l); err != nil || l.User != "s-1forged" || l.Method != "entra" || l.App != "careplan" || l.Request != "r-1" {
				t.Errorf("%s: %v", text, err)
			}
			results = append(results, l.Result+" "+l.Account)
		}
		if diff := cmp.Diff([]string{"not_in_group ", "verify " + alice.ID, "admitted " + alice.ID}, results); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if strings.Contains(out.String(), "@") {
			t.Errorf("an address is in the log: %s", out.String())
		}
	})
}

func TestPolicyFaultsNameTheirKey(t *testing.T) {
	for want, p := range map[string]Policy{
		"account":     {Account: "maybe"},
		"match":       {Account: AccountExisting, Match: "attribute:"},
		"verify":      {Account: AccountExisting, Verify: "post"},
		"groups[1]":   {Groups: []string{"a", " "}},
		"kinds":       {Kinds: []string{"staff"}},
		"exempt_only": {Account: AccountNone, ExemptOnly: true},
	} {
		err := p.Validate()
		var fault *authn.Fault
		if !errors.As(err, &fault) || fault.Path != want {
			t.Errorf("%+v: got %v, want a fault of %s", p, err, want)
		}
	}
	for _, p := range []Policy{{}, byMail, onSight, {Account: AccountCreate, Match: "attribute:staff_number"}} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestTryOutDecidesAndWritesNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		rows := func() int {
			return w.count(t, `SELECT count(*) FROM accounts`) + w.count(t, `SELECT count(*) FROM links`) + w.count(t, `SELECT count(*) FROM audit`)
		}
		c := careplan
		c.Try = true
		id := person("aarcher", "alice@hospital.example")
		before := rows()
		got, err := w.Admit(t.Context(), Policy{Account: AccountCreate}, id, c)
		if in, ok := got.(Admitted); err != nil || !ok || !in.Created || in.Identity.User != "aarcher" {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := w.Admit(t.Context(), Policy{Account: AccountExisting}, id, c); ReasonOf(err) != NoAccount {
			t.Errorf("no account: %v", err)
		}
		if err := w.Refuse(t.Context(), id, c, WrongOrg, "x"); ReasonOf(err) != WrongOrg {
			t.Errorf("refused: %v", err)
		}
		if after := rows(); after != before {
			t.Errorf("%d rows, and before %d", after, before)
		}
	})
}
