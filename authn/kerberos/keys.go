package kerberos

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-krb5/krb5/iana/etypeID"
	"github.com/go-krb5/krb5/keytab"
	"github.com/go-krb5/krb5/types"
)

// key is one key of the keytab.
type key struct {
	service string // HTTP/app.hospital.example
	realm   string
	version int
	key     types.EncryptionKey
}

type keys []key

// loadKeys reads those keys of a keytab whose kind of encryption is accepted.
func loadKeys(file string, rc4 bool) (keys, error) {
	tab, err := readKeytab(file)
	if err != nil {
		return nil, fmt.Errorf("keytab %s: %w", file, err)
	}
	var all keys
	for _, e := range tab.Entries {
		if accepted(e.Key.KeyType, rc4) {
			all = append(all, key{strings.Join(e.Principal.Components, "/"), e.Principal.Realm, int(e.KVNO), e.Key})
		}
	}
	switch {
	case len(tab.Entries) == 0:
		return nil, fmt.Errorf("keytab %s: there is no key in it", file)
	case len(all) == 0:
		return nil, fmt.Errorf("keytab %s: there is no AES key in it: set msDS-SupportedEncryptionTypes of the account to 24, set its password anew and export the keytab again", file)
	}
	return all, nil
}

// readKeytab contains the library's panics about files that end early. Its errors
// repeat the file, keys and all, so they are not passed on.
func readKeytab(file string) (tab *keytab.Keytab, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("is damaged")
		}
	}()
	tab, err = keytab.Load(file)
	var cannot interface{ Timeout() bool } // of the file system
	switch {
	case errors.As(err, &cannot):
		return nil, err
	case err != nil:
		return nil, errors.New("is no keytab")
	}
	return tab, nil
}

// accepted are the kinds of encryption of keys and tickets.
func accepted(kind int32, rc4 bool) bool {
	switch kind {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
		return true
	case etypeID.RC4_HMAC:
		return rc4
	}
	return false
}

// of are the keys of a service that a ticket may be encrypted with. Active Directory
// does not tell upper from lower case in names of services.
func (all keys) of(service, realm string, kind int32, version int) []types.EncryptionKey {
	var some []types.EncryptionKey
	for _, k := range all {
		if strings.EqualFold(k.service, service) && k.realm == realm && k.key.KeyType == kind && (version == 0 || k.version == version) {
			some = append(some, k.key)
		}
	}
	return some
}

// realms are those of the keys, each once.
func (all keys) realms() []string {
	var some []string
	for _, k := range all {
		if !slices.Contains(some, k.realm) {
			some = append(some, k.realm)
		}
	}
	return some
}
