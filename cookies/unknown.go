package cookies

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"foregate/authn"
)

// During an upgrade replicas of two versions share a store. What the newer one
// adds to a record the older one does not know, but must not lose when it writes
// the record: unknown holds those fields, as they came.
type unknown struct {
	content  map[string]json.RawMessage
	identity map[string]json.RawMessage
}

const identityField = "u" // of content

var (
	knownContent  = fieldNames(reflect.TypeFor[content]())
	knownIdentity = fieldNames(reflect.TypeFor[authn.Identity]())
)

// fieldNames are the names that a struct's fields have in JSON.
func fieldNames(t reflect.Type) map[string]bool {
	names := make(map[string]bool)
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			names[name] = true
		}
	}
	return names
}

// unknownIn returns what plain has beyond the fields of content; nil if nothing,
// as nearly always.
func unknownIn(plain []byte) (*unknown, error) {
	all, more, err := beyond(plain, knownContent)
	if err != nil {
		return nil, err
	}
	_, identity, err := beyond(all[identityField], knownIdentity)
	if err != nil {
		return nil, err
	}
	if len(more) == 0 && len(identity) == 0 {
		return nil, nil
	}
	return &unknown{more, identity}, nil
}

func beyond(object []byte, known map[string]bool) (all, more map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, nil, fmt.Errorf("cookies: decode session: %w", err)
	}
	for name, value := range all {
		if !known[name] {
			if more == nil {
				more = make(map[string]json.RawMessage)
			}
			more[name] = value
		}
	}
	return all, more, nil
}

// addTo puts the fields back into a record.
func (u *unknown) addTo(plain []byte) ([]byte, error) {
	var all, identity map[string]json.RawMessage
	if err := json.Unmarshal(plain, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all[identityField], &identity); err != nil {
		return nil, err
	}
	maps.Copy(all, u.content)
	maps.Copy(identity, u.identity)
	var err error
	if all[identityField], err = json.Marshal(identity); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
