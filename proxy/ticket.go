package proxy

import (
	"context"
	"encoding/json"
	"fmt"

	"foregate/authn"
)

// ticket is what a try-out may be of.
type ticket struct {
	Method string `json:"m"`
	App    string `json:"a"`
	Actor  string `json:"b"`
}

// ticket reads what is held; with take it is nobody's any more.
func (s *Server) ticket(ctx context.Context, held string, take bool) (ticket, error) {
	read := s.Sessions.Held
	if take {
		read = s.Sessions.TakeHeld
	}
	data, err := read(ctx, held)
	var t ticket
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return t, authn.Invalid("This link was used already, or it is too old. Ask for a new one where you got it.", fmt.Errorf("ticket of a try-out: %w", err))
	}
	return t, nil
}
