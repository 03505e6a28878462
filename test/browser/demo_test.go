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

	"foregate/internal/chromium"
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
	b.Open(d.Partner + "/")
	b.Click("a")
	b.Says("Patients of today")
	if got := b.Told("X-Forwarded-User"); got != "st-elsewhere:wward" || b.Location() != d.URL+"/" {
		t.Errorf("%q at %s", got, b.Location())
	}
	b.LoseCookie(d.URL, "foregate") // as when the session is over
	b.Open(d.URL + "/echo?bed=3")
	b.Says("X-Forwarded-User: st-elsewhere:wward") // by way of the page, unseen
	if got := b.Location(); got != d.URL+"/echo?bed=3" {
		t.Errorf("at %s", got)
	}
}

func TestDemonstrationLetsTheRightPeopleIn(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.Open(d.URL + "/")
	if !strings.HasPrefix(b.Location(), d.URL+"/sso/sign-in?") {
		t.Fatalf("a stranger is shown %s", b.Location())
	}
	b.Audit("demo-form")
	b.SignIn("nora", "wrong")
	b.Says("do not match")
	b.Audit("demo-form-wrong")
	b.SignIn("nora", d.password("nora"))
	b.Says("Patients of today")
	if got := b.Told("X-Forwarded-User"); got != "nora" {
		t.Errorf("the application was told %q", got)
	}

	b.Open(d.URL + "/admin/")
	if b.Status() != http.StatusForbidden || strings.Contains(b.Text(), "only administrators get this far") {
		t.Errorf("nora opened /admin/: %d %s", b.Status(), b.Text())
	}
	if code := chromium.Must[string](b, `document.querySelector(".code b").innerText`); len(code) < 8 {
		t.Errorf("support code %q", code)
	}
	b.Audit("demo-refused")

	b.Click("main a.button") // sign in as somebody else
	b.Says("signed out")
	b.Audit("demo-signed-out")
	b.Click("main a.button")
	b.Until(`!!document.querySelector("input[name=password]")`)
	b.SignIn("adam", d.password("adam"))
	b.Says("Patients of today")
	b.Open(d.URL + "/admin/")
	if b.Status() != http.StatusOK || b.Told("X-Forwarded-User") != "adam" {
		t.Errorf("adam at /admin/: %d %s", b.Status(), b.Text())
	}
}

func TestSpoofedHeadersOfASignedInBrowserChangeNothing(t *testing.T) {
	d := startDemo(t)
	b := openBrowser(t, nil, "")
	b.Open(d.URL + "/")
	b.SignIn("nora", d.password("nora"))
	b.Says("Patients of today")

	chromium.Call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{
		"X_Forwarded_User": "root", "X-Forwarded-User": "root", "x-forwarded_groups": "administrators", "X-Forwarded-Groups": "administrators",
	}})
	b.Open(d.URL + "/")
	if strings.Contains(b.Text(), "root") || b.Told("X-Forwarded-User") != "nora" || b.Told("X-Forwarded-Groups") != "staff" {
		t.Errorf("the application was told:\n%s", b.Text())
	}
	b.Open(d.URL + "/admin/")
	if b.Status() != http.StatusForbidden {
		t.Errorf("status %d at /admin/", b.Status())
	}

	cookie := "Cookie: foregate=" + b.Cookie(d.URL, "foregate")
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
	b.Open(d.URL + "/")
	b.SignIn("nora", d.password("nora"))
	b.Says("Patients of today")
	copied := "Cookie: foregate=" + b.Cookie(d.URL, "foregate")
	if status, _ := d.raw(t, copied, "Connection: close"); status != http.StatusOK {
		t.Fatalf("the copy does not work before: %d", status)
	}
	b.Click(`#who a`)
	b.Says("signed out")
	if got := b.Cookie(d.URL, "foregate"); got != "" {
		t.Error("the browser still has the cookie")
	}
	if status, body := d.raw(t, copied, "Connection: close"); status != http.StatusUnauthorized {
		t.Errorf("the copy still works: %d %s", status, body)
	}
}
