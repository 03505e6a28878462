package oidc

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"foregate/authn"
)

const back = "https://app.test/sso/signed-out"

func TestOI13SignOutNamesThePersonAndTheWayBack(t *testing.T) {
	p := newProvider(t)
	p.metadata = func(md map[string]any) { md["end_session_endpoint"] = p.URL + "/logout?tenant=a" }
	m := openMethod(t, p.config())
	id := p.mustIn(t, m)
	reply, err := m.SignOut(t.Context(), id, back)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(reply.(authn.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/logout" || q.Get("tenant") != "a" || q.Get("id_token_hint") != id.Private[privateToken] ||
		q.Get("client_id") != "foregate" || q.Get("post_logout_redirect_uri") != back || len(q.Get("state")) < 20 {
		t.Errorf("got %s", u)
	}
}

func TestOI13LongHintGoesInAForm(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	id := p.mustIn(t, m)
	id.Private[privateToken] = strings.Repeat("x", maxAddress)
	reply, err := m.SignOut(t.Context(), id, back)
	if err != nil {
		t.Fatal(err)
	}
	form, ok := reply.(authn.PostForm)
	if !ok || form.URL != p.URL+"/logout" || len(form.Fields["id_token_hint"]) != maxAddress || form.Fields["post_logout_redirect_uri"] != back {
		t.Errorf("got %T to %s", reply, form.URL)
	}
}

func TestOI13SignOutWithoutAProviderIsLocal(t *testing.T) {
	p := newProvider(t)
	p.metadata = func(md map[string]any) { delete(md, "end_session_endpoint") }
	m := openMethod(t, p.config())
	id := p.mustIn(t, m)
	if _, err := m.SignOut(t.Context(), id, back); !errors.Is(err, ErrNoSignOut) {
		t.Errorf("no endpoint: got %v", err)
	}
	p.Close()
	down := openMethod(t, p.config())
	if _, err := down.SignOut(t.Context(), id, back); !errors.Is(err, ErrNoSignOut) {
		t.Errorf("not discovered: got %v", err)
	}
}
