package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestOI6OnlyJSONTrueVerifiesAnAddress(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.UserInfo = infoNever
	m := openMethod(t, c)
	for _, value := range []any{false, "false", "true", 0, 1, nil, []any{true}, map[string]any{}} {
		p.claims = func(c map[string]any) { c["email_verified"] = value; delete(c, "preferred_username") }
		id := p.mustIn(t, m)
		if id.Checked || id.Email != "alice@hospital.test" {
			t.Errorf("email_verified %#v: got %q, checked %v", value, id.Email, id.Checked)
		}
		if id.User != "alice" {
			t.Errorf("email_verified %#v: user is %q, named by an address that nobody verified", value, id.User)
		}
	}
	p.claims = func(c map[string]any) { delete(c, "email_verified") }
	if id := p.mustIn(t, m); id.Checked {
		t.Error("address without a word on it is verified")
	}
}

func TestOI6VerifiedAddressCanBeDemanded(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.RequireVerifiedEmail = true
	m := openMethod(t, c)
	p.mustIn(t, m)
	p.claims = func(c map[string]any) { c["email_verified"] = "true" }
	_, err := p.signIn(t, m, attempt())
	refused(t, err, http.StatusForbidden)
}

func TestOI6AmbiguousAddressesAreNone(t *testing.T) {
	for _, bad := range []string{
		"", "@", "a@", "@b", "attacker@evil.test@corp.test", `"a@evil.test"@corp.test`, "a(comment)@corp.test", "a@corp.test.",
		"a@corp。test", "a@.corp.test", ".a@corp.test", "a.@corp.test", "a@corp..test", "a b@corp.test", "a@corp.test\n",
		"<a@corp.test>", "a@[127.0.0.1]", "a,b@corp.test", strings.Repeat("a", 250) + "@b.test",
	} {
		if plainAddress(bad) {
			t.Errorf("%q is taken for an address", bad)
		}
	}
	for _, good := range []string{"a@corp.test", "first.o'last+tag@a-b.corp.test"} {
		if !plainAddress(good) {
			t.Errorf("%q is not taken for an address", good)
		}
	}
}

func TestOI6AddressAndItsVerificationComeFromOneSource(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.UserInfo = infoAlways
	m := openMethod(t, c)
	p.claims = func(c map[string]any) { c["email"] = "victim@hospital.test"; delete(c, "email_verified") }
	p.userinfo = map[string]any{"email": "mallory@evil.test", "email_verified": true}
	if id := p.mustIn(t, m); id.Checked || id.Email != "victim@hospital.test" {
		t.Errorf("got %q, checked %v", id.Email, id.Checked)
	}
	p.userinfo["email"] = "victim@hospital.test"
	if id := p.mustIn(t, m); !id.Checked {
		t.Error("userinfo verified the same address, and is not heard")
	}
}

func TestOI5UserinfoMustBeAnObjectAboutTheSamePerson(t *testing.T) {
	for name, body := range map[string]string{
		"another sub": `{"sub":"root","groups":["admins"]}`,
		"no sub":      `{"groups":["admins"]}`,
		"number sub":  `{"sub":5}`,
		"two subs":    `{"sub":"root","sub":"alice"}`,
		"array":       `[{"sub":"alice"}]`,
		"null":        `null`,
		"text":        `"alice"`,
		"two objects": `{"sub":"alice"}{"sub":"root"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := p.config()
			c.UserInfo = infoAlways
			m := openMethod(t, c)
			p.answer("/userinfo", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(body)) })
			if id, err := p.signIn(t, m, attempt()); err == nil {
				t.Errorf("signed in as %+v", id)
			}
		})
	}
}

func TestUserinfoFillsWhatTheTokenLacks(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	p.claims = func(c map[string]any) {
		for _, name := range []string{"groups", "email", "email_verified", "name"} {
			delete(c, name)
		}
	}
	p.userinfo = map[string]any{
		"groups": []string{"night", "night", ""}, "email": "a@hospital.test", "email_verified": true,
		"given_name": "Alice", "family_name": "Archer", "preferred_username": "mallory",
	}
	id := p.mustIn(t, m)
	got := []any{id.Groups, id.Email, id.Checked, id.Name, id.User}
	want := []any{[]string{"night"}, "a@hospital.test", true, "Alice Archer", "alice"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := p.headersOf("/userinfo").Get("Authorization"); got != "Bearer access" {
		t.Errorf("userinfo was asked with %q", got)
	}
}

func TestSignInFailsWhenUserinfoIsNeededAndDown(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	p.claims = func(c map[string]any) { delete(c, "groups") }
	p.answer("/userinfo", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	_, err := p.signIn(t, m, attempt())
	refused(t, err, http.StatusServiceUnavailable)
}

const (
	tenantA = "11111111-aaaa-4aaa-8aaa-111111111111"
	tenantB = "22222222-bbbb-4bbb-8bbb-222222222222"
	object  = "33333333-cccc-4ccc-8ccc-333333333333"
)

// entra is a provider whose endpoints all tenants share.
func entra(t *testing.T, tenants ...string) (*provider, *Config) {
	p := newProvider(t)
	p.path = "/organizations/v2.0"
	p.metadata = func(md map[string]any) { md["issuer"] = p.URL + "/{tenantid}/v2.0" }
	c := p.config()
	c.Preset, c.Tenants, c.ResponseMode, c.Algorithms, c.UserInfo = presetEntra, tenants, modeQuery, []string{"ES256"}, infoNever
	return p, c
}

func (p *provider) tenantClaims(tid, oid string) func(map[string]any) {
	return func(c map[string]any) {
		c["iss"], c["tid"], c["oid"] = p.URL+"/"+tid+"/v2.0", tid, oid
	}
}

func TestOI7PeopleOfTwoTenantsWithOneAddressAreTwo(t *testing.T) {
	p, c := entra(t, tenantA, strings.ToUpper(tenantB))
	m := openMethod(t, c)
	p.claims = p.tenantClaims(tenantA, object)
	one := p.mustIn(t, m)
	p.claims = p.tenantClaims(tenantB, object)
	two := p.mustIn(t, m)
	if one.Email != two.Email || one.Subject == two.Subject || one.Issuer == two.Issuer {
		t.Errorf("got %q of %q and %q of %q", one.Subject, one.Issuer, two.Subject, two.Issuer)
	}
	if want := tenantA + ":" + object; one.Subject != want || one.Issuer != p.URL+"/"+tenantA+"/v2.0" {
		t.Errorf("got %q of %q, want %q", one.Subject, one.Issuer, want)
	}
	p.claims = func(c map[string]any) {
		p.tenantClaims(tenantA, object)(c)
		c["email"], c["sub"] = "new@hospital.test", "pairwise"
	}
	if again := p.mustIn(t, m); again.Subject != one.Subject || again.Issuer != one.Issuer {
		t.Errorf("a new address made a new person: %q", again.Subject)
	}
}

func TestOI7ForeignTenantsAreRefused(t *testing.T) {
	p, c := entra(t, tenantA)
	m := openMethod(t, c)
	for name, spoil := range map[string]func(map[string]any){
		"tenant not listed":     p.tenantClaims(tenantB, object),
		"issuer of another":     func(c map[string]any) { p.tenantClaims(tenantA, object)(c); c["iss"] = p.URL + "/" + tenantB + "/v2.0" },
		"issuer is template":    func(c map[string]any) { p.tenantClaims(tenantA, object)(c); c["iss"] = p.URL + "/{tenantid}/v2.0" },
		"no oid":                p.tenantClaims(tenantA, ""),
		"oid not a GUID":        p.tenantClaims(tenantA, "root"),
		"tid not a GUID":        p.tenantClaims("organizations", object),
		"tid walks up the path": p.tenantClaims(tenantA+"/../"+tenantB, object),
	} {
		p.claims = spoil
		if id, err := p.signIn(t, m, attempt()); err == nil {
			t.Errorf("%s: signed in as %q", name, id.Subject)
		}
	}
}

func TestOI7IssuerOfOneTenantSpeaksForNoOther(t *testing.T) {
	p := newProvider(t)
	p.path = "/" + tenantA + "/v2.0"
	c := p.config()
	c.Preset, c.ResponseMode, c.Algorithms, c.UserInfo = presetEntra, modeQuery, []string{"ES256"}, infoNever
	m := openMethod(t, c)
	p.claims = p.tenantClaims(tenantA, object)
	p.mustIn(t, m)
	p.claims = func(c map[string]any) { p.tenantClaims(tenantA, object)(c); c["tid"] = tenantB }
	if _, err := p.signIn(t, m, attempt()); err == nil {
		t.Error("signed in")
	}
}

func TestOI7GroupOverageIsNoGroupsAtAll(t *testing.T) {
	p, c := entra(t, tenantA)
	m := openMethod(t, c)
	for name, spoil := range map[string]func(map[string]any){
		"_claim_names": func(c map[string]any) {
			c["_claim_names"] = map[string]any{"groups": "src1"}
			c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": "https://graph.example.test/x"}}
		},
		"hasgroups": func(c map[string]any) { c["hasgroups"] = true },
	} {
		p.claims = func(c map[string]any) { p.tenantClaims(tenantA, object)(c); delete(c, "groups"); spoil(c) }
		_, err := p.signIn(t, m, attempt())
		if err == nil {
			t.Fatalf("%s: signed in", name)
		}
		refused(t, err, http.StatusForbidden)
		var e *authn.Error
		if errors.As(err, &e); !strings.Contains(e.Public, "groups") {
			t.Errorf("%s: the person is told %q", name, e.Public)
		}
	}
}

func TestOI7GroupOverageCountsWithoutThePresetToo(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	p.claims = func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }
	_, err := p.signIn(t, m, attempt())
	refused(t, err, http.StatusForbidden)
}

func TestGoogleAccountsOfOtherDomainsAreRefused(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.Preset, c.HostedDomains, c.Algorithms, c.UserInfo = presetGoogle, []string{"hospital.test"}, []string{"ES256"}, infoNever
	m := openMethod(t, c)
	for hd, ok := range map[any]bool{"Hospital.test": true, "evil.test": false, "": false, 5: false} {
		p.claims = func(c map[string]any) { c["hd"] = hd }
		_, err := p.signIn(t, m, attempt())
		if (err == nil) != ok {
			t.Errorf("hd %v: got %v", hd, err)
		}
		if !ok {
			refused(t, err, http.StatusForbidden)
		}
	}
	if got := p.sent.Get("hd"); got != "hospital.test" {
		t.Errorf("sent hd %q", got)
	}
}

func TestRequiredClaims(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.RequireClaims = map[string]string{"identity_proofing_level": "P5 P9"}
	m := openMethod(t, c)
	for level, ok := range map[string]bool{"P9": true, "P5": true, "P0": false, "": false, "P5 P9": false} {
		p.claims = func(c map[string]any) { c["identity_proofing_level"] = level }
		_, err := p.signIn(t, m, attempt())
		if (err == nil) != ok {
			t.Errorf("level %q: got %v", level, err)
		}
		if !ok {
			refused(t, err, http.StatusForbidden)
		}
	}
}

func TestPeopleWithoutAUsableNameAreRefused(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.Claims.User, c.UserInfo = []string{"login"}, infoNever
	m := openMethod(t, c)
	for _, name := range []any{nil, "", []any{"a"}, 1e300, "al\r\nice", strings.Repeat("a", 300)} {
		p.claims = func(c map[string]any) { c["login"] = name }
		_, err := p.signIn(t, m, attempt())
		refused(t, err, http.StatusForbidden)
	}
}

func TestFurtherClaimsAreKeptUpToALimit(t *testing.T) {
	c := claims{"other": "n", "small": "x", "none": nil, "huge": strings.Repeat("x", maxClaims)}
	wanted := []string{"small", "huge", "none", "missing"}
	for i := range 20 {
		c[fmt.Sprint("mid", i)] = strings.Repeat("y", 1000)
		wanted = append(wanted, fmt.Sprint("mid", i))
	}
	got := further(sources{c}, wanted)
	if got["small"] != "x" || got["huge"] != nil || got["other"] != nil || len(got) != 9 {
		t.Errorf("kept %d claims", len(got))
	}
	if got := further(sources{c}, nil); got != nil {
		t.Errorf("nobody wants any, and %v are kept", got)
	}
}

func TestTryOutIsToldWhatTheProviderSent(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.Claims.Name = []string{"full_name"}
	m := openMethod(t, c)
	a := attempt()
	a.Trial = new(authn.Trial)
	if _, err := p.signIn(t, m, a); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", a.Trial)
	for _, want := range []string{"{Name:Provider Values:[" + p.issuer() + "]}", "{Name:ID token signed with Values:[algorithm ES256 key ", "{Name:sub Values:[", "{Part:name From:[full_name] Value:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// TestEntraUserinfoIsComparedBySub: a person's key is tid and oid there, which userinfo
// does not know.
func TestEntraUserinfoIsComparedBySub(t *testing.T) {
	p, c := entra(t, tenantA)
	c.UserInfo = "" // auto: groups are in no token unless the application asks for them
	m := openMethod(t, c)
	p.claims = func(c map[string]any) { p.tenantClaims(tenantA, object)(c); delete(c, "groups") }
	p.userinfo = map[string]any{"groups": []string{"night"}}
	if id := p.mustIn(t, m); id.Subject != tenantA+":"+object || len(id.Groups) != 1 {
		t.Errorf("got %q, groups %q", id.Subject, id.Groups)
	}
	p.userinfo["sub"] = "mallory"
	if id, err := p.signIn(t, m, attempt()); err == nil {
		t.Errorf("signed in as %q by another's userinfo", id.Subject)
	}
}
