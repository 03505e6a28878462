package admin

import (
	"net/http"
	"strings"
	"testing"
)

// mayDo says once more, beside the table of routes, what each role may: whoever changes
// one has to change the other.
var mayDo = map[string]struct {
	least Role
	whole bool
}{
	"GET /openapi.json": {}, "POST /sign-in": {},
	"POST /sign-out": {Viewer, false}, "GET /who": {Viewer, false},
	"GET /accounts": {Viewer, false}, "GET /accounts/{account}": {Viewer, false}, "GET /accounts/{account}/sessions": {Viewer, false},
	"GET /export/accounts": {Viewer, false}, "GET /audit": {Viewer, false}, "GET /export/audit": {Viewer, false}, "GET /audit/stream": {Viewer, false},
	"GET /usage": {Viewer, false}, "GET /sessions": {Viewer, true}, "GET /methods": {Viewer, true}, "GET /config": {Viewer, true},

	"POST /accounts/{account}/disable": {Desk, false}, "POST /accounts/{account}/enable": {Desk, false}, "POST /accounts/{account}/exempt": {Desk, false},
	"POST /accounts/{account}/unlink": {Desk, false}, "POST /accounts/{account}/sessions/end": {Desk, false}, "POST /sessions/revoke": {Desk, true},

	"POST /accounts": {Owner, false}, "PATCH /accounts/{account}": {Owner, false}, "DELETE /accounts/{account}": {Owner, false},
	"POST /accounts/{account}/link": {Owner, false}, "PUT /accounts/{account}/roles": {Owner, false}, "PUT /accounts/{account}/password": {Owner, false},
	"DELETE /accounts/{account}/password": {Owner, false}, "DELETE /accounts/{account}/totp": {Owner, false},
	"PUT /accounts/{account}/logins/{app}": {Owner, false}, "DELETE /accounts/{account}/logins/{app}": {Owner, false},
	"POST /import/accounts":          {Owner, false},
	"POST /methods/{method}/refresh": {Owner, true}, "POST /methods/{method}/try": {Desk, true}, "GET /faults/{code}": {Viewer, true}, "GET /log-level": {Viewer, true}, "PUT /log-level": {Owner, true},
}

func TestEachRouteTakesItsRole(t *testing.T) {
	w := newWorld(t)
	w.api.Close() // so that what goes on for ever ends at once
	if len(routes) != len(mayDo) {
		t.Errorf("%d routes, and %d are expected", len(routes), len(mayDo))
	}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		want, known := mayDo[name]
		if !known {
			t.Errorf("%s is not expected", name)
			continue
		}
		for _, role := range []Role{"", "root", Viewer, Desk, Owner} {
			for _, organisation := range []string{"", "st-elsewhere"} {
				who := Who{Actor: "x", Role: role, Organisation: organisation}
				status := w.as(who, rt.method, strings.NewReplacer("{account}", "nobody", "{method}", "nobody", "{code}", "nobody").Replace(rt.path), `{}`).Code
				may := want.least == "" || role.rank() >= want.least.rank() && !(want.whole && organisation != "")
				refused := status == http.StatusUnauthorized || status == http.StatusForbidden
				if name == "POST /sign-in" {
					refused = status == http.StatusForbidden // 401 is its own answer
				}
				if may == refused || status >= http.StatusInternalServerError || status == http.StatusMethodNotAllowed {
					t.Errorf("%s by %q of %q: %d", name, role, organisation, status)
				}
			}
		}
	}
}

func TestWhoIsNobodyGetsNothing(t *testing.T) {
	w := newWorld(t)
	for _, rt := range routes {
		if rt.open {
			continue
		}
		rec := w.as(Who{}, rt.method, strings.ReplaceAll(rt.path, "{account}", w.alice.ID), `{}`)
		if rec.Code != http.StatusUnauthorized || rec.Header().Get("WWW-Authenticate") == "" || strings.Contains(rec.Body.String(), "alice") {
			t.Errorf("%s %s: %d %s", rt.method, rt.path, rec.Code, rec.Body)
		}
	}
}

func TestNobodySeesPeopleOfAnotherOrganisation(t *testing.T) {
	w := newWorld(t)
	local := Who{Actor: "owner of one", Role: Owner, Organisation: "st-elsewhere"}
	for _, rt := range routes {
		if !strings.Contains(rt.path, "{account}") {
			continue
		}
		for _, other := range []string{w.alice.ID, w.stranger.ID, "carol", "carol@county.example", "no-such-person"} {
			body := `{"exempt":true,"roles":["x"],"password":"correct horse battery","method":"m","issuer":"i","subject":"s"}`
			switch {
			case strings.HasSuffix(rt.path, "/exempt"):
				body = `{"exempt":true}`
			case strings.HasSuffix(rt.path, "/roles"):
				body = `{"roles":["x"]}`
			case strings.HasSuffix(rt.path, "/password"):
				body = `{"password":"correct horse battery"}`
			case strings.HasSuffix(rt.path, "/logins/{app}"):
				body = `{"user":"u","password":"p"}`
			}
			w.refused(local, http.StatusNotFound, "there is none", rt.method, strings.ReplaceAll(rt.path, "{account}", other), body)
		}
	}
	for _, target := range []string{"/accounts?text=carol", "/accounts", "/export/accounts", "/export/accounts?format=json", "/audit", "/export/audit", "/usage"} {
		rec := w.as(local, "GET", target, "")
		if body := rec.Body.String(); rec.Code != 200 || strings.Contains(body, "carol") || strings.Contains(body, w.stranger.ID) || strings.Contains(body, w.alice.ID) {
			t.Errorf("%s: %d %s", target, rec.Code, body)
		}
	}
	for _, target := range []string{"/accounts", "/export/accounts", "/audit", "/export/audit", "/usage", "/audit/stream"} {
		w.refused(local, http.StatusForbidden, "st-elsewhere alone", "GET", target+"?organisation=county", "")
		w.refused(local, http.StatusForbidden, "st-elsewhere alone", "GET", target+"?organisation=-", "")
	}
	w.refused(local, http.StatusForbidden, "st-elsewhere alone", "POST", "/accounts", `{"username":"dave","organisation":"county"}`)
	w.refused(local, http.StatusNotFound, "", "PATCH", "/accounts/bob", `{"organisation":"county"}`)
	w.refused(local, http.StatusUnprocessableEntity, `only accounts of organisation \"st-elsewhere\"`, "POST", "/import/accounts", "username,organisation\ndave,county\n")
	w.refused(local, http.StatusUnprocessableEntity, "of another organisation", "POST", "/import/accounts", "username,organisation\ncarol,st-elsewhere\n")
	if lines := w.trailOf(w.stranger.ID); len(lines) != 1 {
		t.Errorf("carol's account was touched: %q", lines)
	}
}
