package kerberos

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-krb5/krb5/gssapi"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/spnego"
)

// scheme is that of RFC 4559.
const scheme = "Negotiate"

// maxToken is above what Windows ever sends (48,000 bytes), and below what fits into
// the headers of a request.
const maxToken = 60 << 10

var (
	errNTLM  = errors.New("the device offers NTLM and has no ticket")
	errOther = errors.New("the device offers no Kerberos")
)

// given returns what follows "Negotiate" in the Authorization header, and whether
// there is such a header at all.
func given(r *http.Request) (token string, ok bool) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	name, token, _ := strings.Cut(values[0], " ")
	return strings.TrimSpace(token), strings.EqualFold(name, scheme)
}

// readToken takes the AP-REQ out of what a browser sent: inside SPNEGO (RFC 4178) or
// bare (RFC 4121). What is read here was sent by a stranger.
func readToken(text string) (req *messages.APReq, err error) {
	defer contain(&err)
	if len(text) > maxToken {
		return nil, fmt.Errorf("token of %d bytes", len(text))
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return nil, errors.New("token is not base64")
	}
	if bytes.HasPrefix(raw, []byte("NTLMSSP\x00")) {
		return nil, errNTLM
	}
	if inner, isSPNEGO, err := unwrap(raw); err != nil {
		return nil, err
	} else if isSPNEGO {
		raw = inner
	}
	var token spnego.KRB5Token
	if err := token.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if !token.IsAPReq() {
		return nil, errors.New("token asks for nothing")
	}
	if len(token.APReq.Ticket.SName.NameString) == 0 {
		return nil, errors.New("ticket is for no service")
	}
	return &token.APReq, nil
}

// unwrap returns the token of the mechanism that the device likes best, which must be
// Kerberos: only for that one is there a token.
func unwrap(raw []byte) (inner []byte, isSPNEGO bool, err error) {
	var token spnego.SPNEGOToken
	if token.Unmarshal(raw) != nil {
		return nil, false, nil
	}
	if !token.Init || len(token.NegTokenInit.MechTypes) == 0 {
		return nil, true, errOther
	}
	first := token.NegTokenInit.MechTypes[0]
	inner = token.NegTokenInit.MechTokenBytes
	switch {
	case bytes.HasPrefix(inner, []byte("NTLMSSP\x00")):
		return nil, true, errNTLM
	case !first.Equal(gssapi.OIDKRB5.OID()) && !first.Equal(gssapi.OIDMSLegacyKRB5.OID()) || len(inner) == 0:
		return nil, true, errOther
	}
	return inner, true, nil
}

// contain turns a panic into an error. The library indexes without looking in places,
// and one stranger's token must not end more than their own request.
func contain(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("kerberos library: %v", p)
	}
}
