package cookies

import (
	"encoding/json"
	"testing"
)

// WithField adds a field to a sealed record, as a later version would.
func WithField(t *testing.T, sess *Session, data []byte, name, value string) []byte {
	t.Helper()
	all := fields(t, sess, data)
	all[name] = json.RawMessage(value)
	data, err := sess.ticket.sealJSON(all)
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
	var all map[string]json.RawMessage
	if err := sess.ticket.openJSON(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
