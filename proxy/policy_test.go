package proxy

import (
	"net/netip"
	"testing"

	"foregate/authn"
)

var (
	nora  = &authn.Identity{Method: "local", Issuer: "i", Subject: "nora", User: "nora", Groups: []string{"staff"}}
	adam  = &authn.Identity{Method: "local", Issuer: "i", Subject: "adam", User: "adam", Groups: []string{"staff", "admins"}}
	erika = &authn.Identity{Method: "entra", Issuer: "e", Subject: "erika", User: "erika", Groups: []string{"admins"}}
	guest = &authn.Identity{Method: "other", Issuer: "o", Subject: "guest", User: "guest"}
)

func TestPolicyTable(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	rules := []Rule{
		{Path: "/health", Allow: Anyone},
		{Path: "/api/*/status", HTTPMethods: []string{"GET", "HEAD"}, Allow: Anyone},
		{Path: "/never/**", Allow: Nobody},
		{Path: "/admin/secure/**", Allow: SignedIn, Groups: []string{"admins"}, Methods: []string{"entra"}},
		{Path: "/admin/**", Allow: SignedIn, Groups: []string{"admins"}},
		{Path: "/adam", Allow: SignedIn, Users: []string{"adam"}},
		{Path: "/kiosk/**", Allow: Anyone, Networks: inside},
		{Path: "/inside/**", Allow: SignedIn, Networks: inside},
		{Path: "/Reports/**", Allow: SignedIn, Groups: []string{"admins"}},
	}
	policy := NewPolicy([]string{"local", "entra"}, rules)
	for _, c := range []struct {
		who          *authn.Identity
		method, path string
		client       string
		want         Verdict
	}{
		{nil, "GET", "/", "", SignIn},
		{nora, "GET", "/", "", Allow},
		{guest, "GET", "/", "", SignIn}, // by a method that this app does not offer
		{&authn.Identity{}, "GET", "/", "", SignIn},
		{nil, "GET", "/health", "", Allow},
		{nil, "GET", "/healthy", "", SignIn},
		{nil, "GET", "/health/x", "", SignIn},
		{nil, "GET", "/api/v1/status", "", Allow},
		{nil, "POST", "/api/v1/status", "", SignIn},
		{nil, "GET", "/api/v1/x/status", "", SignIn},
		{adam, "GET", "/never/x", "", Deny},
		{nora, "GET", "/admin", "", Deny},
		{nora, "GET", "/admin/", "", Deny},
		{nora, "GET", "/admin/x/y", "", Deny},
		{nora, "GET", "/ADMIN/x", "", Deny}, // an application on Windows would serve /admin
		{nora, "GET", "/Admin", "", Deny},
		{nora, "GET", "/administrators", "", Allow},
		{adam, "GET", "/admin/x", "", Allow},
		{nil, "GET", "/admin/x", "", SignIn},
		{adam, "GET", "/admin/secure/x", "", SignIn},
		{erika, "GET", "/admin/secure/x", "", Allow},
		{adam, "GET", "/adam", "", Allow},
		{erika, "GET", "/adam/", "", Deny},
		{nil, "GET", "/kiosk/x", "10.1.2.3", Allow},
		{nil, "GET", "/kiosk/x", "192.0.2.1", SignIn},
		{nil, "GET", "/kiosk/x", "", SignIn},
		{nora, "GET", "/kiosk/x", "192.0.2.1", Allow},
		{nora, "GET", "/inside/x", "10.1.2.3", Allow},
		{nora, "GET", "/inside/x", "192.0.2.1", Deny},
		{nora, "GET", "/inside/x", "", Deny},
		{nil, "GET", "/inside/x", "10.1.2.3", SignIn},
		{nora, "GET", "/Reports/x", "", Deny},
		{nora, "GET", "/reports/x", "", Deny},
		{nora, "GET", "/HEALTH", "", Allow},
		{nil, "GET", "/HEALTH", "", SignIn}, // the other reading is another page
	} {
		addr, _ := netip.ParseAddr(c.client)
		p, err := readPath(request(t, c.path), false)
		if err != nil {
			t.Fatal(err)
		}
		got := policy.Decide(c.who, Request{Method: c.method, Path: p, Client: addr})
		if got.Verdict != c.want {
			t.Errorf("%v %s %s from %q: %v (%s), want %v", c.who, c.method, c.path, c.client, got.Verdict, got.Reason, c.want)
		}
	}
}

func TestZeroVerdictDenies(t *testing.T) {
	if (Decision{}).Verdict != Deny {
		t.Error("the zero Decision does not deny")
	}
	if (Rule{}).Allow != Nobody {
		t.Error("the zero Rule lets somebody through")
	}
}

func TestSignInNamesTheMethodsThatWouldDo(t *testing.T) {
	policy := NewPolicy([]string{"local", "entra"}, []Rule{{Path: "/admin/**", Allow: SignedIn, Methods: []string{"entra"}}})
	for _, who := range []*authn.Identity{nil, nora} {
		d := policy.Decide(who, Request{Method: "GET", Path: Path{"/admin/x", "/admin/x"}})
		if d.Verdict != SignIn || len(d.Methods) != 1 || d.Methods[0] != "entra" {
			t.Errorf("%v: %+v", who, d)
		}
	}
}

// TestOI17EachKindOfRuleKeepsOutsidersOut guards against a condition that stops
// working unnoticed: every kind, with a person who fulfils everything but it.
func TestOI17EachKindOfRuleKeepsOutsidersOut(t *testing.T) {
	for name, rule := range map[string]Rule{
		"groups":   {Allow: SignedIn, Groups: []string{"elsewhere"}},
		"users":    {Allow: SignedIn, Users: []string{"somebody"}},
		"roles":    {Allow: SignedIn, Roles: []string{"somebody"}},
		"methods":  {Allow: SignedIn, Methods: []string{"entra"}},
		"networks": {Allow: SignedIn, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		"nobody":   {Allow: Nobody},
	} {
		d := NewPolicy([]string{"local", "entra"}, []Rule{rule}).Decide(adam, Request{Method: "GET", Path: Path{"/", "/"}, Client: netip.MustParseAddr("10.0.0.1")})
		if d.Verdict == Allow {
			t.Errorf("%s: allowed: %+v", name, d)
		}
	}
}

func TestDecisionDoesNotAllocate(t *testing.T) {
	policy := NewPolicy([]string{"local"}, []Rule{{Path: "/health", Allow: Anyone}, {Path: "/admin/**", Allow: SignedIn, Groups: []string{"admins"}}})
	req := Request{Method: "GET", Path: Path{"/patients/4711", "/patients/4711"}}
	if n := testing.AllocsPerRun(100, func() { policy.Decide(nora, req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
