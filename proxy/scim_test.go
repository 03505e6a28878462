package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
	"foregate/proxy/scim"
)

const scimToken = "token-of-st-elsewhere-0123456789abcdef"

// newSCIMServer is a server on a socket whose accounts end sessions as in the product.
func newSCIMServer(t *testing.T) (*Server, string) {
	t.Helper()
	store := memstore.New()
	s := newServer(t, store, mirror(t), nil, &Method{Name: "local", Config: &ender{}})
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s.Accounts, err = accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{
		OnEnd: func(ctx context.Context, e accounts.Ended) error {
			_, err := s.Sessions.RevokePerson(ctx, accounts.Issuer, e.Account.ID)
			for _, l := range e.Links {
				_, one := s.Sessions.RevokePerson(ctx, l.Issuer, l.Subject)
				err = errors.Join(err, one)
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.set.Load().SCIM = scim.New(scim.Config{Accounts: s.Accounts, Tries: cookies.Tries{Counter: store}, Organisations: []scim.Organisation{
		{Name: "st-elsewhere", Secret: scim.Hash(scimToken)},
	}})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func ask(t *testing.T, method, address, cookie, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "app.test"
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	} else {
		r.Header.Set("Authorization", "Bearer "+scimToken)
		r.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	_ = json.Unmarshal(data, &doc) // the application's answers are no JSON
	return res.StatusCode, doc
}

func TestDeactivationBySCIMEndsSessionsWithinASecond(t *testing.T) {
	s, address := newSCIMServer(t)
	for name, end := range map[string]func(id string) int{
		"deactivated": func(id string) int {
			status, _ := ask(t, "PATCH", address+"/sso/scim/v2/Users/"+id, "", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
			return status - http.StatusOK
		},
		"deleted": func(id string) int {
			status, _ := ask(t, "DELETE", address+"/sso/scim/v2/Users/"+id, "", "")
			return status - http.StatusNoContent
		},
	} {
		t.Run(name, func(t *testing.T) {
			user := name + "@st-elsewhere.example"
			status, made := ask(t, "POST", address+"/sso/scim/v2/Users", "", `{"userName":"`+user+`","emails":[{"value":"`+user+`"}]}`)
			id, _ := made["id"].(string)
			if status != http.StatusCreated || id == "" {
				t.Fatalf("create: %d, %v", status, made)
			}
			if at := made["meta"].(map[string]any)["location"]; at != "http://app.test/sso/scim/v2/Users/"+id {
				t.Errorf("location %v", at)
			}
			policy := accounts.Policy{Account: accounts.AccountExisting, Verify: accounts.VerifyNone, Organisation: "st-elsewhere"}
			vouched := authn.Identity{Method: "local", Issuer: "https://idp.test", Subject: name, User: user, Email: user, Checked: true, Authenticated: time.Now()}
			admission, err := s.Accounts.Admit(t.Context(), policy, vouched, accounts.Context{App: "app"})
			if err != nil {
				t.Fatal(err)
			}
			cookie := enterAs(t, s, admission.(accounts.Admitted).Identity)
			if status, _ := ask(t, "GET", address+"/", cookie, ""); status != http.StatusOK {
				t.Fatalf("before: %d", status)
			}
			began := time.Now()
			if off := end(id); off != 0 {
				t.Fatalf("status is off by %d", off)
			}
			answered := time.Since(began)
			for {
				status, _ := ask(t, "GET", address+"/", cookie, "")
				if status == http.StatusUnauthorized {
					break
				}
				if time.Since(began) > time.Second {
					t.Fatalf("still in after a second: %d", status)
				}
			}
			t.Logf("%s: answered after %s, session over after %s", name, answered.Round(time.Microsecond), time.Since(began).Round(time.Microsecond))
			if _, err := s.Accounts.Admit(t.Context(), policy, vouched, accounts.Context{App: "app"}); accounts.ReasonOf(err) == "" {
				t.Errorf("comes in again: %v", err)
			}
		})
	}
	events, err := s.Accounts.Audit.List(t.Context(), accounts.Filter{Actor: "scim:st-elsewhere", Organisation: "st-elsewhere"})
	if err != nil || len(events) < 5 || events[0].App != "app" || events[0].RequestID == "" || !events[0].Client.IsLoopback() {
		t.Errorf("audit: %v, %+v", err, events)
	}
}

func TestSCIMTakesMoreThanAFormAndNotEverything(t *testing.T) {
	_, address := newSCIMServer(t)
	long := func(n int) string { return `{"userName":"alice","ignored":"` + strings.Repeat("x", n) + `"}` }
	if status, doc := ask(t, "POST", address+"/sso/scim/v2/Users", "", long(200<<10)); status != http.StatusCreated {
		t.Errorf("200 KiB: %d, %v", status, doc)
	}
	if status, doc := ask(t, "POST", address+"/sso/scim/v2/Users", "", long(1<<20)); status != http.StatusRequestEntityTooLarge || doc["status"] != "413" {
		t.Errorf("more than 1 MiB: %d, %v", status, doc)
	}
}

func TestSCIMIsNotThereWithoutATokenOfAnOrganisation(t *testing.T) {
	s, address := newSCIMServer(t)
	s.set.Load().SCIM = nil
	if status, _ := ask(t, "GET", address+"/sso/scim/v2/Users", "", ""); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

func TestSessionOfAPersonOpensNoSCIM(t *testing.T) {
	s, address := newSCIMServer(t)
	cookie := enterAs(t, s, person("alice", ""))
	if status, doc := ask(t, "GET", address+"/sso/scim/v2/Users", cookie, ""); status != http.StatusUnauthorized || doc["status"] != "401" {
		t.Errorf("status %d, %v", status, doc)
	}
}
