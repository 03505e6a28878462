package network

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"foregate/authn/authntest"
)

func TestFaultsNameTheKeyAndWhatToWrite(t *testing.T) {
	with := func(change func(c *Config)) Config {
		c := readingRoom()
		change(&c)
		return c
	}
	addresses := func(list ...string) Config { return with(func(c *Config) { c.Addresses = prefixes(list...) }) }
	tests := map[string]struct {
		config Config
		want   []string // one line of the error each
	}{
		"nothing":                   {Config{}, []string{"addresses: is empty, so nobody could sign in; list networks", "user: is missing; write a name that no person has"}},
		"host bits":                 {addresses("10.1.2.3/8"), []string{"addresses[0]: 10.1.2.3/8 has bits set beyond its length; write 10.0.0.0/8 for the network or 10.1.2.3 for the one address"}},
		"the same twice":            {addresses("10.0.0.0/8", "10.0.0.0/8"), []string{"addresses[1]: 10.0.0.0/8 overlaps 10.0.0.0/8; keep the wider, 10.0.0.0/8"}},
		"inside an earlier one":     {addresses("10.0.0.0/8", "10.7.0.0/16"), []string{"addresses[1]: 10.7.0.0/16 overlaps 10.0.0.0/8; keep the wider, 10.0.0.0/8"}},
		"around an earlier one":     {addresses("2001:db8:7::/48", "2001:db8::/32"), []string{"addresses[1]: 2001:db8::/32 overlaps 2001:db8:7::/48; keep the wider, 2001:db8::/32"}},
		"IPv4 in IPv6":              {addresses("::ffff:192.0.2.0/120"), []string{"addresses[0]: ::ffff:192.0.2.0/120 is IPv4 written as IPv6; write 192.0.2.0/24"}},
		"more than IPv4 in IPv6":    {addresses("::ffff:0.0.0.0/90"), []string{"addresses[0]: ::ffff:0.0.0.0/90 is IPv4 written as IPv6; write an IPv4 network such as"}},
		"all of IPv4":               {addresses("0.0.0.0/0"), []string{"addresses[0]: 0.0.0.0/0 is so wide that strangers are in it; list your own networks; insecure_everywhere: true allows it"}},
		"all of IPv6":               {addresses("::/0"), []string{"addresses[0]: ::/0 is so wide"}},
		"all of IPv4 in two halves": {addresses("0.0.0.0/1", "128.0.0.0/1"), []string{"addresses[0]: 0.0.0.0/1 is so wide", "addresses[1]: 128.0.0.0/1 is so wide"}},
		"all global IPv6":           {addresses("2000::/3"), []string{"addresses[0]: 2000::/3 is so wide"}},
		"not a network":             {with(func(c *Config) { c.Addresses = []netip.Prefix{{}} }), []string{"addresses[0]: is not a network; write one such as"}},
		"permission without need":   {with(func(c *Config) { c.Everywhere = true }), []string{"insecure_everywhere: has no effect: no network is that wide; remove it"}},
		"user":                      {with(func(c *Config) { c.User = " x" }), []string{`user: " x" has invisible characters`}},
		"user of two lines":         {with(func(c *Config) { c.User = "a\r\nX-Admin: 1" }), []string{"user: "}},
		"user backwards":            {with(func(c *Config) { c.User = "a\u202eb" }), []string{"user: "}},
		"name":                      {with(func(c *Config) { c.Name = strings.Repeat("x", 257) }), []string{"name: "}},
		"groups":                    {with(func(c *Config) { c.Groups = []string{"a", "", "b\x00"} }), []string{"groups[1]: is empty", "groups[2]: "}},
	}
	for name, tt := range tests {
		err := tt.config.Validate()
		if err == nil {
			t.Errorf("%s: no fault", name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%s: %q, want %d faults", name, lines, len(tt.want))
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: %q, want %q", name, lines[i], want)
			}
		}
		if _, err := tt.config.Open(authntest.NewEnv("reading-room")); err == nil {
			t.Errorf("%s: opens all the same", name)
		}
	}
}

func TestWideNetworksByTheNameOfTheRisk(t *testing.T) {
	c := Config{Addresses: prefixes("0.0.0.0/0", "::/0"), User: "visitor", Everywhere: true}
	m := open(t, c)
	for _, address := range []string{"203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"} {
		if !m.Here(netip.MustParseAddr(address)) {
			t.Errorf("%s is not everywhere", address)
		}
	}
	if m.Here(netip.Addr{}) {
		t.Error("an address that could not be read is everywhere")
	}
}

func TestWidestNetworksThatNeedNoPermission(t *testing.T) {
	c := Config{Addresses: prefixes("10.0.0.0/8", "fc00::/7"), User: "site"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// Whoever reads the configuration from YAML goes by these tags.
func TestEveryKeyOfTheConfigurationIsDescribed(t *testing.T) {
	for field := range reflect.TypeFor[Config]().Fields() {
		_, hasDefault := field.Tag.Lookup("default")
		if field.Tag.Get("yaml") == "" || field.Tag.Get("doc") == "" || !hasDefault {
			t.Errorf("%s lacks a yaml, default or doc tag", field.Name)
		}
	}
}
