package cookies

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"foregate/authn"
)

// contentVersion is what this program writes. A later one that adds fields keeps
// Since at the oldest version that may read, and write, its records all the same:
// what that does not know it leaves as it is (unknown.go).
const contentVersion = 1

// content is the plain text of a session's record. Times are milliseconds,
// since 1970 or as a length.
type content struct {
	Version  int            `json:"v"`
	Since    int            `json:"vs,omitempty"` // the oldest version that understands it; 0: Version
	Audience string         `json:"a"`
	Began    int64          `json:"b"`
	Seen     int64          `json:"s"` // the last activity
	Idle     int64          `json:"i"`
	Lifetime int64          `json:"l"`
	Identity authn.Identity `json:"u"`

	mark []byte // see RenewPerson; behind the record and not in it
	more *unknown
	size int // of the plain text, without Identity.Private
}

// afterlife is how long a record outlives its session, so that people whose
// session is over can be told so.
const afterlife = time.Hour

// expires is when the store may drop the record. It looks at the lifetime only:
// a person who was idle too long is still recognised, to be told so.
func (c *content) expires() time.Time {
	return time.UnixMilli(c.Began + c.Lifetime).Add(afterlife)
}

// A record's plain text is the content without the method's own secrets and, behind
// a zero byte, those: most of its bytes, which a request does not need.
const secretsFollow = 0

// seal encrypts c.
func (t *ticket) seal(c *content) ([]byte, error) {
	open := *c
	open.Identity.Private = nil
	plain, err := json.Marshal(&open)
	if err == nil && c.more != nil {
		plain, err = c.more.addTo(plain)
	}
	if err == nil && c.Identity.Private != nil {
		var secrets []byte
		secrets, err = json.Marshal(c.Identity.Private)
		plain = append(append(plain, secretsFollow), secrets...)
	}
	if err != nil {
		return nil, fmt.Errorf("cookies: encode session: %w", err)
	}
	sealed, err := t.box().seal(plain)
	return append(sealed, c.mark...), err
}

// open is the inverse of seal.
func (t *ticket) open(data []byte) (*content, error) {
	c, secrets, err := t.peek(data)
	if err != nil || secrets == nil {
		return c, err
	}
	if err := json.Unmarshal(secrets, &c.Identity.Private); err != nil {
		return nil, fmt.Errorf("cookies: decode session: %w", err)
	}
	return c, nil
}

// peek is open without Identity.Private, which it returns as it is in the record;
// nil if there is none.
func (t *ticket) peek(data []byte) (c *content, secrets []byte, err error) {
	sealed, mark := marked(data)
	plain, err := t.box().open(sealed)
	if err != nil {
		return nil, nil, err
	}
	if at := bytes.IndexByte(plain, secretsFollow); at >= 0 {
		plain, secrets = plain[:at], plain[at+1:]
	}
	c = &content{size: len(plain), mark: mark}
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, nil, fmt.Errorf("cookies: decode session: %w", err)
	}
	if c.Version < 1 || c.Version > contentVersion && (c.Since < 1 || c.Since > contentVersion) {
		return nil, nil, fmt.Errorf("cookies: session of unknown version %d", c.Version)
	}
	if c.Version > contentVersion { // or there is nothing that we do not know
		if c.more, err = unknownIn(plain); err != nil {
			return nil, nil, err
		}
	}
	return c, secrets, nil
}
