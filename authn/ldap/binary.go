package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// guidText writes an objectGUID as people know it; its first three parts are stored
// with the low byte first (MS-DTYP, section 2.3.4). Empty for what is none.
func guidText(raw []byte) string {
	if len(raw) != 16 {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint16(raw[4:]),
		binary.LittleEndian.Uint16(raw[6:]), raw[8:10], raw[10:])
}

// guidBytes undoes guidText; nil for what is none.
func guidBytes(text string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil
	}
	binary.LittleEndian.PutUint32(raw, binary.BigEndian.Uint32(raw))
	binary.LittleEndian.PutUint16(raw[4:], binary.BigEndian.Uint16(raw[4:]))
	binary.LittleEndian.PutUint16(raw[6:], binary.BigEndian.Uint16(raw[6:]))
	return raw
}

const (
	sidHead = 8 // bytes before the parts, which have four each
	maxSID  = 15
)

// sidText writes an objectSid as S-1-5-21-… (MS-DTYP, section 2.4.2.1). Empty for
// what is none.
func sidText(raw []byte) string {
	if len(raw) < sidHead || int(raw[1]) > maxSID || len(raw) != sidHead+4*int(raw[1]) {
		return ""
	}
	var authority uint64
	for _, b := range raw[2:sidHead] {
		authority = authority<<8 | uint64(b)
	}
	text := fmt.Sprintf("S-%d-%d", raw[0], authority)
	for part := raw[sidHead:]; len(part) > 0; part = part[4:] {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(part))
	}
	return text
}

// siblingSID is the SID of the same domain with another last part: that of the
// primary group, of whose members Active Directory knows that part alone. Nil for
// what is no SID.
func siblingSID(raw []byte, last uint32) []byte {
	if sidText(raw) == "" || raw[1] == 0 {
		return nil
	}
	sibling := append([]byte(nil), raw...)
	binary.LittleEndian.PutUint32(sibling[len(sibling)-4:], last)
	return sibling
}

// escaped is a binary value within a filter (RFC 4515, section 3).
func escaped(raw []byte) string {
	var b strings.Builder
	for _, one := range raw {
		fmt.Fprintf(&b, `\%02x`, one)
	}
	return b.String()
}
