package kerberos

import (
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/go-krb5/krb5/types"
)

// A stranger's token neither ends the process nor is it anybody's.
func FuzzStrangersToken(f *testing.F) {
	f.Add([]byte("NTLMSSP\x00\x01\x00\x00\x00"))
	for _, s := range []string{
		"", "60", "6000", "a100", "6006062b06010505 02", "601606062b0601050502a00c300aa0083006060661",
		// SPNEGO with NegoEx and NTLM; Kerberos that ends after its header; an AP-REQ without anything.
		"602a06062b0601050502a020301ea01c301a060a2b06010401823702021e060a2b06010401823702020aa2000000",
		"600d06092a864886f71201020201 00", "601106092a864886f712010202010 06e023000",
	} {
		raw, _ := hex.DecodeString(s)
		f.Add(raw)
	}
	m := &Method{
		realms: []string{"AD.EXAMPLE"}, now: time.Now,
		keys: keys{{"HTTP/" + host, "AD.EXAMPLE", 2, types.EncryptionKey{KeyType: 18, KeyValue: make([]byte, 32)}}},
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := readToken(base64.StdEncoding.EncodeToString(raw))
		if err != nil {
			return
		}
		if c, err := m.verify(req, []string{req.Ticket.SName.PrincipalNameString()}, netip.Addr{}); err == nil {
			t.Errorf("a stranger is %+v", c)
		}
	})
}
