package saml

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Validate reads the configuration and the files that it names, and reports all
// faults at once.
func (c *Config) Validate() error {
	var f faults
	if _, ok := presets[c.Preset]; !ok {
		f.add("preset", fmt.Sprintf("%q is not known", c.Preset), "use adfs, entra, keycloak or shibboleth, or leave it out")
	}
	full := c.filled()
	full.validateProvider(&f)
	full.validateOurs(&f)
	full.validateRequest(&f)
	full.validateAnswer(&f)
	return f.join()
}

func (c *Config) validateProvider(f *faults) {
	if c.byMetadata() {
		for key, set := range map[string]bool{
			"sso_url": c.SSOURL != "", "slo_url": c.SLOURL != "", "certificate": c.Certificate != "", "idp_entity_id": c.IdPEntityID != "",
		} {
			if set {
				f.add(key, "has no meaning beside metadata", "remove it, or the metadata")
			}
		}
		c.validateMetadata(f)
		return
	}
	if c.Metadata.EntityID != "" || c.Metadata.Certificate != "" || c.Metadata.CA != "" || c.Metadata.Federation {
		f.add("metadata", "has neither url nor file", "say where the provider's metadata is, or remove the section")
	}
	if c.provisional() {
		if c.SLOURL != "" {
			f.add("sso_url", "is missing beside slo_url", "write the provider's sign-in address too")
		}
		return
	}
	if c.SSOURL == "" {
		f.add("sso_url", "is missing beside certificate", "write the provider's sign-in address, or use its metadata")
	} else {
		f.address("sso_url", c.SSOURL, c.InsecureHTTP)
	}
	if c.SLOURL != "" {
		f.address("slo_url", c.SLOURL, c.InsecureHTTP)
	}
	if c.Certificate == "" {
		f.add("certificate", "is missing beside sso_url", "name the file with the certificate that the provider signs with")
		return
	}
	certs, err := loadCertificates(string(c.Certificate))
	if err != nil {
		f.add("certificate", err.Error(), "name a readable file with the provider's certificate, PEM or DER")
	}
	for _, cert := range certs {
		if err := checkKey(cert); err != nil {
			f.add("certificate", err.Error(), "ask for a certificate with an RSA key of 2048 bits or more, or an elliptic one of 256")
		}
	}
}

func (c *Config) validateMetadata(f *faults) {
	md := c.Metadata
	c.validateFederation(f)
	if md.URL != "" {
		// Signed metadata may come by any road; everything in it is vouched for.
		f.address("metadata.url", md.URL, c.InsecureHTTP || md.Certificate != "")
		if _, err := loadCA(md.CA); err != nil {
			f.add("metadata.ca", err.Error(), "name a readable PEM file")
		}
		if md.Refresh < time.Minute || md.Refresh > 24*time.Hour {
			f.add("metadata.refresh", fmt.Sprintf("%s is not between 1m and 24h", md.Refresh), "leave it at 1h")
		}
	}
	if md.Certificate != "" {
		if _, err := loadCertificates(string(md.Certificate)); err != nil {
			f.add("metadata.certificate", err.Error(), "name a readable file with the certificate that signs the metadata")
			return
		}
	}
	if md.File == "" {
		return
	}
	text, err := readFile(string(md.File))
	if md.Keep && errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(string(md.File))) // it is written when the address answers
	}
	if err == nil && md.URL == "" {
		s := source{cfg: c, log: slog.New(slog.DiscardHandler), now: time.Now}
		_, err = s.parse(text)
	}
	if err != nil {
		f.add("metadata.file", err.Error(), "save the provider's metadata in this file")
	}
}

func (c *Config) validateFederation(f *faults) {
	md := c.Metadata
	if md.Keep && (md.URL == "" || md.File == "") {
		f.add("metadata.keep", "needs url, and file to keep what it answers", "add both, or remove keep")
	}
	if !md.Federation {
		if md.MDQ != "" || len(md.Entities) > 0 {
			f.add("metadata.federation", "is not on, which mdq and entities are for", "write federation: true, or remove them")
		}
		return
	}
	if md.EntityID != "" {
		f.add("metadata.entity_id", "has no meaning with federation", "remove it, or list the providers in entities")
	}
	if c.InsecureIdPInitiated {
		f.add("insecure_idp_initiated", "cannot be on in a federation: any of its members could plant an answer", "remove it")
	}
	if md.MDQ != "" {
		if md.URL != "" || md.File != "" {
			f.add("metadata.mdq", "stands beside url or file", "keep one of them")
		}
		f.address("metadata.mdq", md.MDQ, true) // each answer is signed
		if strings.HasSuffix(md.MDQ, "/") {
			f.add("metadata.mdq", "ends with a slash", "write it without: https://mdq.example/entities")
		}
		if md.Certificate == "" {
			f.add("metadata.certificate", "is missing beside mdq", "name the file with the certificate that the federation signs with")
		}
	}
	for i, e := range md.Entities {
		if e == "" || len(e) > maxID || strings.ContainsAny(e, " \t\r\n") {
			f.add(fmt.Sprintf("metadata.entities[%d]", i), fmt.Sprintf("%q is not an entity ID", short(e)), "write it exactly as the metadata has it")
		}
	}
}

func (c *Config) validateOurs(f *faults) {
	if c.KeyFile != "" {
		if len(c.Keys) > 0 {
			f.add("key_file", "has no meaning beside keys", "remove one of the two")
		}
		_, err := readKeyFile(c.KeyFile)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(filepath.Dir(string(c.KeyFile)))
		}
		if err != nil {
			f.add("key_file", err.Error(), "name a file in a folder that is there; the key is made at the first start")
		}
	}
	for i, p := range c.Keys {
		if _, err := loadKey(p); err != nil {
			f.add(fmt.Sprintf("keys[%d]", i), err.Error(), `make a key and its certificate with "foregate saml keygen"`)
		}
	}
	if c.EntityID != "" {
		if u, err := url.Parse(c.EntityID); err != nil || u.Scheme == "" || len(c.EntityID) > maxID || strings.ContainsAny(c.EntityID, " \t\r\n") {
			f.add("entity_id", fmt.Sprintf("%q is not a URI", short(c.EntityID)), "write the name that the provider knows us by, such as https://careplan.hospital.example/sso/metadata, or leave it out")
		}
	}
	if c.Contact != "" {
		if a, err := mail.ParseAddress(c.Contact); err != nil || a.Address != c.Contact {
			f.add("contact", fmt.Sprintf("%q is not an e-mail address", short(c.Contact)), "write an address such as it@hospital.example")
		}
	}
}

func (c *Config) validateRequest(f *faults) {
	if c.Binding != bindingRedirect && c.Binding != bindingPost {
		f.add("binding", fmt.Sprintf("%q is not known", c.Binding), "use redirect or post")
	}
	if n := c.NameIDFormat; n != "" && nameIDFormats[n] == "" && !strings.HasPrefix(n, "urn:") {
		f.add("name_id_format", fmt.Sprintf("%q is not known", n), "use persistent, email, unspecified, transient or a whole URI")
	}
	for i, uri := range c.AuthnContext {
		if uri == "" || strings.ContainsAny(uri, " \t") {
			f.add(fmt.Sprintf("authn_context[%d]", i), "is not one URI", "write one way of authentication per entry")
		}
	}
}

func (c *Config) validateAnswer(f *faults) {
	if !slices.Contains([]string{signedEither, signedAssertion, signedResponse, signedBoth}, c.Signed) {
		f.add("signed", fmt.Sprintf("%q is not known", c.Signed), "use either, assertion, response or both")
	}
	if c.ClockTolerance < 0 || c.ClockTolerance > maxTolerance {
		f.add("clock_tolerance", fmt.Sprintf("%s is not between 0s and %s", c.ClockTolerance, maxTolerance), "leave it at 4m and set the clocks right")
	}
	if len(c.StartPages) > 0 && !c.InsecureIdPInitiated {
		f.add("start_pages", "has no meaning without insecure_idp_initiated", "remove it")
	}
	for i, p := range c.StartPages {
		if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\ \t\r\n") {
			f.add(fmt.Sprintf("start_pages[%d]", i), fmt.Sprintf("%q is not a path of the application", short(p)), "write a path such as /reports")
		}
	}
	for name, want := range c.RequireAttributes {
		if name == "" || len(strings.Fields(want)) == 0 {
			f.add("require_attributes", fmt.Sprintf("%q has no value that is allowed", name), "write the allowed value, or several with spaces between")
		}
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, "@ /:") {
			f.add(fmt.Sprintf("scopes[%d]", i), fmt.Sprintf("%q is not a domain", short(s)), "write a domain such as hospital.example")
		}
	}
	for key, list := range map[string][]string{
		"subject": c.Attributes.Subject, "user": c.Attributes.User, "email": c.Attributes.Email, "name": c.Attributes.Name,
		"given_name": c.Attributes.GivenName, "family_name": c.Attributes.FamilyName,
		"preferred_username": c.Attributes.PreferredUsername, "groups": c.Attributes.Groups,
	} {
		if slices.Contains(list, "") {
			f.add("attributes."+key, "has an empty name", "name an attribute, or NameID")
		}
	}
}

// faults collects what is wrong, in a steady order.
type faults []*authn.Fault

func (f *faults) add(path, problem, remedy string) {
	*f = append(*f, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
}

func (f *faults) address(path, address string, insecure bool) {
	if err := checkAddress(address, insecure); err != nil {
		f.add(path, err.Error(), "write an https address")
	}
}

func (f *faults) join() error {
	slices.SortStableFunc(*f, func(a, b *authn.Fault) int { return strings.Compare(a.Path, b.Path) })
	errs := make([]error, len(*f))
	for i, one := range *f {
		errs[i] = one
	}
	return errors.Join(errs...)
}
