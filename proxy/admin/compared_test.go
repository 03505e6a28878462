package admin

import (
	"net/http"
	"testing"
	"time"

	"foregate/authn/accounts"
)

// TestLastComparisonWithADirectoryIsShown, and that it went wrong.
func TestLastComparisonWithADirectoryIsShown(t *testing.T) {
	h := openHouse(t)
	at := time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)
	whole := ComparedBy(&accounts.Event{Time: at, Result: "ok", Detail: map[string]any{"seen": 2500.0, "linked": 812.0, "changed": 3.0, "left": 2.0, "back": 1.0}})
	h.methods = []MethodState{{Name: "ward-ad", Kind: "ldap", Usable: true, Compared: whole}}
	h.as("viewer").get("/methods").want(t, http.StatusOK, "2,500 in the directory, 812 with an account: 3 changed, 2 lost access, 1 have it again", "2026-03-04")
	h.methods[0].Compared = ComparedBy(&accounts.Event{Time: at, Result: "failed", Detail: map[string]any{"seen": 40.0, "why": "the directory broke off"}})
	h.as("viewer").get("/methods").want(t, http.StatusOK, "changed nothing, or not all", "the directory broke off", "foregate accounts refresh")
	h.methods[0].Compared = nil
	h.as("viewer").get("/methods").want(t, http.StatusOK, `data-label="Accounts compared (UTC)">never`)
}
