package handoff

import (
	"strings"
	"time"
)

// readGCM reads the JSON object of an aes-gcm token: ts, sub, aud and jti; name,
// email, start and further claims where the page adds them.
func readGCM(plain []byte) (Content, *Reason) {
	object, err := readObject(plain)
	if err != nil {
		return Content{}, &Reason{Code: Field, Detail: "the plain text", Err: err}
	}
	return readModern(object, "ts", "")
}

// readClaims reads the claims of a jwe or jwt token (RFC 7519): iss, sub, aud, iat,
// exp and jti must be there.
func readClaims(payload []byte, issuer string) (Content, *Reason) {
	object, err := readObject(payload)
	if err != nil {
		return Content{}, &Reason{Code: Field, Detail: "the claims", Err: err}
	}
	if iss, _ := object["iss"].(string); iss == "" || iss != issuer {
		return Content{}, refuse(Audience, "iss is not the partner %q", issuer)
	}
	return readModern(object, "iat", "exp")
}

// readModern reads what both have in common. expires names the claim with the end,
// where there must be one.
func readModern(object map[string]any, made, expires string) (Content, *Reason) {
	var c Content
	ts, ok := wholeNumber(object[made])
	if !ok || ts <= 0 || ts > farFuture {
		return Content{}, refuse(Field, "%s is not a number of seconds since 1970", made)
	}
	c.stamp = fixed(time.Unix(ts, 0))
	c.Made = c.stamp.at
	if expires != "" {
		exp, ok := wholeNumber(object[expires])
		if !ok || exp <= 0 || exp > farFuture {
			return Content{}, refuse(Field, "%s is not a number of seconds since 1970", expires)
		}
		c.Expires = time.Unix(exp, 0).UTC()
	}
	if nbf, there := object["nbf"]; there {
		n, ok := wholeNumber(nbf)
		if !ok || n <= 0 || n > farFuture {
			return Content{}, refuse(Field, "nbf is not a number of seconds since 1970")
		}
		c.notBefore = time.Unix(n, 0)
	}
	for _, f := range []struct {
		name string
		into *string
	}{{"sub", &c.User}, {"name", &c.Name}, {"email", &c.Email}, {"start", &c.Start}, {"jti", &c.Nonce}} {
		v, there := object[f.name]
		if *f.into, ok = v.(string); there && !ok {
			return Content{}, refuse(Field, "%s is not a text", f.name)
		}
	}
	if len(c.Nonce) < 16 {
		return Content{}, refuse(Field, "jti is not 16 characters or more")
	}
	if c.Audience, ok = audienceOf(object["aud"]); !ok {
		return Content{}, refuse(Field, "aud is neither a text nor a list of texts")
	}
	for name, v := range object {
		switch name {
		case made, expires, "nbf", "sub", "name", "email", "start", "jti", "aud", "iss":
		default:
			if c.Claims == nil {
				c.Claims = make(map[string]any)
			}
			c.Claims[name] = v
		}
	}
	return c, c.check()
}

// farFuture is the year 5000 in seconds since 1970.
const farFuture = 95617584000

func audienceOf(v any) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, s != ""
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	var all []string
	for _, one := range list {
		s, ok := one.(string)
		if !ok || s == "" {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// writeModern is the inverse of readModern.
func writeModern(c Content, made, expires, issuer string) ([]byte, error) {
	object := map[string]any{made: c.Made.Unix(), "sub": c.User, "aud": strings.Join(c.Audience, ""), "jti": c.Nonce}
	for name, v := range map[string]string{"name": c.Name, "email": c.Email, "start": c.Start, "iss": issuer} {
		if v != "" {
			object[name] = v
		}
	}
	if expires != "" {
		object[expires] = c.Expires.Unix()
	}
	for name, v := range c.Claims {
		object[name] = v
	}
	return marshal(object)
}
