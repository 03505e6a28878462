package gate

import (
	"strings"
	"testing"
)

// TestQuestionsThatAreNotPlainAreRefused: what is missing, said twice or said in two ways.
func TestQuestionsThatAreNotPlainAreRefused(t *testing.T) {
	t.Parallel()
	f := asked(t)
	alice := f.alice()
	forwarded := []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: http", "X-Forwarded-Host: app.test", "X-Forwarded-Uri: /ward"}
	original := []string{"X-Original-Method: GET", "X-Original-URL: http://app.test/ward"}
	with := func(base []string, more ...string) []string { return append(append([]string{}, base...), more...) }
	without := func(name string) (rest []string) {
		for _, line := range forwarded {
			if !strings.HasPrefix(line, name+":") {
				rest = append(rest, line)
			}
		}
		return rest
	}
	at := func(path string) []string { return with(without("X-Forwarded-Uri"), "X-Forwarded-Uri: "+path) }
	for name, c := range map[string]struct {
		target string
		lines  []string
		want   int
	}{
		"forwarded":           {"/sso/verify", forwarded, 200},
		"original":            {"/sso/verify", original, 200},
		"behind the address":  {"/sso/verify/ward?x=1", []string{"X-Forwarded-Proto: http"}, 200},
		"open":                {"/sso/verify", at("/public/x"), 200},
		"not allowed":         {"/sso/verify", at("/admin/x"), 403},
		"nothing":             {"/sso/verify", nil, 400},
		"no method":           {"/sso/verify", without("X-Forwarded-Method"), 400},
		"no scheme":           {"/sso/verify", without("X-Forwarded-Proto"), 400},
		"no host":             {"/sso/verify", without("X-Forwarded-Host"), 400},
		"two addresses":       {"/sso/verify", with(forwarded, "X-Forwarded-Uri: /public/x"), 400},
		"two hosts":           {"/sso/verify", with(forwarded, "X-Forwarded-Host: other.test"), 400},
		"both ways":           {"/sso/verify", with(forwarded, original...), 400},
		"a second method":     {"/sso/verify", with(forwarded, "X-Original-Method: GET"), 400},
		"another host":        {"/sso/verify", with(original, "X-Forwarded-Host: evil.test"), 400},
		"an unknown host":     {"/sso/verify", with(without("X-Forwarded-Host"), "X-Forwarded-Host: evil.test"), 421},
		"address and headers": {"/sso/verify/public/x", forwarded, 400},
		"another spelling":    {"/sso/%76erify", forwarded, 400},
		"our own":             {"/sso/verify", at("/sso/account"), 404},
		"dots":                {"/sso/verify", at("/public/../admin/x"), 400},
		"encoded dots":        {"/sso/verify", at("/public/%2e%2e/admin/x"), 400},
		"an encoded slash":    {"/sso/verify", at("/public/..%2fadmin"), 400},
		"two slashes":         {"/sso/verify", at("//admin/x"), 400},
		"a fragment":          {"/sso/verify", at("/admin/x#/public"), 400},
		"a whole address":     {"/sso/verify", at("http://app.test/public/x"), 400},
		"no path":             {"/sso/verify", at("public"), 400},
		"a strange method":    {"/sso/verify", with(without("X-Forwarded-Method"), "X-Forwarded-Method: get"), 400},
		"TRACE":               {"/sso/verify", with(without("X-Forwarded-Method"), "X-Forwarded-Method: TRACE"), 405},
		"CONNECT":             {"/sso/verify", with(without("X-Forwarded-Method"), "X-Forwarded-Method: CONNECT"), 405},
		"ftp":                 {"/sso/verify", with(without("X-Forwarded-Proto"), "X-Forwarded-Proto: ftp"), 400},
	} {
		answer := f.get(c.target, alice, c.lines...)
		if got := statusOf(answer); got != c.want {
			t.Errorf("%s: %d, want %d\n%.300s", name, got, c.want, answer)
		}
		if c.want != 200 && (strings.Contains(answer, "X-Forwarded-User") || strings.Contains(answer, "X-Foregate-Assertion")) {
			t.Errorf("%s: refused, and yet it says who asks:\n%s", name, answer)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
	// A stranger is somebody in no answer, and what they claim is not repeated.
	answer := f.get("/sso/verify", "", with(at("/public/x"), "X-Forwarded-User: root")...)
	if statusOf(answer) != 200 || strings.Contains(answer, "root") || !strings.Contains(answer, "X-Forwarded-User: \r\n") {
		t.Errorf("a stranger at an open page: %q", answer)
	}
}

// TestNobodyElseMayAsk: only whom forward_auth names, and about no other app.
func TestNobodyElseMayAsk(t *testing.T) {
	t.Parallel()
	f := asked(t)
	alice := f.alice()
	question := []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: http", "X-Forwarded-Host: app.test", "X-Forwarded-Uri: /ward"}
	f.edit(func(yaml string) string {
		yaml = strings.Replace(yaml, "trusted_proxies: [127.0.0.1]", "trusted_proxies: [127.0.0.0/8]", 1)
		return strings.Replace(yaml, "forward_auth: {}", "forward_auth: {from: [127.0.0.9]}", 1)
	})
	f.restart()
	if answer := f.get("/sso/verify", alice, question...); statusOf(answer) != 403 || strings.Contains(answer, "alice") {
		t.Errorf("another proxy: %.300q", answer)
	}
	g := start(t, options{}) // carries the requests itself
	if answer := g.get("/sso/verify", g.alice(), question...); statusOf(answer) != 404 {
		t.Errorf("an app without forward_auth: %.200q", answer)
	}
	if answer := f.get("/ward", alice); statusOf(answer) != 502 {
		t.Errorf("a request that was not to be carried here: %.200q", answer)
	}
}
