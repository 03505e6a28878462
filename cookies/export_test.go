package cookies

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
)

// WithField adds a field to a sealed record, as a later version would.
func WithField(t *testing.T, sess *Session, data []byte, name, value string) []byte {
	t.Helper()
	all, secrets := fields(t, sess, data)
	all[name] = json.RawMessage(value)
	all["v"], all["vs"] = []byte(strconv.Itoa(contentVersion+1)), []byte(strconv.Itoa(contentVersion))
	plain, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	data, err = sess.ticket.box().seal(append(plain, secrets...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Field is a field of a sealed record.
func Field(t *testing.T, sess *Session, data []byte, name string) string {
	t.Helper()
	all, _ := fields(t, sess, data)
	return string(all[name])
}

// fields of a record, and what follows them.
func fields(t *testing.T, sess *Session, data []byte) (all map[string]json.RawMessage, secrets []byte) {
	t.Helper()
	plain, err := sess.ticket.box().open(data)
	if err != nil {
		t.Fatal(err)
	}
	if at := bytes.IndexByte(plain, secretsFollow); at >= 0 {
		plain, secrets = plain[:at], plain[at:]
	}
	if err := json.Unmarshal(plain, &all); err != nil {
		t.Fatal(err)
	}
	return all, secrets
}
