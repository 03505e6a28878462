package kerberos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/go-krb5/krb5/iana/adtype"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/pac"
	"github.com/go-krb5/krb5/types"

	"foregate/authn"
)

// maxBuffers is above the twenty kinds of information that there are.
const maxBuffers = 64

// facts are what Active Directory says of a person in a ticket (MS-PAC).
type facts struct {
	sid     string
	account string   // its name as it is stored: sAMAccountName
	name    string   // for people
	groups  []string // SIDs, those of groups in groups too
}

// factsOf reads a ticket's PAC, whose signature was made with the service's key, and
// which must be of the ticket's own person.
func factsOf(t *messages.EncTicketPart, k types.EncryptionKey) (facts, error) {
	raw, err := rawPAC(t.AuthorizationData)
	if err != nil {
		return facts{}, err
	}
	var p pac.PACType
	if err := p.Unmarshal(raw); err != nil {
		return facts{}, fmt.Errorf("PAC: %w", err)
	}
	// It verifies the signature in the end.
	if err := p.ProcessPACInfoBuffers(k, log.New(io.Discard, "", 0)); err != nil {
		return facts{}, fmt.Errorf("PAC: %w", err)
	}
	if name := t.CName.PrincipalNameString(); !strings.EqualFold(p.ClientInfo.Name, name) {
		return facts{}, fmt.Errorf("PAC is of %q and the ticket of %q", shown(p.ClientInfo.Name), shown(name))
	}
	info := p.KerbValidationInfo
	domain := info.LogonDomainID.String()
	if info.UserID == 0 || !strings.HasPrefix(domain, "S-1-5-21-") {
		return facts{}, errors.New("PAC names no person of a domain")
	}
	return facts{sid: fmt.Sprintf("%s-%d", domain, info.UserID), account: info.EffectiveName.Value, name: authn.CutControl(info.FullName.Value, 255), groups: info.GetGroupMembershipSIDs()}, nil
}

// rawPAC finds the PAC, which the KDC puts into data that others may ignore.
func rawPAC(data types.AuthorizationData) ([]byte, error) {
	for _, outer := range data {
		var inner types.AuthorizationData
		if outer.ADType != adtype.ADIfRelevant || inner.Unmarshal(outer.ADData) != nil {
			continue
		}
		for _, one := range inner {
			if one.ADType != adtype.ADWin2KPAC {
				continue
			}
			if len(one.ADData) < 8 || binary.LittleEndian.Uint32(one.ADData) > maxBuffers {
				return nil, errors.New("PAC is damaged")
			}
			return one.ADData, nil
		}
	}
	return nil, errors.New("ticket has no PAC")
}
