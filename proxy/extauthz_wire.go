package proxy

import (
	"errors"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of envoy.service.auth.v3 (external_auth.proto, attribute_context.proto),
// as far as they are of use here: what is not known is passed over.

// check is a CheckRequest.
type check struct {
	method, host, path, scheme string
	source                     string              // address of who spoke to Envoy
	headers                    map[string][]string // as Envoy has them: in lower case, without ":path" and its like
}

var errMessage = errors.New("ext_authz: a message that cannot be read")

// each calls f with each field of a message that has a length: texts, bytes, messages.
func each(message []byte, f func(number protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return errMessage
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		if err := f(number, value); err != nil {
			return err
		}
	}
	return nil
}

// down goes down to the fields at path, one number for each message.
func down(message []byte, path []protowire.Number, f func(protowire.Number, []byte) error) error {
	if len(path) == 0 {
		return each(message, f)
	}
	return each(message, func(number protowire.Number, value []byte) error {
		if number != path[0] {
			return nil
		}
		return down(value, path[1:], f)
	})
}

func readCheck(message []byte) (*check, error) {
	c := &check{headers: make(map[string][]string)}
	add := func(name, value string) {
		if !strings.HasPrefix(name, ":") {
			c.headers[name] = append(c.headers[name], value)
		}
	}
	// CheckRequest.attributes, AttributeContext.request, Request.http.
	err := down(message, []protowire.Number{1, 4, 2}, func(number protowire.Number, value []byte) error {
		switch number {
		case 2:
			c.method = string(value)
		case 3: // an entry of headers: key 1, value 2
			var name, text string
			err := each(value, func(number protowire.Number, value []byte) error {
				if number == 1 {
					name = string(value)
				} else if number == 2 {
					text = string(value)
				}
				return nil
			})
			add(name, text)
			return err
		case 4:
			c.path = string(value)
		case 5:
			c.host = string(value)
		case 6:
			c.scheme = string(value)
		case 13: // header_map, with encode_raw_headers: HeaderValues of key 1, value 2, raw_value 3
			return down(value, nil, func(number protowire.Number, value []byte) error {
				if number != 1 {
					return nil
				}
				var name, text string
				err := each(value, func(number protowire.Number, value []byte) error {
					if number == 1 {
						name = string(value)
					} else if len(value) > 0 {
						text = string(value)
					}
					return nil
				})
				add(name, text)
				return err
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// AttributeContext.source, Peer.address, Address.socket_address, SocketAddress.address.
	return c, down(message, []protowire.Number{1, 1, 1, 1}, func(number protowire.Number, value []byte) error {
		if number == 2 {
			c.source = string(value)
		}
		return nil
	})
}

func appendText(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

func appendMessage(b []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), message)
}

func appendNumber(b []byte, number protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(n))
}

// appendHeaders writes HeaderValueOptions: each line in place of what there is, or, if
// several, beside.
func appendHeaders(b []byte, number protowire.Number, h http.Header) []byte {
	for name, lines := range h {
		for i, line := range lines {
			option := appendMessage(nil, 1, appendText(appendText(nil, 1, strings.ToLower(name)), 2, line))
			if i > 0 || name == "Set-Cookie" {
				option = appendMessage(option, 2, appendNumber(nil, 1, 1)) // append: BoolValue{true}
			} else {
				option = appendNumber(option, 3, 2) // append_action: OVERWRITE_IF_EXISTS_OR_ADD
			}
			b = appendMessage(b, number, option)
		}
	}
	return b
}

// allowed is a CheckResponse with an OkHttpResponse.
func allowed(set http.Header, remove []string) []byte {
	ok := appendHeaders(nil, 2, set)
	for _, name := range remove {
		ok = appendText(ok, 5, name)
	}
	return appendMessage(appendMessage(nil, 1, appendNumber(nil, 1, grpcOK)), 3, ok)
}

// denied is a CheckResponse with a DeniedHttpResponse: what the browser gets.
func denied(v *verdict) []byte {
	code := grpcDenied
	if v.status == http.StatusUnauthorized || v.status < 400 {
		code = grpcUnauthenticated
	}
	if v.status == 0 {
		v.status = http.StatusInternalServerError
	}
	v.header.Del("Content-Length") // Envoy counts by itself
	refused := appendMessage(nil, 1, appendNumber(nil, 1, v.status))
	refused = appendHeaders(refused, 2, v.header)
	refused = appendText(refused, 3, v.body.String())
	return appendMessage(appendMessage(nil, 1, appendNumber(nil, 1, code)), 2, refused)
}
