package handoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"
)

var errObject = errors.New("is not one JSON object")

// readObject reads one JSON object. Unlike json.Unmarshal it refuses a name that
// stands there twice, which two readers could take for different things.
func readObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errObject
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errObject
	}
	object := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errObject
		}
		if _, twice := object[name]; twice {
			return nil, errors.New("has a name twice")
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, errObject
		}
		object[name] = value
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, errObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errObject
	}
	return object, nil
}

var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,15})$`)

// wholeNumber is a JSON number without fraction and exponent.
func wholeNumber(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok || !whole.MatchString(n.String()) {
		return 0, false
	}
	i, err := strconv.ParseInt(n.String(), 10, 64)
	return i, err == nil
}

// textOf is a JSON string or whole number as text.
func textOf(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	if _, ok := wholeNumber(v); ok {
		return v.(json.Number).String(), true
	}
	return "", false
}
