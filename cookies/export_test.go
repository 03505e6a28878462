package cookies

import (
	"encoding/json"
	"strconv"
	"testing"
)

// WithField adds a field to a sealed record, as a later version would.
func WithField(t *testing.T, sess *Session, data []byte, name, value string) []byte {
	t.Helper()
	all := fields(t, sess, data)
	all[name] = json.RawMessage(value)
	all["v"], all["vs"] = []byte(strconv.Itoa(contentVersion+1)), []byte(strconv.Itoa(contentVersion))
	plain, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	data, err = sess.ticket.box().seal(plain)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Field is a field of a sealed record.
func Field(t *testing.T, sess *Session, data []byte, name string) string {
	t.Helper()
	return string(fields(t, sess, data)[name])
}

func fields(t *testing.T, sess *Session, data []byte) map[string]json.RawMessage {
	t.Helper()
	plain, err := sess.ticket.box().open(data)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(plain, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
