package cookies

import (
	"encoding/json"
	"testing"
	"time"

	"foregate/authn"
)

// later is a record as a later version writes it.
func later(t *testing.T, tk *ticket, version, since int) []byte {
	t.Helper()
	now := time.Now()
	plain, err := json.Marshal(map[string]any{
		"v": version, "vs": since, "a": "app:x", "b": now.UnixMilli(), "s": now.UnixMilli(), "i": 1_200_000, "l": 3_600_000,
		"device": map[string]any{"trusted": true},
		"u":      map[string]any{"m": "local", "i": "issuer", "s": "alice", "u": "alice", "t": now, "assurance": []int{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := tk.box().seal(plain)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFM20RecordOfALaterVersionSurvivesBeingWritten(t *testing.T) {
	tk, _ := newTicket()
	c, err := tk.open(later(t, tk, contentVersion+1, contentVersion))
	if err != nil {
		t.Fatal(err)
	}
	c.Seen += 1000
	c.Identity.Groups = []string{"night"}
	data, err := tk.seal(c)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := tk.box().open(data)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		V, Vs  int
		Device struct{ Trusted bool }
		U      struct {
			Assurance []int
			G         []string
		}
	}
	if err := json.Unmarshal(plain, &got); err != nil {
		t.Fatal(err)
	}
	if got.V != contentVersion+1 || got.Vs != contentVersion || !got.Device.Trusted || len(got.U.Assurance) != 2 || len(got.U.G) != 1 {
		t.Errorf("got %s", plain)
	}
}

func TestSE17RecordThatOnlyLaterVersionsUnderstandIsRefused(t *testing.T) {
	tk, _ := newTicket()
	for name, since := range map[string]int{"none": 0, "later": contentVersion + 1} {
		if _, err := tk.open(later(t, tk, contentVersion+1, since)); err == nil {
			t.Errorf("since %s: it opens", name)
		}
	}
}

func TestOrdinaryRecordHasNothingUnknown(t *testing.T) {
	tk, _ := newTicket()
	data, err := tk.seal(&content{Version: contentVersion, Audience: "a", Identity: authn.Identity{
		User: "alice", Renew: time.Now(), Until: time.Now(), Claims: map[string]any{"x": 1}, Private: map[string]string{"a": "b"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tk.open(data)
	if err != nil || c.more != nil {
		t.Errorf("got %+v, %v", c.more, err)
	}
}
