package ldap

import (
	"strings"
	"testing"
	"time"

	"foregate/internal/ldaptest"
)

func TestLD6WarnsWhenTheDomainLocksFirst(t *testing.T) {
	d := ldaptest.AD(t)
	const warning = "anybody can lock an account of the domain from here"
	b := newBench(t, onAD(d)) // the domain locks at 3, we at 8
	waitFor(t, "there is a warning", func() bool { return strings.Contains(b.out.String(), warning) })

	c := onAD(d)
	c.Lockout = Lockout{AccountFailures: 2, AccountWindow: time.Hour}
	b = newBench(t, c)
	b.checkLockout(t.Context())
	if strings.Contains(b.out.String(), warning) {
		t.Errorf("a warning without a reason:\n%s", b.out)
	}
}

func TestLockoutBesideThatOfTheDomain(t *testing.T) {
	for _, test := range []struct {
		threshold, window string
		found             string
	}{
		{"10", "-18000000000", ""}, // 30 minutes
		{"0", "-18000000000", ""},  // none
		{"", "", ""},               // not readable
		{"8", "-18000000000", "account_failures is 8"},
		{"5", "-18000000000", "account_failures is 8"},
		{"10", "-36000000000", "counts wrong passwords for 1h0m0s"},
		{"10", "-9223372036854775808", ""},
		{"10", "odd", ""},
	} {
		got := lockoutFault(Lockout{}, test.threshold, test.window)
		if (got == "") != (test.found == "") || !strings.Contains(got, test.found) {
			t.Errorf("%s in %s: %q, want %q", test.threshold, test.window, got, test.found)
		}
	}
}

func TestDomainOfABase(t *testing.T) {
	for base, want := range map[string]string{
		"OU=People,DC=ad,DC=example": "DC=ad,DC=example",
		"dc=ad,dc=example":           "dc=ad,dc=example",
		"OU=DC,O=x":                  "",
	} {
		if got := (&Config{BaseDN: base}).domainDN(); !strings.EqualFold(got, want) {
			t.Errorf("domain of %q = %q, want %q", base, got, want)
		}
	}
}
