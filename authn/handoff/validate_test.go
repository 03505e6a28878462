package handoff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

// faultPaths are the keys that are blamed.
func faultPaths(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not several errors", err)
	}
	var paths []string
	for _, one := range several.Unwrap() {
		var f *authn.Fault
		if !errors.As(one, &f) || f.Path == "" || f.Problem == "" || f.Remedy == "" {
			t.Fatalf("%v (%T) is not a fault with path, problem and remedy", one, one)
		}
		paths = append(paths, f.Path)
	}
	return paths
}

func recipe(r Recipe) func(*Config) { return func(c *Config) { c.Recipe = &r } }

func onlyKey(k Key) func(*Config) { return func(c *Config) { c.Keys = []Key{k} } }

func secret(s string) authn.Secret { return authn.NewSecret(s) }

func TestConfigurationFaultsNameTheirKey(t *testing.T) {
	networks := func(c *Config) { c.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	tests := map[string]struct {
		config *Config
		want   string // path; empty: no fault
	}{
		"blowfish":              {config(formatBlowfish), ""},
		"no page":               {config(formatAESGCM, func(c *Config) { c.Page = "" }), "page"},
		"page of another kind":  {config(formatAESGCM, func(c *Config) { c.Page = "ftp://x.example/" }), "page"},
		"page with a password":  {config(formatAESGCM, func(c *Config) { c.Page = "https://a:b@x.example/" }), "page"},
		"page with the address": {config(formatAESGCM, func(c *Config) { c.Page = "https://x.example/?return_to=y" }), "page"},
		"return parameter":      {config(formatAESGCM, func(c *Config) { c.ReturnParameter = "a b" }), "return_parameter"},
		"format":                {config("rot13"), "format"},
		"no keys":               {config(formatAESGCM, func(c *Config) { c.Keys = nil }), "keys"},
		"three live keys": {config(formatAESGCM, func(c *Config) {
			c.Keys = []Key{{Key: secret(aesKey)}, {Key: secret(otherKey)}, {Key: secret(macKey)}}
		}), "keys"},
		"three keys, one over": {config(formatAESGCM, func(c *Config) {
			c.Keys = []Key{{Key: secret(aesKey)}, {Key: secret(otherKey)}, {Key: secret(macKey), Until: "2020-01-31"}}
		}), ""},
		"key twice":           {config(formatAESGCM, func(c *Config) { c.Keys = []Key{{Key: secret(aesKey)}, {Key: secret(aesKey)}} }), "keys[1].key"},
		"key ID twice":        {config(formatAESGCM, func(c *Config) { c.Keys = []Key{{ID: "a", Key: secret(aesKey)}, {ID: "a", Key: secret(otherKey)}} }), "keys[1].id"},
		"key ID with a dot":   {config(formatAESGCM, func(c *Config) { c.Keys[0].ID = "a.b" }), "keys[0].id"},
		"key until":           {config(formatAESGCM, func(c *Config) { c.Keys[0].Until = "31.1.2027" }), "keys[0].until"},
		"mac_key in vain":     {config(formatAESGCM, func(c *Config) { c.Keys[0].MACKey = secret(macKey) }), "keys[0].mac_key"},
		"mac_key of one only": {config(formatBlowfish, func(c *Config) { c.Keys = append(c.Keys, Key{Key: secret(otherKey)}) }), "keys[1].mac_key"},
		"recipe in vain":      {config(formatAESGCM, recipe(Recipe{})), "recipe"},
		"legacy day in vain":  {config(formatJWT, func(c *Config) { c.RefuseLegacyAfter = "2027-01-31" }), "refuse_legacy_after"},
		"legacy day":          {config(formatBlowfish, func(c *Config) { c.RefuseLegacyAfter = "soon" }), "refuse_legacy_after"},
		"mode of aes":         {config(formatAESCBC, recipe(Recipe{Mode: "ecb"})), "recipe.mode"},
		"iv of ecb":           {config(formatBlowfish, recipe(Recipe{Mode: "ecb", IV: "zero"})), "recipe.iv"},
		"iv too long":         {config(formatBlowfish, recipe(Recipe{IV: "00112233445566778899aabbccddeeff"})), "recipe.iv"},
		"iv in hex":           {config(formatAESCBC, recipe(Recipe{IV: "00112233445566778899aabbccddeeff"})), ""},
		"no user":             {config(formatBlowfish, recipe(Recipe{Fields: []string{"timestamp", "name"}})), "recipe.fields"},
		"no timestamp":        {config(formatBlowfish, recipe(Recipe{Fields: []string{"user", "name"}})), "recipe.fields"},
		"field twice":         {config(formatBlowfish, recipe(Recipe{Fields: []string{"timestamp", "user", "user"}})), "recipe.fields[2]"},
		"field name":          {config(formatBlowfish, recipe(Recipe{Fields: []string{"timestamp", "user", "Ward 7"}})), "recipe.fields[2]"},
		"columns missing":     {config(formatBlowfish, recipe(Recipe{Plaintext: "fixed"})), "recipe.columns"},
		"columns in vain":     {config(formatBlowfish, recipe(Recipe{Columns: []int{1, 2, 3}})), "recipe.columns"},
		"column of nothing":   {config(formatBlowfish, recipe(Recipe{Plaintext: "fixed", Columns: []int{10, 0, 3}})), "recipe.columns[1]"},
		"names in vain":       {config(formatBlowfish, recipe(Recipe{Names: map[string]string{"user": "uid"}})), "recipe.names"},
		"name of no field":    {config(formatBlowfish, recipe(Recipe{Plaintext: "json", Names: map[string]string{"email": "mail"}})), "recipe.names.email"},
		"one name for two":    {config(formatBlowfish, recipe(Recipe{Plaintext: "json", Names: map[string]string{"user": "name"}})), "recipe.names"},
		"delimiter":           {config(formatBlowfish, recipe(Recipe{Delimiter: "123456789"})), "recipe.delimiter"},
		"timestamp":           {config(formatBlowfish, recipe(Recipe{Timestamp: "yyMMdd"})), "recipe.timestamp"},
		"zone":                {config(formatBlowfish, recipe(Recipe{Zone: "Mars/Olympus"})), "recipe.zone"},
		"parameter":           {config(formatAESGCM, func(c *Config) { c.Parameter = "a&b" }), "parameter"},
		"one for two":         {config(formatBlowfish, recipe(Recipe{MACParameter: "token"})), "recipe.mac_parameter"},
		"start like token":    {config(formatAESGCM, func(c *Config) { c.StartParameter = "token" }), "start_parameter"},
		"partner":             {config(formatAESGCM, func(c *Config) { c.Partner = "St\nElsewhere" }), "partner"},
		"audience":            {config(formatAESGCM, func(c *Config) { c.Audience = "a\nb" }), "audience"},
		"prefix":              {config(formatAESGCM, func(c *Config) { c.UserPrefix = "a b" }), "user_prefix"},
		"age":                 {config(formatAESGCM, func(c *Config) { c.MaxAge = time.Hour }), "max_age"},
		"tolerance":           {config(formatAESGCM, func(c *Config) { c.ClockTolerance = time.Hour }), "clock_tolerance"},

		// TK4, TK5: what cannot be made safe must be accepted by name.
		"bare cipher":                   {config(formatBlowfish, bare, func(c *Config) { c.Networks, c.InsecureUnauthenticatedToken = nil, false }), "keys"},
		"bare cipher in networks":       {config(formatBlowfish, bare, func(c *Config) { c.InsecureUnauthenticatedToken = false }), ""},
		"bare cipher, risk accepted":    {config(formatBlowfish, bare, func(c *Config) { c.Networks = nil }), ""},
		"bare ecb in networks":          {config(formatBlowfish, bare, ecb, func(c *Config) { c.InsecureUnauthenticatedToken = false }), "recipe.mode"},
		"bare ecb, risk accepted":       {config(formatBlowfish, bare, ecb, func(c *Config) { c.Networks = nil }), "recipe.mode"},
		"bare ecb with both":            {config(formatBlowfish, bare, ecb), ""},
		"risk accepted in vain":         {config(formatAESGCM, networks, func(c *Config) { c.InsecureUnauthenticatedToken = true }), "insecure_unauthenticated_token"},
		"verified e-mail of a bare one": {config(formatBlowfish, bare, func(c *Config) { c.EmailVerified = true }), "email_verified"},
	}
	for name, test := range tests {
		paths := faultPaths(t, test.config.Validate())
		if test.want == "" && len(paths) > 0 || test.want != "" && !slices.Contains(paths, test.want) {
			t.Errorf("%s: faults of %v, want %q: %v", name, paths, test.want, test.config.Validate())
		}
		if _, err := test.config.Open(authntest.NewEnv("x")); (err != nil) != (test.want != "") {
			t.Errorf("%s: Open = %v", name, err)
		}
	}
}

func TestTK5WeakKeysAreRefused(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := secret(macKey)
	tests := map[string]struct {
		format string
		key    Key
		want   string
	}{
		"one byte":               {formatBlowfish, Key{Key: secret("41"), MACKey: good}, "keys[0].key"},
		"120 bits":               {formatBlowfish, Key{Key: secret(blowfishKey[:30]), MACKey: good}, "keys[0].key"},
		"57 octets":              {formatBlowfish, Key{Key: secret(aesKey + blowfishKey + "0123456789abcdef01"), MACKey: good}, "keys[0].key"},
		"56 octets":              {formatBlowfish, Key{Key: secret(aesKey + blowfishKey + "0123456789abcdef"), MACKey: good}, ""},
		"all the same":           {formatBlowfish, Key{Key: secret(strings.Repeat("42", 16)), MACKey: good}, "keys[0].key"},
		"a word again and again": {formatBlowfish, Key{Key: secret("passpasspasspass"), Encoding: "text", MACKey: secret("another-long-secret")}, "keys[0].key"},
		"hex digits as text":     {formatBlowfish, Key{Key: secret("0123456789abcdef"), Encoding: "text", MACKey: secret("another-long-secret")}, "keys[0].key"},
		"text":                   {formatBlowfish, Key{Key: secret("Tr0ub4dor-and-3!"), Encoding: "text", MACKey: secret("another-long-secret")}, ""},
		"not hex":                {formatBlowfish, Key{Key: secret("zz" + blowfishKey), MACKey: good}, "keys[0].key"},
		"not base64":             {formatBlowfish, Key{Key: secret("!!!!"), Encoding: "base64", MACKey: good}, "keys[0].key"},
		"mac_key is the key":     {formatBlowfish, Key{Key: secret(blowfishKey), MACKey: secret(blowfishKey)}, "keys[0].mac_key"},
		"short mac_key":          {formatBlowfish, Key{Key: secret(blowfishKey), MACKey: secret("0011223344")}, "keys[0].mac_key"},
		"two-key triple DES":     {formatTripleDES, Key{Key: secret("0123456789abcdef23456789abcdef010123456789abcdef"), MACKey: good}, "keys[0].key"},
		"triple DES that is DES": {formatTripleDES, Key{Key: secret("0123456789abcdef0123456789abcdef456789abcdef0123"), MACKey: good}, "keys[0].key"},
		"but for parity":         {formatTripleDES, Key{Key: secret("0123456789abcdef0022446688aaccee456789abcdef0123"), MACKey: good}, "keys[0].key"},
		"triple DES of 16":       {formatTripleDES, Key{Key: secret(blowfishKey), MACKey: good}, "keys[0].key"},
		"AES of 20":              {formatAESGCM, Key{Key: secret(blowfishKey + "01234567")}, "keys[0].key"},
		"A256GCM of 16":          {formatJWE, Key{Key: secret(blowfishKey)}, "keys[0].key"},
		"HS256 of 31":            {formatJWT, Key{Key: secret(aesKey[:62])}, "keys[0].key"},
		"pem for a cipher":       {formatAESGCM, Key{Key: secret("x"), Encoding: "pem"}, "keys[0].encoding"},
		"RSA of 1024":            {formatJWT, Key{Key: secret(pemOf(t, &small.PublicKey)), Encoding: "pem"}, "keys[0].key"},
		"P-384":                  {formatJWT, Key{Key: secret(pemOf(t, &p384.PublicKey)), Encoding: "pem"}, "keys[0].key"},
		"a private key":          {formatJWT, Key{Key: secret(string(privatePEM(t, p384))), Encoding: "pem"}, "keys[0].key"},
		"private JWK":            {formatJWT, Key{Key: secret(`{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), Encoding: "jwk"}, "keys[0].key"},
		"symmetric JWK":          {formatJWT, Key{Key: secret(`{"kty":"oct","k":"` + strings.Repeat("A", 43) + `"}`), Encoding: "jwk"}, "keys[0].key"},
		"PEM as a secret":        {formatJWT, Key{Key: secret(pemOf(t, &p384.PublicKey)), Encoding: "text"}, "keys[0].key"},
	}
	for name, test := range tests {
		err := config(test.format, onlyKey(test.key)).Validate()
		paths := faultPaths(t, err)
		if test.want == "" && err != nil || test.want != "" && !slices.Contains(paths, test.want) {
			t.Errorf("%s: faults of %v, want %q: %v", name, paths, test.want, err)
		}
		if err != nil && (strings.Contains(err.Error(), test.key.Key.Reveal()) && len(test.key.Key.Reveal()) > 4) {
			t.Errorf("%s: the fault shows the key: %v", name, err)
		}
	}
}

func TestNewKeysAreGoodForTheirFormat(t *testing.T) {
	mac, err := NewKey("mac")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range formats {
		key, err := NewKey(format)
		if err != nil {
			t.Fatal(err)
		}
		k := Key{Key: secret(key)}
		if config(format).legacy() {
			k.MACKey = secret(mac)
		}
		b := newBench(t, config(format, onlyKey(k)))
		b.enters(t, b.mint(t, "alice"))
	}
	if key, err := NewKey("rot13"); err == nil {
		t.Errorf("a key for rot13: %q", key)
	}
}

func TestWarningsNameWhatIsAllowedButRisky(t *testing.T) {
	for name, test := range map[string]struct {
		config *Config
		want   []string
	}{
		"good":                {config(formatAESGCM), nil},
		"bare, networks":      {config(formatBlowfish, bare, func(c *Config) { c.InsecureUnauthenticatedToken = false }), []string{"keys"}},
		"bare, by name":       {config(formatBlowfish, bare), nil}, // of which the loader warns
		"no prefix":           {config(formatAESGCM, func(c *Config) { c.UserPrefix = "" }), []string{"user_prefix"}},
		"an end that is near": {config(formatBlowfish, func(c *Config) { c.RefuseLegacyAfter = time.Now().UTC().Format(time.DateOnly) }), []string{"refuse_legacy_after"}},
		"a key that ended":    {config(formatAESGCM, func(c *Config) { c.Keys[0].Until = "2020-01-31" }), []string{"keys[0].until"}},
	} {
		var got []string
		for _, f := range test.config.Warnings() {
			got = append(got, f.Path)
		}
		if diff := diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
