package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"foregate/authn"

	"go.yaml.in/yaml/v4"
)

var (
	secretType   = reflect.TypeFor[authn.Secret]()
	pathType     = reflect.TypeFor[authn.Path]()
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	addrType     = reflect.TypeFor[netip.Addr]()
	urlType      = reflect.TypeFor[*url.URL]()
)

// isScalar reports whether a value of this type is one text in the file.
func isScalar(t reflect.Type) bool {
	switch t {
	case secretType, prefixType, addrType, urlType:
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// scalar decodes one text. A string keeps it as it is written: 00123 stays 00123.
func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value, f field) {
	if v.Type() == secretType {
		d.secret(n, path, v)
		return
	}
	if isNull(n) {
		d.fault(path, FaultAt{Problem: "has no value", Remedy: "write a value, or remove the key"})
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, path, allowedFor(v.Type()), "write one value after the key")
		return
	}
	switch v.Type() {
	case pathType:
		d.path(n.Value, v)
	case durationType:
		d.duration(n, path, v, f)
	case prefixType:
		d.prefix(n.Value, path, v)
	case addrType:
		d.addr(n.Value, path, v)
	case urlType:
		d.url(n.Value, path, v, f)
	default:
		d.basic(n, path, v, f)
	}
}

func (d *decoder) basic(n *yaml.Node, path string, v reflect.Value, f field) {
	text := n.Value
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		d.enum(text, path, f)
	case reflect.Bool:
		if text != "true" && text != "false" {
			d.fault(path, FaultAt{Problem: "is neither true nor false", Found: quoted(text), Allowed: "true, false", Remedy: "write true or false"})
			return
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			d.fault(path, FaultAt{Problem: "is not a whole number", Found: quoted(text), Allowed: cmp.Or(f.bounds(), "a whole number"), Remedy: "write digits only"})
			return
		}
		v.SetInt(i)
		d.within(float64(i), number, text, path, f)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x != x || x-x != 0 {
			d.fault(path, FaultAt{Problem: "is not a number", Found: quoted(text), Allowed: cmp.Or(f.bounds(), "a number"), Remedy: "write digits with a decimal point"})
			return
		}
		v.SetFloat(x)
		d.within(x, number, text, path, f)
	}
}

func (d *decoder) enum(text, path string, f field) {
	if len(f.enum) == 0 || slices.Contains(f.enum, text) {
		return
	}
	d.fault(path, FaultAt{
		Problem: "is none of the allowed words", Found: quoted(text),
		Allowed: strings.Join(f.enum, ", "), Nearest: nearest(text, f.enum),
		Remedy: "write one of them",
	})
}

func (d *decoder) duration(n *yaml.Node, path string, v reflect.Value, f field) {
	x, err := time.ParseDuration(n.Value)
	if err != nil {
		remedy := "write a number with its unit, such as 90s, 20m or 12h"
		if _, err := strconv.ParseUint(n.Value, 10, 32); err == nil {
			remedy = fmt.Sprintf("write its unit: %ss for seconds, %[1]sm for minutes, %[1]sh for hours", n.Value)
		} else if days, err := strconv.ParseUint(strings.TrimSuffix(n.Value, "d"), 10, 16); err == nil {
			remedy = fmt.Sprintf("there is no unit for days: write %dh", days*24)
		}
		d.fault(path, FaultAt{Problem: "is not a length of time", Found: quoted(n.Value), Allowed: cmp.Or(f.bounds(), "a number with a unit: ms, s, m, h"), Remedy: remedy})
		return
	}
	if x < 0 {
		d.fault(path, FaultAt{Problem: "is negative", Found: quoted(n.Value), Allowed: f.bounds(), Remedy: "write a positive length of time"})
		return
	}
	v.SetInt(int64(x))
	d.within(float64(x), seconds, n.Value, path, f)
}

// within checks min and max, which parse reads as it read the value.
func (d *decoder) within(x float64, parse func(string) float64, text, path string, f field) {
	switch {
	case f.min != "" && x < parse(f.min):
		d.fault(path, FaultAt{Problem: "is too small", Found: quoted(text), Allowed: f.bounds(), Remedy: "write " + f.min + " or more"})
	case f.max != "" && x > parse(f.max):
		d.fault(path, FaultAt{Problem: "is too large", Found: quoted(text), Allowed: f.bounds(), Remedy: "write " + f.max + " or less"})
	}
}

// number and seconds read a bound; a bad one is a fault of the program.
func number(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("config: bound " + s)
	}
	return x
}

func seconds(s string) float64 {
	x, err := time.ParseDuration(s)
	if err != nil {
		panic("config: bound " + s)
	}
	return float64(x)
}

func (d *decoder) prefix(text, path string, v reflect.Value) {
	fault := FaultAt{
		Problem: "is not a network", Found: quoted(text),
		Allowed: "192.0.2.0/24, 2001:db8::/32, or a single address",
		Remedy:  "write the address, a slash and the number of bits",
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		v.Set(reflect.ValueOf(netip.PrefixFrom(addr, addr.BitLen())))
		return
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		if err == nil && p.Bits() >= 96 {
			fault.Remedy = "write " + netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked().String()
		}
		d.fault(path, fault)
		return
	}
	if p != p.Masked() {
		fault.Problem = "has bits set beyond its length"
		fault.Remedy = fmt.Sprintf("write %s for the network or %s for the one address", p.Masked(), p.Addr())
		d.fault(path, fault)
		return
	}
	v.Set(reflect.ValueOf(p))
}

func (d *decoder) addr(text, path string, v reflect.Value) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		d.fault(path, FaultAt{Problem: "is not an IP address", Found: quoted(text), Allowed: "192.0.2.1 or 2001:db8::1", Remedy: "write the address without port and name"})
		return
	}
	v.Set(reflect.ValueOf(a.Unmap()))
}

// url decodes an address with http or https. What is found is not shown when it
// may hold a password.
func (d *decoder) url(text, path string, v reflect.Value, f field) {
	fault := FaultAt{Problem: "is not a web address", Allowed: "http://host:port or https://host", Remedy: "write it with http:// or https:// in front"}
	if f.socket {
		fault.Allowed = "http://host:port, https://host or unix:///path"
	}
	if !strings.Contains(text, "@") {
		fault.Found = quoted(text)
	}
	u, err := url.Parse(text)
	if f.socket && err == nil && u.Scheme == "unix" && u.Host == "" && u.User == nil && len(u.Path) > 1 {
		v.Set(reflect.ValueOf(u))
		return
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !validPort(u.Port()) {
		d.fault(path, fault)
		return
	}
	if u.User != nil {
		fault.Problem = "holds a user name or password"
		fault.Remedy = "leave out what stands before the @"
		d.fault(path, fault)
		return
	}
	v.Set(reflect.ValueOf(u))
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func allowedFor(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a length of time such as 20m"
	case t == pathType:
		return "the name of a file"
	case t.Kind() == reflect.Bool:
		return "true, false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64, t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a text"
}

// quoted shows a value that is no secret.
func quoted(s string) string { return strconv.Quote(authn.CutControl(s, 80)) }
