package admin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/cookies"
)

// signedIn are sessions as Sessions tells of them. After the first that ends, err
// comes.
type signedIn struct {
	all []cookies.Listed
	err error
}

func (s *signedIn) List(_ context.Context, match func(cookies.Listed) bool, limit int) (out []cookies.Listed, err error) {
	for _, l := range s.all {
		if match(l) && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, s.err
}

func (s *signedIn) Of(context.Context, ...cookies.Person) ([]cookies.Listed, error) {
	return s.all, s.err
}

func (s *signedIn) Revoke(_ context.Context, key string) error {
	s.all = slices.DeleteFunc(s.all, func(l cookies.Listed) bool { return l.Key == key })
	return s.err
}

func (s *signedIn) RevokeMatching(_ context.Context, match func(cookies.Listed) bool) (n int, err error) {
	var left []cookies.Listed
	for _, l := range s.all {
		if match(l) && (n == 0 || s.err == nil) {
			n++
			continue
		}
		left = append(left, l)
	}
	s.all = left
	return n, s.err
}

func three() *signedIn {
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	listed := func(key, user, method, app string) cookies.Listed {
		return cookies.Listed{Key: key, Ends: ends, Summary: cookies.Summary{User: user, Method: method, App: app, Client: "192.0.2.10"}}
	}
	return &signedIn{all: []cookies.Listed{
		listed("alice1alice1-and-more", "alice", "entra", "careplan"), listed("alice2alice2-and-more", "alice", "local", "formulary"),
		listed("bob1bob1bob1-and-more", "bob", "entra", "careplan"),
	}}
}

func order(t *testing.T, s Sessions, log *bytes.Buffer, method, target, body string) (int, string) {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	NewAPI(Parts{Sessions: s, Log: slog.New(slog.NewTextHandler(log, nil))}).For(OfSocket).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestListShowsThoseThatAllFieldsFit(t *testing.T) {
	for query, want := range map[string][]string{
		"":                          {"alice1alice1", "alice2alice2", "bob1bob1bob1"},
		"?user=alice":               {"alice1alice1", "alice2alice2"},
		"?user=alice&method=entra":  {"alice1alice1"},
		"?app=careplan":             {"alice1alice1", "bob1bob1bob1"},
		"?handle=bob1bob1bob1":      {"bob1bob1bob1"},
		"?user=Alice":               nil,
		"?user=alic":                nil,
		"?handle=bob1":              nil,
		"?user=bob&app=formulary":   nil,
		"?method=entra&app=unknown": nil,
	} {
		status, body := order(t, three(), new(bytes.Buffer), "GET", "/api/v1/sessions"+query, "")
		var got []string
		for _, handle := range []string{"alice1alice1", "alice2alice2", "bob1bob1bob1"} {
			if strings.Contains(body, `"handle":"`+handle+`"`) {
				got = append(got, handle)
			}
		}
		if diff := cmp.Diff(want, got); status != http.StatusOK || diff != "" {
			t.Errorf("%q: %d (-want +got)\n%s", query, status, diff)
		}
		if strings.Contains(body, "and-more") {
			t.Errorf("%q: the key of a record is shown: %s", query, body)
		}
	}
}

func TestListSaysWhetherThereIsMore(t *testing.T) {
	for limit, more := range map[string]string{"2": "true", "3": "false", "4": "false"} {
		_, body := order(t, three(), new(bytes.Buffer), "GET", "/api/v1/sessions?limit="+limit, "")
		if !strings.Contains(body, `"more":`+more) || strings.Count(body, `"handle"`) > 3 {
			t.Errorf("limit %s: %s", limit, body)
		}
	}
}

func TestOrdersThatCannotBeMeantDoNothing(t *testing.T) {
	for name, test := range map[string]struct {
		method, target, body string
		status               int
	}{
		"nothing named":  {"POST", "/api/v1/sessions/revoke", `{}`, 400},
		"all of nothing": {"POST", "/api/v1/sessions/revoke", `{"all":false,"user":""}`, 400},
		"a wrong field":  {"POST", "/api/v1/sessions/revoke", `{"all":true,"usr":"alice"}`, 400},
		"no JSON":        {"POST", "/api/v1/sessions/revoke", `all`, 400},
		"too long":       {"POST", "/api/v1/sessions/revoke", `{"user":"` + strings.Repeat("a", maxOrder) + `"}`, 413},
		"by GET":         {"GET", "/api/v1/sessions/revoke", `{"all":true}`, 405},
		"no number":      {"GET", "/api/v1/sessions?limit=many", "", 400},
		"none":           {"GET", "/api/v1/sessions?limit=0", "", 400},
		"elsewhere":      {"GET", "/metrics", "", 404},
	} {
		s, log := three(), new(bytes.Buffer)
		if status, body := order(t, s, log, test.method, test.target, test.body); status != test.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if len(s.all) != 3 || log.Len() != 0 {
			t.Errorf("%s: %d sessions are left; the log says %q", name, len(s.all), log)
		}
	}
}

func TestRevocationIsOneLineOfTheLog(t *testing.T) {
	s, log := three(), new(bytes.Buffer)
	status, body := order(t, s, log, "POST", "/api/v1/sessions/revoke", `{"user":"alice"}`)
	if status != 200 || body != "{\"revoked\":2}\n" || len(s.all) != 1 {
		t.Errorf("%d %s, %d sessions are left", status, body, len(s.all))
	}
	for _, part := range []string{"sessions revoked by an operator", "by=unknown", "sessions=2", "user=alice", "complete=true"} {
		if !strings.Contains(log.String(), part) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("no %q in one line:\n%s", part, log)
		}
	}
}

// TestRevocationThatFailsSaysHowFarItCame, so that nobody takes it for done.
func TestRevocationThatFailsSaysHowFarItCame(t *testing.T) {
	s, log := three(), new(bytes.Buffer)
	s.err = errors.New("the store does not answer")
	status, body := order(t, s, log, "POST", "/api/v1/sessions/revoke", `{"all":true}`)
	if status != 503 || !strings.Contains(body, "1 sessions ended, then: the store does not answer") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(log.String(), "sessions=1") || !strings.Contains(log.String(), "complete=false") {
		t.Errorf("the log:\n%s", log)
	}
}
