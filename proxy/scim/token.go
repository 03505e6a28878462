package scim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// HashSize is the length of Hash in bytes.
const HashSize = sha256.Size

// Hash is what is kept of a bearer token: tokens are random, so that a plain hash
// cannot be turned round.
func Hash(token string) [HashSize]byte { return sha256.Sum256([]byte(token)) }

const (
	wrongTokens = 20 // of one address in a window, before it is told to wait
	wrongWindow = 10 * time.Minute
)

// organisation tells whose token a request carries (RFC 6750, section 2.1). A right one
// is never held up by wrong ones: providers send from addresses that many share.
func (h *Handler) organisation(ctx context.Context, r *http.Request, at At) (*Organisation, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, &problem{status: http.StatusUnauthorized, detail: "Send the organisation's token: Authorization: Bearer …"}
	}
	hash := Hash(strings.TrimSpace(token))
	var found *Organisation
	for i := range h.Organisations {
		org := &h.Organisations[i]
		if subtle.ConstantTimeCompare(hash[:], org.Secret[:]) == 1 {
			found = org // and on: how many are left is nobody's to measure
		}
	}
	if found != nil {
		return found, nil
	}
	n, err := h.Tries.Count(ctx, "scim:"+at.Client.String(), wrongWindow)
	if err != nil {
		return nil, &problem{status: http.StatusServiceUnavailable, detail: "The token cannot be checked right now. Try again in a moment.", retry: retryLater, err: fmt.Errorf("count wrong tokens: %w", err)}
	}
	if n > wrongTokens {
		return nil, &problem{status: http.StatusTooManyRequests, detail: "Too many wrong tokens. Correct the token, and try again in ten minutes.", retry: wrongWindow, err: errors.New("too many wrong tokens")}
	}
	return nil, &problem{status: http.StatusUnauthorized, detail: "The token is wrong. Copy it again from whoever runs this service.", err: errors.New("wrong token")}
}
