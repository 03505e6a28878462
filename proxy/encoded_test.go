package proxy

import (
	"fmt"
	"strings"
	"testing"

	"foregate/authn"
)

// encodings are the ways to write a word with one letter, or all, percent-encoded, each in
// upper and lower hex.
func encodings(word string) []string {
	var out []string
	for _, hex := range []string{"%%%02x", "%%%02X"} {
		all := ""
		for i := range len(word) {
			one := fmt.Sprintf(hex, word[i])
			all += one
			out = append(out, word[:i]+one+word[i+1:])
		}
		out = append(out, all)
	}
	return out
}

// TestPB7AnEncodedLetterChangesNoDecision: a rule on /Admin, in whatever case, says of a path
// with percent-encoded letters what it says of the plain one. What lies outside is open to
// everybody, so that a rule that is walked round shows.
func TestPB7AnEncodedLetterChangesNoDecision(t *testing.T) {
	for _, rule := range []string{"/Admin/**", "/admin/**", "/ADMIN/**", "/Admin", "/*/Admin/**", "/über/Admin/**"} {
		policy := NewPolicy([]string{"local", "entra"}, []Rule{{Path: rule, Allow: SignedIn, Groups: []string{"admins"}}, {Path: "/**", Allow: Anyone}})
		prefix := strings.TrimSuffix(strings.TrimSuffix(rule, "/**"), "Admin")
		prefix = strings.ReplaceAll(prefix[:strings.LastIndex(prefix, "/")+1], "*", "x")
		for _, word := range []string{"Admin", "admin", "ADMIN", "aDmIn"} {
			plain := decisions(t, policy, prefix+word)
			if plain[0].Verdict != SignIn || plain[1].Verdict != Deny || plain[2].Verdict != Allow {
				t.Fatalf("%s, %s: %v", rule, word, plain)
			}
			for _, spelled := range encodings(word) {
				for i, got := range decisions(t, policy, prefix+spelled) {
					if got.Verdict != plain[i].Verdict || got.Rule != plain[i].Rule {
						t.Errorf("%s: %s is %v by rule %d, %s is %v by rule %d", rule, prefix+spelled, got.Verdict, got.Rule, prefix+word, plain[i].Verdict, plain[i].Rule)
					}
				}
				// Encoded twice it is another path to some, and the same to others.
				for i, got := range decisions(t, policy, prefix+strings.ReplaceAll(spelled, "%", "%25")) {
					if got.Verdict == Allow && plain[i].Verdict != Allow {
						t.Errorf("%s, encoded twice: allowed to %d", spelled, i)
					}
				}
			}
		}
	}
}

// TestPB7AnEncodedLetterOpensNothing that is open in another case alone.
func TestPB7AnEncodedLetterOpensNothing(t *testing.T) {
	policy := NewPolicy([]string{"local", "entra"}, []Rule{{Path: "/Public/**", Allow: Anyone}, {Path: "/**", Allow: SignedIn}})
	for _, word := range []string{"Public", "public", "PUBLIC"} {
		plain := decisions(t, policy, "/"+word+"/x")
		for _, spelled := range encodings(word) {
			for i, got := range decisions(t, policy, "/"+spelled+"/x") {
				if got.Verdict != plain[i].Verdict {
					t.Errorf("/%s/x: %v, and %v of %s", spelled, got.Verdict, plain[i].Verdict, word)
				}
			}
		}
	}
}

// decisions are those about a stranger, one of the staff, and an administrator.
func decisions(t *testing.T, policy *Policy, target string) []Decision {
	t.Helper()
	p, err := readPath(request(t, target), false)
	if err != nil {
		t.Fatal(target, ": ", err)
	}
	var all []Decision
	for _, who := range []*authn.Identity{nil, nora, adam} {
		all = append(all, policy.Decide(who, Request{Method: "GET", Path: p}))
	}
	return all
}
