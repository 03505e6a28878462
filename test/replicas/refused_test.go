package replicas

import (
	"net/http"
	"testing"
	"time"
)

// ask sends one request with a session cookie to a replica, as an API client does.
func ask(t *testing.T, r *replica, target, cookie string) (status int, header http.Header, took time.Duration) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "app.test"
	req.Header.Set("Cookie", "foregate="+cookie)
	req.Header.Set("Accept", "application/json")
	began := time.Now()
	resp, err := plain.Do(req)
	took = time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header, took
}

var plain = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// wantRefused wants a session to be over on a replica within a second.
func wantRefused(t *testing.T, r *replica, cookie string) {
	t.Helper()
	began := time.Now()
	for {
		status, _, _ := ask(t, r, "/", cookie)
		if took := time.Since(began); status == http.StatusUnauthorized {
			t.Logf("over on the other replica after %v", took.Round(100*time.Microsecond))
			return
		} else if took > time.Second {
			t.Fatalf("alive on the other replica after %v: status %d", took, status)
		}
	}
}
