package pages_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"
)

// technical are words that say something to whoever runs Foregate, and nothing to a nurse.
// What happened in their terms is in the log, under the support code.
var technical = regexp.MustCompile(`(?i)\b(tokens?|saml|oidc|oauth|openid|ldap|kerberos|https?|tls|ssl|json|xml|url|uri|dns|ip|api|nonce|assertions?|certificates?|signatures?|timed? ?out|timeout|redirect(s|ed)?|upstream|proxy|backend|gateway|server|request|parameter|header|payload|null|nil|invalid|exception|stack|fatal|abort(ed)?|unauthori[sz]ed|forbidden|authenticat(e|ed|ion)|authori[sz]ation|credentials?|principal|session|database|store|replica|config(uration)?|foregate)\b`)

// forMachines is said to programs that do not show pages.
var forMachines = []string{
	"Send user name and password over https only. Change them now: others may have read them on the way.",
	"This is no valid logout request.",
	"This kind of request is not served here.",
}

// TestPagesHaveNoTechnicalWords looks at each sentence that is said on a page.
func TestPagesHaveNoTechnicalWords(t *testing.T) {
	all := said(t)
	for _, s := range slices.Sorted(maps.Keys(all)) {
		if word := technical.FindString(s); word != "" && !slices.Contains(forMachines, s) {
			t.Errorf("%q has the word %q, said in %s", s, word, all[s])
		}
	}
	if len(all) < 100 {
		t.Errorf("%d sentences: the test sees too little", len(all))
	}
}
