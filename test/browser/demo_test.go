package browser

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// demonstration is "foregate demo --json".
type demonstration struct {
	URL     string
	Partner string
	Users   []struct{ Name, Password string }
}

func startDemo(t *testing.T) demonstration {
	t.Helper()
	line, err := bufio.NewReader(start(t, "demo", "--json").out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var d demonstration
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return d
}

func (d demonstration) password(user string) string {
	for _, u := range d.Users {
		if u.Name == user {
			return u.Password
		}
	}
	return ""
}

func (d demonstration) host() string { return strings.TrimPrefix(d.URL, "http://") }

// raw asks for the demonstration's mirror of requests with header lines that no
// browser sends.
func (d demonstration) raw(t *testing.T, headers ...string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", d.host())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	lines := append([]string{"GET /echo HTTP/1.1", "Host: " + d.host()}, headers...)
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestDemonstrationOfAPartnersPage(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.open(d.Partner + "/")
	b.click("a")
	b.says("Patients of today")
	if got := b.told("X-Forwarded-User"); got != "st-elsewhere:wward" || b.location() != d.URL+"/" {
		t.Errorf("%q at %s", got, b.location())
	}
	b.loseCookie(d.URL, "foregate") // as when the session is over
	b.open(d.URL + "/echo?bed=3")
	b.says("X-Forwarded-User: st-elsewhere:wward") // by way of the page, unseen
	if got := b.location(); got != d.URL+"/echo?bed=3" {
		t.Errorf("at %s", got)
	}
}

func TestDemonstrationLetsTheRightPeopleIn(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.open(d.URL + "/")
	if !strings.HasPrefix(b.location(), d.URL+"/sso/sign-in?") {
		t.Fatalf("a stranger is shown %s", b.location())
	}
	b.audit("demo-form")
	b.signIn("nora", "wrong")
	b.says("do not match")
	b.audit("demo-form-wrong")
	b.signIn("nora", d.password("nora"))
	b.says("Patients of today")
	if got := b.told("X-Forwarded-User"); got != "nora" {
		t.Errorf("the application was told %q", got)
	}

	b.open(d.URL + "/admin/")
	if b.status() != http.StatusForbidden || strings.Contains(b.text(), "only administrators get this far") {
		t.Errorf("nora opened /admin/: %d %s", b.status(), b.text())
	}
	if code := must[string](b, `document.querySelector(".code b").innerText`); len(code) < 8 {
		t.Errorf("support code %q", code)
	}
	b.audit("demo-refused")

	b.click("main a.button") // sign in as somebody else
	b.says("signed out")
	b.audit("demo-signed-out")
	b.click("main a.button")
	b.until(`!!document.querySelector("input[name=password]")`)
	b.signIn("adam", d.password("adam"))
	b.says("Patients of today")
	b.open(d.URL + "/admin/")
	if b.status() != http.StatusOK || b.told("X-Forwarded-User") != "adam" {
		t.Errorf("adam at /admin/: %d %s", b.status(), b.text())
	}
}

func TestSpoofedHeadersOfASignedInBrowserChangeNothing(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.open(d.URL + "/")
	b.signIn("nora", d.password("nora"))
	b.says("Patients of today")

	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{
		"X_Forwarded_User": "root", "X-Forwarded-User": "root", "x-forwarded_groups": "administrators", "X-Forwarded-Groups": "administrators",
	}})
	b.open(d.URL + "/")
	if strings.Contains(b.text(), "root") || b.told("X-Forwarded-User") != "nora" || b.told("X-Forwarded-Groups") != "staff" {
		t.Errorf("the application was told:\n%s", b.text())
	}
	b.open(d.URL + "/admin/")
	if b.status() != http.StatusForbidden {
		t.Errorf("status %d at /admin/", b.status())
	}

	cookie := "Cookie: foregate=" + b.cookie(d.URL, "foregate")
	for _, headers := range [][]string{
		{cookie, "Connection: close, X-Forwarded-User", "X-Forwarded-User: root"},
		{cookie, "Connection: close, X-Forwarded-User, X-Forwarded-Groups, Cookie"},
		{cookie, "Connection: close", "X_Forwarded_User: root", "X-Forwarded_User: root", "x-forwarded-user: root"},
	} {
		status, body := d.raw(t, headers...)
		if status != http.StatusOK || strings.Contains(body, "root") || strings.Count(body, "X-Forwarded-User: nora\n") != 1 {
			t.Errorf("%q: %d\n%s", headers[1:], status, body)
		}
	}
}

func TestCookieThatWasCopiedBeforeSigningOutIsDead(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.open(d.URL + "/")
	b.signIn("nora", d.password("nora"))
	b.says("Patients of today")
	copied := "Cookie: foregate=" + b.cookie(d.URL, "foregate")
	if status, _ := d.raw(t, copied, "Connection: close"); status != http.StatusOK {
		t.Fatalf("the copy does not work before: %d", status)
	}
	b.click(`#who a`)
	b.says("signed out")
	if got := b.cookie(d.URL, "foregate"); got != "" {
		t.Error("the browser still has the cookie")
	}
	if status, body := d.raw(t, copied, "Connection: close"); status != http.StatusUnauthorized {
		t.Errorf("the copy still works: %d %s", status, body)
	}
}
