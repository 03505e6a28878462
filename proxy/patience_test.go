package proxy

import (
	"context"
	"net/http"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies/memstore"
)

// queued is a method in which people wait for their turn.
type queued struct {
	asker
	left time.Duration // that the last Resume was given
}

func (q *queued) Open(authn.Env) (authn.Authenticator, error) { return q, nil }
func (q *queued) Patience() time.Duration                     { return time.Minute }
func (q *queued) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	end, _ := ctx.Deadline()
	q.left = time.Until(end)
	return q.asker.Resume(ctx, a, r)
}

func TestWhoWaitsForTheirTurnHasTheTimeForIt(t *testing.T) {
	q := &queued{asker: asker{provider{says: says("queued", "nora", "nora@hospital.example")}}}
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Config: q})
	b := &signingIn{t: t, s: s, jar: make(map[string]string)}
	b.do("GET", "/sso/sign-in", nil)
	if w := b.press("username", "nora"); w.Code != http.StatusSeeOther {
		t.Fatalf("status %d:\n%s", w.Code, w.Body)
	}
	if q.left <= time.Minute || q.left > time.Minute+signInTime {
		t.Errorf("given %v, want a minute for the wait and %v for the rest", q.left, signInTime)
	}
}
