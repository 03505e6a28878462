package saml

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// carried is a protocol message as a browser brought it, with nothing verified.
type carried struct {
	parameter string // SAMLRequest or SAMLResponse
	text      []byte
	relay     string
	query     *signedQuery // by redirect; nil by post
}

// signedQuery is what a detached signature is over, octet by octet.
type signedQuery struct {
	octets, algorithm string
	signature         []byte
}

// receive takes a message from a request: by redirect out of the query, by post
// out of the form, and never of both.
func receive(r *http.Request) (*carried, error) {
	switch {
	case r.URL == nil:
		return nil, errors.New("request without an address")
	case r.Method == http.MethodGet:
		return receiveQuery(r.URL.RawQuery)
	case r.Method != http.MethodPost:
		return nil, fmt.Errorf("message by %s", short(r.Method))
	case r.URL.RawQuery != "":
		return nil, errors.New("posted message with a query")
	}
	c := &carried{parameter: "SAMLRequest"}
	if r.PostForm.Has("SAMLResponse") {
		c.parameter = "SAMLResponse"
	}
	if len(r.PostForm["SAMLRequest"])+len(r.PostForm["SAMLResponse"]) != 1 || len(r.PostForm["RelayState"]) > 1 {
		return nil, errors.New("form without one message and one RelayState at most")
	}
	c.relay = r.PostForm.Get("RelayState")
	var err error
	c.text, err = decodePosted(r.PostForm.Get(c.parameter))
	return c, err
}

// queryParameters are those that mean something (SAML Bindings 3.4.4).
var queryParameters = map[string]bool{"SAMLRequest": true, "SAMLResponse": true, "RelayState": true, "SigAlg": true, "Signature": true, "SAMLEncoding": true}

// receiveQuery reads a query as it was sent. A parameter that comes twice, or
// whose name is written in an unusual way, could be one thing to the signature
// and another to its reader.
func receiveQuery(raw string) (*carried, error) {
	if len(raw) > 2*maxMessage {
		return nil, fmt.Errorf("query of %d bytes", len(raw))
	}
	sent := make(map[string]string)
	for piece := range strings.SplitSeq(raw, "&") {
		name, v, _ := strings.Cut(piece, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(piece, ";") {
			return nil, errors.New("query that cannot be read")
		}
		if !queryParameters[plain] {
			continue
		}
		if _, twice := sent[plain]; twice || plain != name {
			return nil, fmt.Errorf("parameter %s twice, or in an unusual spelling", plain)
		}
		sent[plain] = v
	}
	c := &carried{parameter: "SAMLRequest"}
	_, request := sent["SAMLRequest"]
	if _, response := sent["SAMLResponse"]; response == request {
		return nil, errors.New("query without one message")
	} else if response {
		c.parameter = "SAMLResponse"
	}
	if e, ok := sent["SAMLEncoding"]; ok && e != url.QueryEscape("urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE") {
		return nil, errors.New("message in an unknown encoding")
	}
	var err error
	if c.text, err = inflate(sent[c.parameter]); err != nil {
		return nil, err
	}
	if c.relay, err = url.QueryUnescape(sent["RelayState"]); err != nil {
		return nil, errors.New("RelayState that cannot be read")
	}
	c.query, err = querySignature(c.parameter, sent)
	return c, err
}

// querySignature puts together what was signed: the octets as they came (SAML
// Bindings 3.4.4.1).
func querySignature(parameter string, sent map[string]string) (*signedQuery, error) {
	q := &signedQuery{octets: parameter + "=" + sent[parameter]}
	if relay, ok := sent["RelayState"]; ok {
		q.octets += "&RelayState=" + relay
	}
	q.octets += "&SigAlg=" + sent["SigAlg"]
	var err error
	if q.algorithm, err = url.QueryUnescape(sent["SigAlg"]); err != nil {
		return nil, errors.New("SigAlg that cannot be read")
	}
	encoded, err := url.QueryUnescape(sent["Signature"])
	if err != nil {
		return nil, errors.New("signature that cannot be read")
	}
	if q.signature, err = decodeBase64(encoded); err != nil {
		return nil, errors.New("signature that is not base64")
	}
	return q, nil
}

func inflate(parameter string) ([]byte, error) {
	encoded, err := url.QueryUnescape(parameter)
	if err != nil {
		return nil, errors.New("message that cannot be read")
	}
	small, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("message that is not base64")
	}
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), maxMessage+1))
	switch {
	case err != nil:
		return nil, errors.New("message that is not deflated")
	case len(b) > maxMessage:
		return nil, fmt.Errorf("message of more than %d bytes", maxMessage)
	}
	return b, nil
}

// verify reports whether one of the signers signed the query.
func (q *signedQuery) verify(signers []signer) error {
	algorithm, ok := signatureMethods[q.algorithm]
	if !ok {
		return fmt.Errorf("signature method %q is not accepted", short(q.algorithm))
	}
	if len(q.signature) == 0 {
		return errors.New("not signed")
	}
	for _, s := range signers {
		sig := q.signature
		if key, elliptic := s.cert.PublicKey.(*ecdsa.PublicKey); elliptic {
			var err error
			if sig, err = ellipticASN1(sig, key); err != nil {
				continue
			}
		}
		if s.cert.CheckSignature(algorithm, []byte(q.octets), sig) == nil {
			return nil
		}
	}
	return errSignature
}
