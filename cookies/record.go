package cookies

import (
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

	more *unknown
}

// afterlife is how long a record outlives its session, so that people whose
// session is over can be told so.
const afterlife = time.Hour

// expires is when the store may drop the record. It looks at the lifetime only:
// a person who was idle too long is still recognised, to be told so.
func (c *content) expires() time.Time {
	return time.UnixMilli(c.Began + c.Lifetime).Add(afterlife)
}

// seal encrypts c.
func (t *ticket) seal(c *content) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("cookies: encode session: %w", err)
	}
	if c.more != nil {
		if plain, err = c.more.addTo(plain); err != nil {
			return nil, fmt.Errorf("cookies: encode session: %w", err)
		}
	}
	return t.box().seal(plain)
}

// open is the inverse of seal. size is the length of the plain text.
func (t *ticket) open(data []byte) (c *content, size int, err error) {
	plain, err := t.box().open(data)
	if err != nil {
		return nil, 0, err
	}
	c = new(content)
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, 0, fmt.Errorf("cookies: decode session: %w", err)
	}
	if c.Version < 1 || c.Version > contentVersion && (c.Since < 1 || c.Since > contentVersion) {
		return nil, 0, fmt.Errorf("cookies: session of unknown version %d", c.Version)
	}
	if c.Version > contentVersion { // or there is nothing that we do not know
		if c.more, err = unknownIn(plain); err != nil {
			return nil, 0, err
		}
	}
	return c, len(plain), nil
}
