package redisstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"foregate/cookies"
)

// A record is one Redis string, so that it takes one command to read and little
// memory:
//
//	1  layout, 1
//	8  version
//	8  expires, milliseconds since 1970
//	8  random: tells a repeated write from another one of the same content
//	2  length of the note, 2 length of the tags (each with its length in a byte)
//	…  note, tags, data
const (
	layout = 1
	header = 29
)

var errGarbage = errors.New("redisstore: the value is no record")

// encode lays r out as its first version.
func encode(r cookies.Record) (string, error) {
	tags := packTags(r.Tags)
	if len(r.Note) > 1<<16-1 || len(tags) > 1<<16-1 {
		return "", errors.New("redisstore: note or tags are too long")
	}
	b := head(1, r.Expires)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Note)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(tags)))
	b = append(b, r.Note...)
	b = append(b, tags...)
	return string(append(b, r.Data...)), nil
}

// head is all before the lengths.
func head(version int64, expires time.Time) []byte {
	b := make([]byte, 0, 512)
	b = append(b, layout)
	b = binary.BigEndian.AppendUint64(b, uint64(version))
	b = binary.BigEndian.AppendUint64(b, uint64(expires.UnixMilli()))
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return append(b, random[:]...)
}

// version as it stands in a record, for scripts to compare.
func version(v int64) string { return string(binary.BigEndian.AppendUint64(nil, uint64(v))) }

func decode(s string) (cookies.Record, error) {
	if len(s) < header || s[0] != layout {
		return cookies.Record{}, errGarbage
	}
	b := []byte(s)
	note, tags := int(binary.BigEndian.Uint16(b[25:])), int(binary.BigEndian.Uint16(b[27:]))
	if len(b) < header+note+tags {
		return cookies.Record{}, errGarbage
	}
	r := cookies.Record{
		Version: int64(binary.BigEndian.Uint64(b[1:])),
		Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(b[9:]))),
		Data:    b[header+note+tags:],
	}
	if note > 0 {
		r.Note = b[header : header+note]
	}
	var ok bool
	if r.Tags, ok = unpackTags(string(b[header+note : header+note+tags])); !ok {
		return cookies.Record{}, errGarbage
	}
	return r, nil
}

func packTags(tags []string) string {
	var b strings.Builder
	for _, t := range tags {
		b.WriteByte(byte(min(len(t), 255)))
		b.WriteString(t[:min(len(t), 255)])
	}
	return b.String()
}

func unpackTags(s string) (tags []string, ok bool) {
	for s != "" {
		n := 1 + int(s[0])
		if len(s) < n {
			return nil, false
		}
		tags, s = append(tags, s[1:n]), s[n:]
	}
	return tags, true
}
