package gate

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// samlMethod is a second way to sign in, by SAML, of which nobody has said yet who
// the provider is.
const samlMethod = `
  - name: idp
    saml: {}`

func startSAML(t *testing.T) *foregate {
	t.Helper()
	f := start(t, options{users: samlMethod})
	f.edit(func(yaml string) string { return strings.Replace(yaml, "methods: [local]", "methods: [local, idp]", 1) })
	f.restart()
	return f
}

func (f *foregate) postForm(target, cookie, body string, headers ...string) string {
	f.t.Helper()
	return f.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n%s%s\r\n%s",
		target, len(body), cookieLine(cookie), strings.Join(append(headers, ""), "\r\n"), body))
}

func cookieLine(cookie string) string {
	if cookie == "" {
		return ""
	}
	return "Cookie: " + cookie + "\r\n"
}

func TestSM11NobodyIsLedAwayByARelayState(t *testing.T) {
	t.Parallel()
	f := startSAML(t)
	for _, relay := range append(escapes(), "0AAAA", strings.Repeat("x", 4096)) {
		body := url.Values{"SAMLResponse": {"PHg+PC94Pg=="}, "RelayState": {relay}}.Encode()
		for _, cookie := range []string{"", "other=1"} {
			got := f.postForm("/sso/acs", cookie, body)
			if statusOf(got) != http.StatusBadRequest || strings.Contains(got, "\r\nLocation:") {
				t.Errorf("RelayState %.40q: %.200q", relay, got)
			}
		}
	}
}

// An attempt by another way is none for a SAML answer.
func TestSM11AttemptOfAnotherWay(t *testing.T) {
	t.Parallel()
	f := startSAML(t)
	b := newBrowser(f)
	page := b.get("/sso/start/local?rd=/")
	var attempt string
	for _, m := range hiddenPattern.FindAllStringSubmatch(page.body, -1) {
		if m[1] == "attempt" {
			attempt = m[2]
		}
	}
	if attempt == "" {
		t.Fatalf("no attempt in %s", page.body)
	}
	got := b.do("POST", "/sso/acs", url.Values{"SAMLResponse": {"PHg+PC94Pg=="}, "RelayState": {attempt}}, nil)
	if got.StatusCode != http.StatusBadRequest || b.cookie("foregate") != "" {
		t.Errorf("%s", got.Status)
	}
	f.waitForLog("why", logTime, func(logs string) bool { return strings.Contains(logs, "whose answers do not come here") })
}

func TestSM15AndSM13AtTheDoor(t *testing.T) {
	t.Parallel()
	f := startSAML(t)
	paos := []string{"Accept: text/html; application/vnd.paos+xml", `PAOS: ver="urn:liberty:paos:2003-08";"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"`}
	if got := f.get("/admin/x", "", paos...); statusOf(got) == http.StatusOK || len(f.up.take()) != 0 {
		t.Errorf("an ECP client came through: %.200q", got)
	}
	for what, c := range map[string]struct {
		got  string
		want int
	}{
		"acs by GET":        {f.get("/sso/acs?SAMLResponse=PHg+PC94Pg==", ""), http.StatusMethodNotAllowed},
		"acs without body":  {f.postForm("/sso/acs", "", ""), http.StatusBadRequest},
		"acs of a megabyte": {f.postForm("/sso/acs", "", "SAMLResponse="+strings.Repeat("A", 1<<20)), http.StatusRequestEntityTooLarge},
		"acs below":         {f.postForm("/sso/acs/x", "", "a=b"), http.StatusMethodNotAllowed},
		"slo of nobody":     {f.get("/sso/slo?SAMLRequest=AAAA", ""), http.StatusBadRequest},
		"slo without":       {f.get("/sso/slo", ""), http.StatusBadRequest},
		"slo by POST":       {f.postForm("/sso/slo", f.alice(), "SAMLRequest=AAAA"), http.StatusBadRequest},
		"metadata":          {f.get("/sso/metadata", ""), http.StatusOK},
		"metadata by POST":  {f.postForm("/sso/metadata", "", "a=b"), http.StatusMethodNotAllowed},
		"metadata of none":  {f.get("/sso/metadata/local", ""), http.StatusNotFound},
	} {
		if got := statusOf(c.got); got != c.want {
			t.Errorf("%s: %d, want %d: %.300q", what, got, c.want, c.got)
		}
	}
	// A body that ends in the middle.
	for range 5 {
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /sso/acs HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\nSAMLResp"); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	if got := f.get("/public/x", ""); statusOf(got) != http.StatusOK {
		t.Errorf("others are not served any more: %.100q", got)
	}
}

func TestMetadataNamesTheHostThatWasAsked(t *testing.T) {
	t.Parallel()
	f := startSAML(t)
	got := f.get("/sso/metadata", "", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https")
	if !strings.Contains(got, `entityID="http://app.test/sso/metadata"`) || !strings.Contains(got, `Location="http://app.test/sso/acs"`) || strings.Contains(got, "evil.test") {
		t.Errorf("%s", got)
	}
	if got := f.raw("GET /sso/metadata HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n"); statusOf(got) != http.StatusMisdirectedRequest {
		t.Errorf("%.200q", got)
	}
}
