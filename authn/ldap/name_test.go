package ldap

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func TestNamesAsTheyAreTyped(t *testing.T) {
	names := Names{Domains: []string{"hospital.example"}, Netbios: []string{"HOSPITAL"}}
	for typed, want := range map[string]name{
		"alice":                        {account: "alice", key: "alice"},
		" ALICE ":                      {account: "alice", key: "alice"},
		`HOSPITAL\Alice`:               {account: "alice", key: "alice"},
		`hospital.example\alice`:       {account: "alice", key: "alice"},
		`OTHER\alice`:                  {key: `other\alice`},
		`\alice`:                       {key: `\alice`},
		`HOSPITAL\`:                    {key: `hospital\`},
		`HOSPITAL\a\b`:                 {key: `hospital\a\b`},
		`HOSPITAL\alice@other.example`: {key: `hospital\alice@other.example`},
		"alice@Hospital.Example":       {account: "alice", address: "alice@hospital.example", key: "alice"},
		"alice@other.example":          {address: "alice@other.example", key: "alice@other.example"},
		"a@b@hospital.example":         {account: "a@b", address: "a@b@hospital.example", key: "a@b"},
		"@hospital.example":            {address: "@hospital.example", key: "@hospital.example"},
	} {
		got, ok := names.parse(typed)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(name{})); diff != "" || !ok {
			t.Errorf("%q: %v (-want +got):\n%s", typed, ok, diff)
		}
	}
	for _, typed := range []string{"", " ", "\x00", "a\x00b", "a\nb", "\xff", strings.Repeat("a", 257)} {
		if got, ok := names.parse(typed); ok {
			t.Errorf("%q is %+v", typed, got)
		}
	}
	if got, _ := (Names{}).parse(`ANY\alice`); got.account != "alice" {
		t.Errorf("with no domains configured ANY\\alice is %+v", got)
	}
}

func FuzzFilterOf(f *testing.F) {
	for _, s := range fuzzed {
		f.Add(s)
	}
	c := (&Config{Preset: presetAD, BaseDN: "DC=x", Names: Names{Domains: []string{"x.example"}}}).filled()
	f.Fuzz(func(t *testing.T, typed string) {
		n, ok := c.Names.parse(typed)
		if !ok {
			return
		}
		filter := c.filterOf(n)
		if filter == "" {
			if n.account != "" || n.address != "" {
				t.Fatalf("no filter for %+v", n)
			}
			return
		}
		p, err := ldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("filter %q of %q: %v", filter, typed, err)
		}
		if p.Tag != ldap.FilterAnd || len(p.Children) != 2 || p.Children[1].Tag != ldap.FilterOr {
			t.Fatalf("filter %q of %q has another shape", filter, typed)
		}
		for _, equal := range p.Children[1].Children {
			value := equal.Children[1].Data.String()
			if equal.Tag != ldap.FilterEqualityMatch || value != n.account && value != n.address {
				t.Fatalf("filter %q of %q looks for %q", filter, typed, value)
			}
		}
	})
}

func FuzzBinary(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "01020304-0506-0708-090a-0b0c0d0e0f10")
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}, "")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		if g := guidText(raw); g != "" && !bytes.Equal(guidBytes(g), raw) {
			t.Errorf("%x becomes %s and that %x", raw, g, guidBytes(g))
		}
		if b := guidBytes(text); b != nil && guidBytes(guidText(b)) == nil {
			t.Errorf("%q becomes %x", text, b)
		}
		sid := sidText(raw)
		if sibling := siblingSID(raw, 513); sibling != nil && (!strings.HasSuffix(sidText(sibling), "-513") || len(sibling) != len(raw)) {
			t.Errorf("sibling of %s is %s", sid, sidText(sibling))
		}
	})
}

func TestBinaryValuesAsPeopleKnowThem(t *testing.T) {
	guid := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	if got, want := guidText(guid), "00112233-4455-6677-8899-aabbccddeeff"; got != want {
		t.Errorf("objectGUID %s, want %s", got, want)
	}
	sid := []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x4f, 4, 0, 0}
	if got, want := sidText(sid), "S-1-5-21-1-2-3-1103"; got != want {
		t.Errorf("objectSid %s, want %s", got, want)
	}
	if got, want := sidText(siblingSID(sid, 513)), "S-1-5-21-1-2-3-513"; got != want {
		t.Errorf("primary group %s, want %s", got, want)
	}
	for _, bad := range [][]byte{nil, {1}, {1, 5, 0, 0, 0, 0, 0, 5, 21}, append(slices.Clone(sid), 0)} {
		if got := sidText(bad); got != "" || siblingSID(bad, 513) != nil {
			t.Errorf("%x is SID %s", bad, got)
		}
	}
	if got, want := escaped([]byte{0, '(', 0xff}), `\00\28\ff`; got != want {
		t.Errorf("escaped %s, want %s", got, want)
	}
}
