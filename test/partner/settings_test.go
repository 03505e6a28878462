package partner

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhereTheUserComesFrom tries the ways that TestPages does not: none of them
// believes a header.
func TestWhereTheUserComesFrom(t *testing.T) {
	each(t, func(t *testing.T, p page, start func(t *testing.T, settings []string) string) {
		// As long as Blowfish's can be, with other bytes than ASCII's.
		long := keys{key: "00ff80fe7f0a0df2ad0bbe602729488b075b5962aa818120b4622845937283b4b9e7c1e134118e64e0d7b1017c84fb93d2ea94c4ac0b56b2", mac: "80ff00348a629f5ceed032c3e8706ec4", app: app}
		odd := keys{key: "00ff80fe7f990cb8ebd0afb7150da453", mac: legacyKeys.mac, app: app}
		if p.only16 {
			long.key, odd.key = long.key[:32], odd.key[:32]
		}
		tests := []struct {
			way                string
			userFrom, nameFrom string
			form               string
			keys               keys
			user, name         string
		}{
			{"fixed", "fixed:site:reading-room", "fixed:Zoë's Ångström: room", "legacy", long, "site:reading-room", "Zoë's Ångström: room"},
			{"fixed beyond ASCII", "fixed:Zoë", "", p.modern, modernKeys, "zoë", ""},
			{"address", "address", "fixed:", p.modern, modernKeys, "127.0.0.1", ""},
			{"remote user", "remote-user", "", "legacy", odd, "alice", ""},
		}
		for _, tt := range tests {
			t.Run(tt.way, func(t *testing.T) {
				t.Parallel() // servers take their time to start
				at := start(t, tt.keys.settings(tt.form, tt.userFrom, tt.nameFrom))
				if tt.way == "remote user" && p.remote == refused {
					if at != "" {
						t.Fatal("starts, although nothing can tell who the remote user is")
					}
					return
				}
				if at == "" {
					t.Fatal("does not start")
				}
				got := visit(t, http.MethodGet, at, "mallory", "Mallory")
				if tt.way == "remote user" && p.remote == nobody {
					if got.status != http.StatusForbidden || got.location != "" {
						t.Errorf("nobody is signed in: %d, %q", got.status, got.location)
					}
					return
				}
				_, said := sent(t, got, tt.keys, tt.form)
				if said.User != tt.user || said.Name != tt.name {
					t.Errorf("says %q, %q; want %q, %q", said.User, said.Name, tt.user, tt.name)
				}
			})
		}
	})
}

// A page that is not set up says so to its operator, and makes no token.
func TestBadSettingsMakeNoToken(t *testing.T) {
	each(t, func(t *testing.T, p page, start func(t *testing.T, settings []string) string) {
		for fault, settings := range map[string][]string{
			"short key":         keys{key: legacyKeys.key[:30], mac: legacyKeys.mac, app: app}.settings("legacy", "fixed:alice", ""),
			"key not in hex":    keys{key: legacyKeys.key[:30] + "zz", mac: legacyKeys.mac, app: app}.settings("legacy", "fixed:alice", ""),
			"half a byte":       keys{key: legacyKeys.key + legacyKeys.key + "0", mac: legacyKeys.mac, app: app}.settings("legacy", "fixed:alice", ""),
			"short mac key":     keys{key: legacyKeys.key, mac: legacyKeys.mac[:30], app: app}.settings("legacy", "fixed:alice", ""),
			"short modern key":  keys{key: modernKeys.key[:62], partner: "p", audience: "a", app: app}.settings("modern", "fixed:alice", ""),
			"no partner":        keys{key: modernKeys.key, audience: "a", app: app}.settings("modern", "fixed:alice", ""),
			"no audience":       keys{key: modernKeys.key, partner: "p", app: app}.settings("modern", "fixed:alice", ""),
			"unknown form":      modernKeys.settings("Modern", "fixed:alice", ""),
			"unknown user_from": modernKeys.settings("modern", "remote_user", ""),
			"no application":    append(modernKeys.settings("modern", "fixed:alice", ""), "HANDOFF_APP="),
		} {
			t.Run(fault, func(t *testing.T) {
				t.Parallel()
				at := start(t, settings)
				if at == "" {
					return // it did not even start
				}
				got := visit(t, http.MethodGet, at+"?return_to=https://evil.example/", "", "")
				if got.status != http.StatusInternalServerError || got.location != "" {
					t.Errorf("%d, Location %q: %.300s", got.status, got.location, got.body)
				}
				if strings.Contains(got.body, legacyKeys.key[:30]) || strings.Contains(got.body, modernKeys.key[:62]) {
					t.Errorf("shows its key: %.2000s", got.body)
				}
			})
		}
	})
}
