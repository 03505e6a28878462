package handoff

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Validate implements authn.MethodConfig.
func (c *Config) Validate() error {
	_, f := c.compile("method", time.Now())
	return f.join()
}

// faults collects what is wrong.
type faults []*authn.Fault

func (f *faults) add(path, problem, remedy string) {
	*f = append(*f, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
}

func (f *faults) join() error {
	var errs []error
	for _, one := range *f {
		errs = append(errs, one)
	}
	return errors.Join(errs...)
}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9_.~-]{1,64}$`)

func (p *Partner) checkPage(f *faults) {
	u, err := url.Parse(p.cfg.Page)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		f.add("page", "is not a web address without user name and fragment", "write the address of the partner's page as https://intranet.st-elsewhere.example/sso")
		return
	}
	name := p.cfg.ReturnParameter
	if name != "" && !parameterName.MatchString(name) {
		f.add("return_parameter", fmt.Sprintf("%q is not a name for a parameter", authn.CutControl(name, 64)), "use letters, digits, - and _")
	}
	if name != "" && u.Query().Has(name) {
		f.add("page", "has the parameter "+name+" already", "leave it out, or name another one in return_parameter")
	}
}

var (
	keyID     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)
)

func (p *Partner) checkKeys(f *faults, now time.Time) {
	live := 0
	ids := make(map[string]int)
	for i, c := range p.cfg.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		k, err := newKey(p.cfg.Format, c)
		var bad *keyFault
		if errors.As(err, &bad) {
			f.add(at+"."+bad.field, bad.problem, bad.remedy)
			continue
		}
		if c.ID != "" && !keyID.MatchString(c.ID) {
			f.add(at+".id", "is not 1 to 32 letters, digits, - and _", "write a short one such as k1")
		}
		if j, twice := ids[c.ID]; c.ID != "" && twice {
			f.add(at+".id", fmt.Sprintf("is the one of keys[%d] too", j), "give each key an ID of its own")
		}
		ids[c.ID] = i
		for j := range i {
			if p.cfg.Keys[j].Key.Reveal() == c.Key.Reveal() {
				f.add(at+".key", fmt.Sprintf("is the one of keys[%d] too", j), "remove one of the two")
			}
		}
		if k.live(now) {
			live++
		}
		p.keys = append(p.keys, k)
	}
	if len(p.cfg.Keys) == 0 {
		f.add("keys", "is empty", "make a key with: foregate handoff keygen")
	}
	if live > 2 {
		f.add("keys", fmt.Sprintf("%d of them are live, and two are enough to change one", live), "remove the oldest, or give it a day in until")
	}
}

func (p *Partner) checkRecipe(f *faults) {
	c := &p.cfg
	if !c.legacy() {
		if c.Recipe != nil {
			f.add("recipe", "has no meaning with format "+c.Format+", which says it all", "remove it")
		}
		if c.RefuseLegacyAfter != "" {
			f.add("refuse_legacy_after", "has no meaning with format "+c.Format, "remove it")
		}
		return
	}
	r := c.recipe()
	p.wire = r.Wire
	clock, err := newClock(r.Timestamp, r.Zone)
	var zone *zoneError
	switch {
	case errors.As(err, &zone):
		f.add("recipe.zone", err.Error(), "write a name such as Europe/London or UTC")
	case err != nil:
		f.add("recipe.timestamp", err.Error(), "use unix, unix-ms, iso8601, or a pattern such as yyyyMMddHHmmss")
	}
	p.grammar = newGrammar(r, clock)
	p.checkFields(f, r)
	if p.legacy, err = newLegacy(r, blockSize(c.Format)); err != nil {
		f.add("recipe.iv", err.Error(), "write prefix, zero, or the octets in hex; remove it with mode ecb")
	}
	if r.Mode == "ecb" && c.Format == formatAESCBC {
		f.add("recipe.mode", "ecb is not aes-cbc", "use cbc, or better the format aes-gcm")
	}
	if p.sunset, err = lastDay(c.RefuseLegacyAfter); err != nil {
		f.add("refuse_legacy_after", err.Error(), "write the last day as 2027-06-30")
	}
}

var fieldShape = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

func (p *Partner) checkFields(f *faults, r Recipe) {
	for i, name := range r.Fields {
		at := fmt.Sprintf("recipe.fields[%d]", i)
		if !fieldShape.MatchString(name) {
			f.add(at, fmt.Sprintf("%q is not a name", authn.CutControl(name, 32)), "use lower-case letters, digits and _")
		}
		if slices.Index(r.Fields, name) != i {
			f.add(at, name+" is there twice", "remove one")
		}
	}
	for _, needed := range []string{fieldTimestamp, fieldUser} {
		if !slices.Contains(r.Fields, needed) {
			f.add("recipe.fields", needed+" is missing", "a token needs when it was made and for whom: add "+needed)
		}
	}
	if (r.Plaintext == "fixed") != (len(r.Columns) > 0) || len(r.Columns) > 0 && len(r.Columns) != len(r.Fields) {
		f.add("recipe.columns", "is not one width for each field of plaintext: fixed", "write as many widths as there are fields, and none with another plaintext")
	}
	for i, w := range r.Columns {
		if w < 1 || w > maxToken {
			f.add(fmt.Sprintf("recipe.columns[%d]", i), fmt.Sprintf("%d is not a width", w), "write the number of bytes")
		}
	}
	if len(r.Delimiter) > 8 || !plainText(r.Delimiter, 1, 8) && r.Delimiter != "\t" {
		f.add("recipe.delimiter", "is not 1 to 8 bytes", "write one character such as |")
	}
	p.checkNames(f, r)
}

func (p *Partner) checkNames(f *faults, r Recipe) {
	if len(r.Names) > 0 && r.Plaintext != "query" && r.Plaintext != "json" {
		f.add("recipe.names", "has no meaning with plaintext "+r.Plaintext, "remove it")
		return
	}
	for ours, theirs := range r.Names {
		if !slices.Contains(r.Fields, ours) {
			f.add("recipe.names."+ours, "is none of the fields", "add it to fields, or remove it")
		} else if !plainText(theirs, 1, 64) || strings.ContainsAny(theirs, "=&") {
			f.add("recipe.names."+ours, "is not 1 to 64 characters without = and &", "write the name that the page uses")
		}
	}
	for i, name := range p.grammar.names {
		if slices.Index(p.grammar.names, name) != i {
			f.add("recipe.names", name+" is the name of two fields", "give each a name of its own")
		}
	}
}

// checkRisks refuses what would let people sign in as others.
func (p *Partner) checkRisks(f *faults) {
	c := &p.cfg
	for i, k := range c.Keys {
		switch {
		case !k.MACKey.Empty() && !c.legacy():
			f.add(fmt.Sprintf("keys[%d].mac_key", i), "has no meaning with format "+c.Format+", which authenticates itself", "remove it")
		case c.legacy() && k.MACKey.Empty() != c.Keys[0].MACKey.Empty():
			f.add(fmt.Sprintf("keys[%d].mac_key", i), "must be there for all keys or for none", "give each key a mac_key")
		}
	}
	if c.maced() {
		r := c.recipe()
		p.macName, p.macWire = r.MACParameter, r.MACWire
	}
	switch r := c.recipe(); {
	case c.authenticated():
		if c.InsecureUnauthenticatedToken {
			f.add("insecure_unauthenticated_token", "has no meaning here: these tokens are authenticated", "remove it")
		}
	case r.Mode == "ecb" && (len(c.Networks) == 0 || !c.InsecureUnauthenticatedToken):
		f.add("recipe.mode", "with ecb and without mac_key, blocks of two tokens can be put together into a third", "let the page add an HMAC and give mac_key; else both networks and insecure_unauthenticated_token: true are needed")
	case len(c.Networks) == 0 && !c.InsecureUnauthenticatedToken:
		f.add("keys", "without mac_key whoever sees a token can change it", "let the page add an HMAC and give mac_key, or take aes-gcm; else list the partner's networks, or accept the risk with insecure_unauthenticated_token: true")
	case c.EmailVerified:
		f.add("email_verified", "cannot be vouched for: without mac_key whoever sees a token can change the address in it", "remove it, or give mac_key")
	}
	if c.MaxAge < 0 || c.MaxAge > 15*time.Minute {
		f.add("max_age", fmt.Sprintf("%s is not up to 15m", c.MaxAge), "leave it at 2m and set the clocks right")
	}
	if c.ClockTolerance < 0 || c.ClockTolerance > 5*time.Minute {
		f.add("clock_tolerance", fmt.Sprintf("%s is not up to 5m", c.ClockTolerance), "leave it at 60s and set the clocks right")
	}
}

func (p *Partner) checkParameters(f *faults) {
	c := &p.cfg
	taken := make(map[string]string)
	for _, one := range [][2]string{
		{"parameter", c.Parameter}, {"recipe.mac_parameter", p.macName},
		{"start_parameter", c.StartParameter}, {"partner_parameter", c.PartnerParameter},
	} {
		path, name := one[0], one[1]
		switch {
		case name == "":
		case !parameterName.MatchString(name):
			f.add(path, fmt.Sprintf("%q is not a name for a parameter", authn.CutControl(name, 64)), "use letters, digits, - and _")
		case taken[name] != "":
			f.add(path, fmt.Sprintf("%q is the name of %s too", name, taken[name]), "give each a name of its own")
		default:
			taken[name] = path
		}
	}
	if !plainName.MatchString(p.name) {
		f.add("partner", "is not up to 128 letters, digits, - . _ : and /", "write a short name such as st-elsewhere")
	}
	if !plainText(c.Audience, 0, 256) {
		f.add("audience", "is not 256 bytes at most", "write the application's host")
	}
	if prefix := c.userPrefix(p.name); !plainText(prefix, 0, 128) || strings.Contains(prefix, " ") {
		f.add("user_prefix", "is not 128 bytes at most without spaces", "write a short one such as st-elsewhere:")
	}
	slices.SortStableFunc(*f, func(a, b *authn.Fault) int { return cmp.Compare(a.Path, b.Path) })
}
