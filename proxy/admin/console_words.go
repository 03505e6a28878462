package admin

import (
	"encoding/json"
	"fmt"
	"html/template"
	"sort"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

// pageWords are what the templates can call.
var pageWords = template.FuncMap{
	"plain":  plainText,
	"when":   when,
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"action": actionWords,
	"result": resultWords,
	"detail": detailWords,
	"number": thousands,
	"plural": plural,
	"join":   strings.Join,
	"role":   roleWords,
	"source": sourceWords,
	"shown":  func(a accounts.Account) string { return shownName(&a) },
}

// plainText takes from a stranger's text what could reorder the words around it.
func plainText(s string) string { return strings.TrimSpace(authn.CutControl(s, 2000)) }

// when is a point in time for people; all of them are in UTC, and the page says so.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2 Jan 2006, 15:04")
}

// thousands groups digits, as 12,345.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func roleWords(r Role) string {
	switch r {
	case Viewer:
		return "may look, not change"
	case Desk:
		return "manages access"
	case Owner:
		return "may do everything"
	}
	return ""
}

// sourceWords says where an account comes from.
func sourceWords(source string) string {
	words := map[string]string{
		accounts.FromCreate: "by an administrator", accounts.FromImport: "by an import", accounts.FromSCIM: "by the organisation's identity provider (SCIM)",
		accounts.FromAdmit: "at the first sign-in", accounts.FromDirectory: "by the refresh of a directory",
	}
	if said, ok := words[source]; ok {
		return said
	}
	return plainText(source)
}

// actionWords says an action of the audit trail in plain words. What is not here is
// shown as it is written.
func actionWords(action string) string {
	words := map[string]string{
		"sign_in": "Sign-in", "link": "Identity linked", "unlink": "Identity unlinked", "create": "Account created", "change": "Data changed",
		"disable": "Account disabled", "enable": "Account enabled", "exempt": "Exemption changed", "set_roles": "Roles changed", "delete": "Account deleted",
		"set_password": "Password changed", "totp_set": "Authenticator app set up", "totp_remove": "Authenticator app removed",
		"import": "File imported", "import_create": "Account created by import", "import_change": "Account changed by import", "export": "Accounts exported",
		"end_sessions": "Sessions ended", "admin_sign_in": "Sign-in to the console", "export_audit": "Audit trail exported", "export_usage": "Usage exported",
		"recovery_code": "Recovery code used", "login_set": "Own name and password for an application entered", "login_remove": "Own name and password for an application removed",
	}
	if said, ok := words[action]; ok {
		return said
	}
	return plainText(action)
}

func resultWords(result string) string {
	words := map[string]string{"ok": "done", "admitted": "let in", "verify": "asked for a code", "refused": "refused", "locked": "too many tries"}
	if said, ok := words[result]; ok {
		return said
	}
	return strings.ReplaceAll(plainText(result), "_", " ")
}

// detailWords lists what else a line of the audit trail says, in a steady order.
func detailWords(detail map[string]any) []string {
	var said []string
	for name, value := range detail {
		text, ok := value.(string)
		if value == false || value == nil {
			continue // what is not so needs no words
		}
		if !ok {
			data, err := json.Marshal(value)
			if err != nil {
				continue
			}
			text = strings.NewReplacer(`"`, "", "[", "", "]", "", ",", ", ").Replace(string(data))
		}
		said = append(said, fmt.Sprintf("%s: %s", strings.ReplaceAll(plainText(name), "_", " "), plainText(text)))
	}
	sort.Strings(said)
	return said
}

// doneWords says what has just been done. Only the words of this table are ever
// shown, whatever an address asks for.
func doneWords(v *visit) string {
	done := v.r.URL.Query().Get("done")
	if done == "" {
		return ""
	}
	for _, d := range deeds() {
		if d.name == done {
			return d.done
		}
	}
	return map[string]string{
		"signed-out": "You are signed out.", "created": "The account is made.", "edited": "The changes are saved.", "deleted": "The account is deleted.",
		"sessions-ended": "The sessions are over.",
	}[done]
}
