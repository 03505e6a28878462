package admin

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
)

// TestDeedsAreAskedForDoneAndWrittenDown goes through all of them by their pages: the
// first changes nothing, the form does it, and one line says who.
func TestDeedsAreAskedForDoneAndWrittenDown(t *testing.T) {
	get := func(h *house, a accounts.Account) accounts.Account {
		now, err := h.people.Get(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	tests := map[string]struct {
		before func(h *house, a accounts.Account)
		query  func(h *house, a accounts.Account) url.Values
		form   url.Values // beside query
		action string     // in the audit trail
		after  func(h *house, a accounts.Account) bool
	}{
		"disable": {action: "disable", after: func(h *house, a accounts.Account) bool { now := get(h, a); return !now.Open() && h.open(a) == 0 }},
		"enable": {
			before: func(h *house, a accounts.Account) {
				if err := h.people.Disable(t.Context(), accounts.Context{Actor: "test"}, a.ID); err != nil {
					t.Fatal(err)
				}
			}, action: "enable", after: func(h *house, a accounts.Account) bool { now := get(h, a); return now.Open() },
		},
		"exempt": {action: "exempt", after: func(h *house, a accounts.Account) bool { return get(h, a).Exempt }},
		"not-exempt": {
			before: func(h *house, a accounts.Account) {
				if err := h.people.Exempt(t.Context(), accounts.Context{Actor: "test"}, a.ID, true); err != nil {
					t.Fatal(err)
				}
			}, action: "exempt", after: func(h *house, a accounts.Account) bool { return !get(h, a).Exempt },
		},
		"unlink": {
			query: func(_ *house, a accounts.Account) url.Values {
				return url.Values{"issuer": {issuer}, "subject": {"subject of " + a.ID}}
			}, action: "unlink", after: func(h *house, a accounts.Account) bool {
				links, err := h.people.Links(t.Context(), a.ID)
				return err == nil && len(links) == 0 && h.open(a) == 0
			},
		},
		"end-session": {
			query: func(h *house, a accounts.Account) url.Values {
				found, err := h.sessions.Of(t.Context(), cookies.Person{Issuer: issuer, Subject: "subject of " + a.ID})
				if err != nil {
					t.Fatal(err)
				}
				return url.Values{"session": {found[0].Handle()}}
			}, action: "end_sessions", after: func(h *house, a accounts.Account) bool { return h.open(a) == 1 },
		},
		"end-sessions": {action: "end_sessions", after: func(h *house, a accounts.Account) bool { return h.open(a) == 0 }},
		"link": {
			form: url.Values{"method": {"adfs"}, "issuer": {"https://adfs.example"}, "subject": {"S-1-5-21"}}, action: "link",
			after: func(h *house, a accounts.Account) bool {
				linked, err := h.people.ByLink(t.Context(), "https://adfs.example", "S-1-5-21")
				return err == nil && linked.ID == a.ID
			},
		},
		"roles": {
			form: url.Values{"roles": {" nurse\r\n\r\nmanager "}}, action: "set_roles",
			after: func(h *house, a accounts.Account) bool {
				return slices.Equal(get(h, a).Roles, []string{"nurse", "manager"})
			},
		},
		"reset-totp": {
			before: func(h *house, a accounts.Account) { h.giveTOTP(a) }, action: "totp_remove",
			after: func(h *house, a accounts.Account) bool {
				f, err := h.people.Factors(t.Context(), a.ID)
				return err == nil && !f.TOTP && f.RecoveryCodes == 0
			},
		},
		"login": {
			form: url.Values{"app": {"formulary"}, "user": {" AARCHER "}, "password": {" HT11 secret "}}, action: "login_set",
			after: func(h *house, a accounts.Account) bool {
				l, err := h.people.Login(t.Context(), &authn.Identity{Issuer: accounts.Issuer, Subject: a.ID}, "formulary")
				return err == nil && l.User == "AARCHER" && l.Password.Reveal() == " HT11 secret "
			},
		},
		"remove-login": {
			before: func(h *house, a accounts.Account) { h.giveLogin(a) },
			query:  func(*house, accounts.Account) url.Values { return url.Values{"app": {"formulary"}} }, action: "login_remove",
			after: func(h *house, a accounts.Account) bool {
				all, err := h.people.Logins(t.Context(), a.ID)
				return err == nil && len(all) == 0
			},
		},
		"delete": {action: "delete", after: func(h *house, a accounts.Account) bool {
			_, err := h.people.Get(t.Context(), a.ID)
			return errors.Is(err, accounts.ErrNotFound) && h.open(a) == 0
		}},
	}
	for _, d := range deeds() {
		t.Run(d.name, func(t *testing.T) {
			test, ok := tests[d.name]
			if !ok {
				t.Fatal("nothing tests this")
			}
			h := openHouse(t)
			h.methods = []MethodState{{Name: "entra"}, {Name: "adfs"}}
			a := h.add(alice())
			h.begin(a)
			h.begin(a)
			if test.before != nil {
				test.before(h, a)
			}
			form := url.Values{}
			if test.query != nil {
				form = test.query(h, a)
			}
			b := h.as("owner")
			before := stateOf(t, h, a)
			address := "/people/" + a.ID + "/" + d.name
			page := b.get(address + "?" + form.Encode())
			page.want(t, http.StatusOK, "Alice Archer", d.says[:20], `method="post" action="`+address+`"`)
			for name, values := range form {
				page.want(t, http.StatusOK, `<input type="hidden" name="`+name+`" value="`+values[0]+`"`)
			}
			if diff := cmpState(before, stateOf(t, h, a)); diff != "" || test.after(h, a) {
				t.Fatalf("asking changed something (-want +got):\n%s", diff)
			}
			for name, values := range test.form {
				form[name] = values
			}
			res := b.post(address, form)
			if res.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d: %s", res.StatusCode, textOf(res.body))
			}
			if !test.after(h, a) {
				t.Error("it is not done")
			}
			b.get(res.Header.Get("Location")).want(t, http.StatusOK, d.done)
			lines := h.trail(accounts.Filter{Account: a.ID, Action: test.action, Actor: "token owner"})
			if len(lines) != 1 || lines[0].Result != "ok" || lines[0].Organisation != "st-elsewhere" || !lines[0].Client.IsLoopback() || lines[0].RequestID == "" {
				t.Errorf("lines of the audit trail: %+v", lines)
			}
		})
	}
}

func TestFormsSayWhatIsWrongAndKeepWhatWasTyped(t *testing.T) {
	h := openHouse(t)
	h.methods = []MethodState{{Name: "entra"}, {Name: "adfs"}}
	a, other := h.add(alice()), h.add(bob())
	b := h.as("owner")
	linked := url.Values{"method": {"adfs"}, "issuer": {issuer}, "subject": {"subject of " + other.ID}}
	for name, test := range map[string]struct {
		address string
		form    url.Values
		words   []string
	}{
		"nobody":          {"/people/new", url.Values{"name": {"Carol"}}, []string{"Give a user name or an e-mail address", `value="Carol"`}},
		"no address":      {"/people/new", url.Values{"email": {"carol at home"}}, []string{"is not an e-mail address", "carol at home"}},
		"two faults":      {"/people/new", url.Values{"email": {"x"}, "username": {strings.Repeat("u", 300)}}, []string{"is not an e-mail address", "cannot be a user name"}},
		"a taken name":    {"/people/new", url.Values{"username": {"BOB"}}, []string{"Somebody has this already", `value="BOB"`}},
		"taken by change": {"/people/" + a.ID + "/edit", url.Values{"username": {"bob"}, "name": {"Alice"}}, []string{"Somebody has this already", `value="bob"`, `value="Alice"`}},
		"another's link":  {"/people/" + a.ID + "/link", linked, []string{"Somebody has this already"}},
		"no such method":  {"/people/" + a.ID + "/link", url.Values{"method": {"none"}, "issuer": {"i"}, "subject": {"s"}}, []string{"there is no way to sign in named"}},
		"an empty link":   {"/people/" + a.ID + "/link", url.Values{"method": {"adfs"}}, []string{"Nothing was changed"}},
		"too many roles":  {"/people/" + a.ID + "/roles", url.Values{"roles": {strings.Repeat("role\n", 65)}}, []string{"more than 64", "role\nrole\n"}},
	} {
		before := stateOf(t, h, a)
		b.post(test.address, test.form).want(t, http.StatusUnprocessableEntity, append(test.words, "Nothing was changed", `role="alert"`)...)
		if diff := cmpState(before, stateOf(t, h, a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, address := range []string{"/unlink", "/end-session", "/end-sessions"} { // of nothing
		b.post("/people/"+a.ID+address, url.Values{"issuer": {issuer}, "subject": {"subject of " + other.ID}, "session": {"nothing"}}).want(t, http.StatusNotFound)
	}
}

func TestAccountIsMadeAndChanged(t *testing.T) {
	h := openHouse(t)
	b := h.as("owner")
	full := url.Values{"name": {"Carol Cooper"}, "username": {"carol"}, "email": {"carol@hospital.example"}, "organisation": {"hospital"}, "kind": {"staff"}, "external_id": {"E-7"}}
	res := b.post("/people/new", full)
	made, err := h.people.ByUsername(t.Context(), "carol")
	if err != nil {
		t.Fatal(err)
	}
	res.leads(t, "/people/"+made.ID+"?done=created")
	b.get("/people/"+made.ID+"?done=created").want(t, http.StatusOK, "The account is made.", "carol@hospital.example", "by an administrator", "E-7")
	full.Set("email", "carol@st-elsewhere.example")
	b.post("/people/"+made.ID+"/edit", full).leads(t, "/people/"+made.ID+"?done=edited")
	now, err := h.people.Get(t.Context(), made.ID)
	want := made
	want.Email = "carol@st-elsewhere.example"
	now.Changed = want.Changed
	if diff := cmp.Diff(want, now); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if lines := h.trail(accounts.Filter{Account: made.ID, Actor: "token owner"}); len(lines) != 2 {
		t.Errorf("lines of the audit trail: %+v", lines)
	}
}

func file(t *testing.T, name, content string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(name, "people.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, err = part.Write([]byte(content))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestFileIsImportedWholeOrNotAtAll(t *testing.T) {
	h := openHouse(t)
	h.add(bob())
	send := func(who, field, content string) response {
		body, kind := file(t, field, content)
		return h.as(who).send("POST", "/people/import", body, kind, "Sec-Fetch-Site", "same-origin")
	}
	count := func() int {
		n, err := h.people.Count(t.Context(), accounts.Query{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	bad := send("owner", "file", "username,email,exempt\ncarol,carol@hospital.example,\ndora,dora at home,\nerin,erin@hospital.example,perhaps\n")
	bad.want(t, http.StatusUnprocessableEntity, "Nothing was imported", `data-label="Line">4</th>`, "perhaps")
	if bad := send("owner", "file", "username,email\ncarol,carol@hospital.example\ndora,dora at home\nerin,x\n"); count() == 1 {
		bad.want(t, http.StatusUnprocessableEntity, `data-label="Line">3</th>`, "dora at home", `data-label="Line">4</th>`)
	}
	send("owner", "file", "user\nx\n").want(t, http.StatusUnprocessableEntity, "unknown column")
	send("owner", "file", "").want(t, http.StatusUnprocessableEntity, "no line of column names")
	send("owner", "other", "username\ncarol\n").want(t, http.StatusUnprocessableEntity, "Choose a file first.")
	h.as("owner").post("/people/import", url.Values{"file": {"username\ncarol\n"}}).want(t, http.StatusBadRequest)
	send("elsewhere-owner", "file", "username,organisation\ncarol,hospital\n").want(t, http.StatusUnprocessableEntity, "only accounts of organisation")
	many := "username,exempt\n" + strings.Repeat("x,perhaps\n", faultsShown+3)
	if res := send("owner", "file", many); strings.Count(res.body, `data-label="Line"`) != faultsShown {
		t.Errorf("%d lines are named", strings.Count(res.body, `data-label="Line"`))
	} else {
		res.want(t, http.StatusUnprocessableEntity, "(3 more are wrong too)")
	}
	if n := count(); n != 1 {
		t.Fatalf("%d accounts, want 1", n)
	}
	send("owner", "file", "username,name\ncarol,Carol\nBOB,Robert\n").want(t, http.StatusOK, "1 account made, 1 changed, 0 the same")
	send("elsewhere-owner", "file", "username,organisation\ndora,st-elsewhere\n").want(t, http.StatusOK, "1 account made")
	if n := count(); n != 3 {
		t.Errorf("%d accounts, want 3", n)
	}
	if lines := h.trail(accounts.Filter{Action: "import", Actor: "token owner"}); len(lines) != 1 {
		t.Errorf("lines of the audit trail: %+v", lines)
	}
}

func TestSessionsAreFoundAndEnded(t *testing.T) {
	h := openHouse(t)
	a, other := h.add(alice()), h.add(bob())
	h.begin(a)
	h.begin(a)
	h.begin(other)
	desk := h.as("desk")
	desk.get("/sessions").want(t, http.StatusOK, "3 sessions", "alice", "bob", "192.0.2.10")
	if res := desk.get("/sessions"); strings.Contains(res.body, "End all") {
		t.Error("one click could end everybody's")
	}
	desk.get("/sessions?user=alice").want(t, http.StatusOK, "2 sessions", "/sessions/end?user=alice")
	desk.get("/sessions?user=ali").want(t, http.StatusOK, "No session fits that search.")
	desk.get("/sessions/end").want(t, http.StatusNotFound)
	desk.get("/sessions/end?user=nobody").want(t, http.StatusNotFound)
	desk.get("/sessions/end?user=alice").want(t, http.StatusOK, "End 2 sessions?", `name="user" value="alice"`)
	desk.post("/sessions/end", nil).want(t, http.StatusNotFound)
	desk.post("/sessions/end", url.Values{"all": {"true"}}).want(t, http.StatusNotFound)
	if h.open(a) != 2 || h.open(other) != 1 {
		t.Fatal("asking ended something")
	}
	desk.post("/sessions/end", url.Values{"user": {"alice"}}).leads(t, "/sessions?done=sessions-ended")
	if h.open(a) != 0 || h.open(other) != 1 {
		t.Errorf("%d of alice and %d of bob are left", h.open(a), h.open(other))
	}
	lines := h.trail(accounts.Filter{Action: "end_sessions", Actor: "token desk"})
	if len(lines) != 1 || lines[0].Detail["user"] != "alice" || lines[0].Detail["sessions"] != 2.0 {
		t.Errorf("lines of the audit trail: %+v", lines)
	}
	if !strings.Contains(h.log.String(), "sessions revoked by an operator") {
		t.Error("no line in the log")
	}
}

func TestLoginThatIsRefusedIsNotShownAgain(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	b := h.as("owner")
	for _, form := range []url.Values{
		{"app": {"formulary"}, "user": {"a:b"}, "password": {"HT11-secret"}},
		{"app": {"other"}, "user": {"AARCHER"}, "password": {"HT11-secret"}},
	} {
		res := b.post("/people/"+a.ID+"/login", form)
		if res.StatusCode != http.StatusUnprocessableEntity || strings.Contains(res.body, "HT11") {
			t.Errorf("%v: %d\n%s", form, res.StatusCode, textOf(res.body))
		}
	}
	b.get("/people/"+a.ID+"/login?password=HT11-secret").want(t, http.StatusOK, `type="password" autocomplete="off" required`)
	if all, err := h.people.Logins(t.Context(), a.ID); err != nil || len(all) != 0 {
		t.Errorf("kept %v, %v", all, err)
	}
}
