package handoff

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// joseHeader is the protected header of a compact JWE or JWS.
type joseHeader struct{ alg, kid string }

// shapeError is a token that no key would open.
type shapeError struct{ problem string }

func (e *shapeError) Error() string { return e.problem }

var errJOSE = &shapeError{"is not a compact JWE or JWS"}

// readHeader checks a compact token's shape and its header against an allow-list
// before any library sees it: no other serialisation, nothing that brings a key of
// its own (jwk, jku, x5c), compresses (zip), or asks for more (crit, b64, p2c).
func readHeader(text string, segments int, names ...string) (joseHeader, error) {
	if strings.Trim(text, nonceLetters+".") != "" || strings.Count(text, ".") != segments-1 {
		return joseHeader{}, errJOSE
	}
	first, _, _ := strings.Cut(text, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return joseHeader{}, errJOSE
	}
	object, err := readObject(b)
	if err != nil {
		return joseHeader{}, &shapeError{"the header " + err.Error()}
	}
	var h joseHeader
	for name, v := range object {
		s, ok := v.(string)
		if !ok || !slices.Contains(names, name) {
			return joseHeader{}, &shapeError{"the header has more in it than " + strings.Join(names, ", ")}
		}
		switch name {
		case "alg":
			h.alg = s
		case "kid":
			h.kid = s
		case "typ":
			if !slices.Contains([]string{"jwt", "jose", "fg-handoff+jwt"}, strings.ToLower(s)) {
				return joseHeader{}, &shapeError{"typ is not JWT, JOSE or fg-handoff+jwt"}
			}
		}
	}
	return h, nil
}

// openJWE decrypts a compact JWE (RFC 7516) with alg dir or A256GCMKW and enc A256GCM.
func openJWE(k *key, text string) ([]byte, error) {
	h, err := readHeader(text, 5, "alg", "enc", "kid", "typ", "cty", "iv", "tag")
	if err != nil {
		return nil, err
	}
	segments := strings.Split(text, ".")
	if len(segments[2]) != 16 || len(segments[4]) != 22 || h.alg == string(jose.DIRECT) && segments[1] != "" {
		return nil, &shapeError{"nonce or tag has another length, or dir comes with an encrypted key"}
	}
	obj, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.DIRECT, jose.A256GCMKW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, err
	}
	return obj.Decrypt(k.jose)
}

// openJWT verifies a compact JWS (RFC 7515) with the one algorithm of the key.
func openJWT(k *key, text string) ([]byte, error) {
	if _, err := readHeader(text, 3, "alg", "kid", "typ", "cty", "x5t", "x5t#S256"); err != nil {
		return nil, err
	}
	obj, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{k.alg})
	if err != nil {
		return nil, err
	}
	return obj.Verify(k.jose)
}

func sealJWE(k *key, payload []byte) (string, error) {
	opts := new(jose.EncrypterOptions).WithType("JWT")
	if k.id != "" {
		opts = opts.WithHeader("kid", k.id)
	}
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: k.jose}, opts)
	if err != nil {
		return "", err
	}
	obj, err := enc.Encrypt(payload)
	if err != nil {
		return "", err
	}
	return obj.CompactSerialize()
}

// signJWT signs with the private half of a key, or the secret itself.
func signJWT(k *key, private any, payload []byte) (string, error) {
	opts := new(jose.SignerOptions).WithType("JWT")
	if k.id != "" {
		opts = opts.WithHeader("kid", k.id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: private}, opts)
	if err != nil {
		return "", err
	}
	obj, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return obj.CompactSerialize()
}

// signingKey is what signs for a key: the secret itself, or the PEM of the private
// half, which is the partner's.
func signingKey(k *key, text []byte) (any, error) {
	if k.alg == jose.HS256 {
		return k.jose, nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the signing key is not in PEM: give the private half of the configured public key")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the signing key is not a PKCS #8 private key (BEGIN PRIVATE KEY)")
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("the signing key cannot sign")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(k.jose) {
		return nil, errors.New("the signing key is not the private half of the configured public key")
	}
	return private, nil
}
