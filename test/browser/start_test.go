package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// slowestStart is generous: the race detector and a busy machine are in it.
const slowestStart = 2 * time.Second

func TestFirstPageWaitsForNoProvider(t *testing.T) {
	h := openHospital(t, options{gone: silence(t)})
	client := h.client()
	eventually(t, "the sign-in page is there", func() bool {
		r, err := http.NewRequest(http.MethodGet, h.url+"/sso/sign-in?rd=/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		resp, err := client.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	})
	took := time.Since(h.began)
	t.Logf("the first page came %s after the start", took.Round(time.Millisecond))
	if took > slowestStart {
		t.Errorf("the first page took %s", took)
	}
}
