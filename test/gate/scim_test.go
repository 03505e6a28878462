package gate

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	scimToken = "scim-token-of-st-elsewhere-0123456789"
	scimNew   = "scim-token-after-the-change-0123456789"
)

// scim sends a request as the identity provider of an organisation does.
func (f *foregate) scim(token, method, path, body string) (int, map[string]any) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.addr+"/sso/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Host = "app.test"
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	var doc map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &doc); err != nil {
			f.t.Errorf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return res.StatusCode, doc
}

// TestProviderKeepsAPersonFromTheFirstDayToTheLast: made, signed in with the role that
// she was given, put into a group, deactivated.
func TestProviderKeepsAPersonFromTheFirstDayToTheLast(t *testing.T) {
	t.Parallel()
	f := start(t, options{
		top:     "organisations: [{name: st-elsewhere, domains: [st-elsewhere.example], scim: {token: " + scimToken + ", kind: staff, roles: [nurse]}}]",
		headers: "{preset: forwarded, map: {X-Ward: {claim: department}}}",
	})
	f.edit(func(yaml string) string {
		yaml = strings.Replace(yaml, "    local:\n", "    admit: {account: existing, match: username, verify: none, organisation: st-elsewhere}\n    local:\n", 1)
		return strings.Replace(yaml, "    methods: [local]\n", "    methods: [local]\n    kinds: [staff]\n", 1)
	})
	f.restart()

	if status, doc := f.scim(scimToken, "POST", "/Users", `{"userName":"alice","emails":[{"value":"alice@elsewhere.example"}]}`); status != http.StatusBadRequest {
		t.Errorf("an address of another domain: %d, %v", status, doc)
	}
	status, doc := f.scim(scimToken, "POST", "/Users", `{"userName":"alice","displayName":"Alice Archer","roles":[{"value":"nurse"}],
		"emails":[{"value":"alice@st-elsewhere.example"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Ward 7"}}`)
	id, _ := doc["id"].(string)
	if status != http.StatusCreated || id == "" {
		t.Fatalf("made: %d, %v", status, doc)
	}
	group := `{"displayName":"Night shift","members":[{"value":"` + id + `"}]}`
	if status, doc := f.scim(scimToken, "POST", "/Groups", group); status != http.StatusCreated {
		t.Errorf("group: %d, %v", status, doc)
	}
	if status, doc := f.scim(scimToken, "POST", "/Groups", `{"displayName":"Admins","members":[{"value":"`+id+`"}]}`); status != http.StatusBadRequest {
		t.Errorf("a group that a rule names: %d, %v", status, doc)
	}

	cookie := f.alice()
	f.up.take()
	if answer := f.get("/", cookie); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Fatalf("signed in: %s", answer)
	}
	told := strings.Join(f.up.take(), "\n")
	for _, header := range []string{"X-Forwarded-User: alice", "X-Forwarded-Name: Alice Archer", "X-Forwarded-Email: alice@st-elsewhere.example", "X-Ward: Ward 7", "Night shift"} {
		if !strings.Contains(told, header) {
			t.Errorf("the application is not told %q:\n%s", header, told)
		}
	}

	began := time.Now()
	off := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`
	if status, doc := f.scim(scimToken, "PATCH", "/Users/"+id, off); status != http.StatusOK || doc["active"] != false {
		t.Fatalf("deactivated: %d, %v", status, doc)
	}
	for strings.HasPrefix(f.get("/", cookie), "HTTP/1.1 200") {
		if time.Since(began) > time.Second {
			t.Fatal("still in after a second")
		}
	}
	t.Logf("out after %s", time.Since(began).Round(time.Millisecond))

	// The token is changed while it runs.
	f.edit(func(yaml string) string { return strings.Replace(yaml, scimToken, scimNew, 1) })
	if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; pause() {
		old, _ := f.scim(scimToken, "GET", "/Users", "")
		now, _ := f.scim(scimNew, "GET", "/Users", "")
		if old == http.StatusUnauthorized && now == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the change: %d with the old token, %d with the new one", old, now)
		}
	}
	if log := f.logs.String(); strings.Contains(log, scimToken) || strings.Contains(log, scimNew) {
		t.Error("a token is in the log")
	}
}
