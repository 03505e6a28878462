package handoff

import (
	"net/http"
	"strings"
)

// Recognize implements authn.Recognizer. The parameters of the hand-off are found
// however their names are percent-encoded; every other octet of the address stays.
func (m *method) Recognize(r *http.Request) (rest string, found bool) {
	cfg := &m.partner.cfg
	query := r.URL.RawQuery
	if !has(query, cfg.Parameter) {
		return "", false
	}
	if cfg.PartnerParameter != "" && !hasValue(query, cfg.PartnerParameter, m.partner.name) {
		return "", false
	}
	return m.without(r.URL.EscapedPath(), query), true
}

// Stray reports whether r carries a token that names another partner than this one,
// or none of that name, and returns r's address without it. Whoever can tell that no
// other takes it lets Resume refuse it.
func (m *method) Stray(r *http.Request) (rest string, found bool) {
	cfg := &m.partner.cfg
	query := r.URL.RawQuery
	if cfg.PartnerParameter == "" || !has(query, cfg.Parameter) || !has(query, cfg.PartnerParameter) {
		return "", false
	}
	return m.without(r.URL.EscapedPath(), query), true
}

// without is an address without the parameters of the hand-off.
func (m *method) without(path, query string) string {
	cfg := &m.partner.cfg
	var kept strings.Builder
	kept.WriteString(path)
	joint := byte('?')
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		if decodesTo(name, cfg.Parameter) || decodesTo(name, m.partner.macName) ||
			decodesTo(name, cfg.StartParameter) || decodesTo(name, cfg.PartnerParameter) {
			continue
		}
		kept.WriteByte(joint)
		kept.WriteString(pair)
		joint = '&'
	}
	return kept.String()
}

// has reports whether a query has a parameter of this name. It does not allocate.
func has(query, name string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		n, _, _ := strings.Cut(pair, "=")
		if decodesTo(n, name) {
			return true
		}
	}
	return false
}

// hasValue reports whether a query gives a parameter this value.
func hasValue(query, name, value string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		n, v, _ := strings.Cut(pair, "=")
		if decodesTo(n, name) && decodesTo(v, value) {
			return true
		}
	}
	return false
}

// decodesTo reports whether raw is a percent-encoding of plain, which is not empty.
func decodesTo(raw, plain string) bool {
	if plain == "" || len(raw) < len(plain) {
		return false
	}
	i := 0
	for j := 0; j < len(plain); j++ {
		if i >= len(raw) {
			return false
		}
		c := raw[i]
		i++
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 > len(raw) || !isHex(raw[i]) || !isHex(raw[i+1]) {
				return false
			}
			c = unhex(raw[i])<<4 | unhex(raw[i+1])
			i += 2
		}
		if c != plain[j] {
			return false
		}
	}
	return i == len(raw)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
