package handoff

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// How octets are written in the query.
const (
	wireBase64URL = "base64url"
	wireBase64    = "base64"
	wireHex       = "hex"
)

var errWire = errors.New("is not written as configured")

// repaired undoes what happens on the way when a page does not percent-encode:
// a + of base64 arrives as a space.
func repaired(wire, text string) string {
	if wire == wireBase64 {
		return strings.ReplaceAll(text, " ", "+")
	}
	return text
}

// decodeWire reads octets strictly: no white space, no stray bits; = at the end
// of base64 may be missing.
func decodeWire(wire, text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoders would skip
		return nil, errWire
	}
	var b []byte
	var err error
	switch wire {
	case wireHex:
		b, err = hex.DecodeString(text)
	case wireBase64:
		b, err = unpadded(base64.RawStdEncoding, text)
	default:
		b, err = unpadded(base64.RawURLEncoding, text)
	}
	if err != nil {
		return nil, errWire
	}
	return b, nil
}

func unpadded(e *base64.Encoding, text string) ([]byte, error) {
	if bare := strings.TrimRight(text, "="); bare != text {
		if len(text)%4 != 0 || len(text)-len(bare) > 2 {
			return nil, errWire
		}
		text = bare
	}
	return e.Strict().DecodeString(text)
}

func encodeWire(wire string, b []byte) string {
	switch wire {
	case wireHex:
		return hex.EncodeToString(b)
	case wireBase64:
		return base64.StdEncoding.EncodeToString(b)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
