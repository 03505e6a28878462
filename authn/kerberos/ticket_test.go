package kerberos

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-krb5/krb5/iana/addrtype"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/types"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestComputersAndServicesAreNobody(t *testing.T) {
	m := &Method{realms: []string{"AD.EXAMPLE"}}
	for name, person := range map[string]bool{
		"alice": true, "alice.archer": true, "PC7$": false, "HTTP/app.ad.example": false, "WELLKNOWN/ANONYMOUS": false, "": false, "a\nb": false, "a@b": false,
	} {
		err := m.mayBe(&messages.EncTicketPart{CRealm: "AD.EXAMPLE", CName: types.PrincipalName{NameString: strings.Split(name, "/")}})
		if (err == nil) != person {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRC4IsRefusedUnlessAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		c := Config{Keytab: authn.Path(madeKeytab(t, 18, 23)), Networks: everywhere, InsecureRC4: allowed}
		m, err := c.open(authntest.NewEnv("domain-pc"), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		req := &messages.APReq{Ticket: messages.Ticket{
			Realm: "AD.EXAMPLE", SName: types.PrincipalName{NameString: []string{"HTTP", host}}, EncPart: types.EncryptedData{EType: 23, KVNO: 2, Cipher: make([]byte, 64)},
		}}
		_, err = m.decrypt(req, []string{"HTTP/" + host})
		if weak := strings.Contains(err.Error(), "too weak"); weak == allowed {
			t.Errorf("allowed %v: %v", allowed, err)
		}
	}
}

func TestTicketBoundToAddressesHoldsThereOnly(t *testing.T) {
	here := netip.MustParseAddr("192.0.2.10")
	netbios := types.HostAddress{AddrType: addrtype.NetBios, Address: []byte("PC7             ")}
	bound := types.HostAddress{AddrType: addrtype.IPv4, Address: here.AsSlice()}
	for name, try := range map[string]struct {
		to   types.HostAddresses
		from netip.Addr
		want bool
	}{
		"nothing":   {nil, here, true},
		"name":      {types.HostAddresses{netbios}, here, true},
		"here":      {types.HostAddresses{netbios, bound}, here, true},
		"elsewhere": {types.HostAddresses{netbios, bound}, netip.MustParseAddr("192.0.2.11"), false},
		"unknown":   {types.HostAddresses{bound}, netip.Addr{}, false},
	} {
		if got := at(try.to, try.from); got != try.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
