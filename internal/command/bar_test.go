package command

import (
	"bytes"
	"strings"
	"testing"

	"foregate/proxy/admin"
)

func TestBarFillsAsAccountsAreFound(t *testing.T) {
	for _, c := range []struct {
		p     admin.RefreshProgress
		width int
		want  string
	}{
		{admin.RefreshProgress{Seen: 7, Found: 0, Accounts: 10}, 48, "[..............] 0 of 10 accounts, 7 people seen"},
		{admin.RefreshProgress{Seen: 9, Found: 5, Accounts: 10}, 48, "[#######.......] 5 of 10 accounts, 9 people seen"},
		{admin.RefreshProgress{Seen: 20, Found: 10, Accounts: 10}, 50, "[##############] 10 of 10 accounts, 20 people seen"},
		{admin.RefreshProgress{Seen: 20, Found: 10, Accounts: 10}, 20, "10 of 10 accounts, 2"},
	} {
		got := bar(c.p, c.width)
		if len(got) != c.width || got != c.want {
			t.Errorf("%+v in %d columns: %q (%d), want %q", c.p, c.width, got, len(got), c.want)
		}
	}
}

func TestBarGivesWayToWhatWasFound(t *testing.T) {
	var out, errs bytes.Buffer
	a := &asker{shell: &shell{out: &out, err: &errs}}
	answer := `{"progress":{"seen":20,"found":10,"accounts":40}}` + "\n" + `{"found":{"seen":40,"linked":40,"changed":2,"left":1,"notes":["nora: changed [groups]"]}}`
	if err := a.followRefresh(strings.NewReader(answer), 60); err != nil {
		t.Fatal(err)
	}
	shown := errs.String()
	if !strings.Contains(shown, "\r[#") || !strings.Contains(shown, "10 of 40 accounts, 20 people seen") || !strings.HasSuffix(shown, "\r40 people in the directory, 40 of them with an account: 2 were changed, 1 lose access, 0 have it again.\n") {
		t.Errorf("shown %q", shown)
	}
	if out.String() != "nora: changed [groups]\n" {
		t.Errorf("written %q", out.String())
	}
	for answer, want := range map[string]string{`{"progress":{}}`: "broke off", `{"error":"too many would lose access"}`: "too many would lose access", "": "broke off"} {
		if err := a.followRefresh(strings.NewReader(answer), 60); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}
	}
}
