package kerberos

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func TestSIDAndGroupsComeFromTheSignedTicket(t *testing.T) {
	d := newDomain(t)
	m := d.open(t, time.Now)
	m.bySID, m.groups = true, true
	env := d.Ticket(t, "alice")
	reply, err := resume(t, m, host, token(t, env, host))
	in, ok := reply.(authn.SignedIn)
	if err != nil || !ok {
		t.Fatalf("%+v, %v", reply, err)
	}
	id := in.Identity
	sid := regexp.MustCompile(`^S-1-5-21(-\d+){4}$`)
	if !sid.MatchString(id.Subject) || id.User != "alice" || id.Name != "alice Test" {
		t.Errorf("identity %+v", id)
	}
	domain := id.Subject[:strings.LastIndex(id.Subject, "-")]
	// Domain Users; and a group, with the two that it is in.
	inDomain := slices.DeleteFunc(slices.Clone(id.Groups), func(g string) bool { return !strings.HasPrefix(g, domain+"-") })
	if !slices.Contains(inDomain, domain+"-513") || len(inDomain) != 4 {
		t.Errorf("groups %q", id.Groups)
	}
	if slices.Contains(id.Groups, id.Subject) {
		t.Error("the person is a group")
	}
}

func TestPACOfSomebodyElseOrWithAnotherKeyIsNone(t *testing.T) {
	d := newDomain(t)
	m := d.open(t, time.Now)
	req, err := readToken(strings.TrimPrefix(token(t, d.Ticket(t, "alice"), host), "Negotiate "))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := m.decrypt(req, []string{"HTTP/" + host})
	if err != nil {
		t.Fatal(err)
	}
	part := req.Ticket.DecryptedEncPart
	if _, err := factsOf(&part, ours); err != nil {
		t.Fatal(err)
	}
	other := ours
	other.KeyValue = slices.Clone(ours.KeyValue)
	other.KeyValue[0] ^= 1
	if _, err := factsOf(&part, other); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("signed with another key: %v", err)
	}
	part.CName.NameString = []string{"dave"}
	if _, err := factsOf(&part, ours); err == nil || !strings.Contains(err.Error(), "PAC is of") {
		t.Errorf("of another person: %v", err)
	}
	part.AuthorizationData = nil
	if _, err := factsOf(&part, ours); err == nil {
		t.Error("without a PAC there are facts")
	}
}
