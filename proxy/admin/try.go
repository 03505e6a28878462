package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"foregate/authn/accounts"
)

// TryOrder says where a method is to be tried.
type TryOrder struct {
	App string `json:"app"` // empty: at the first of its apps
}

// TryLink leads to a try-out of a method, once: a sign-in by which nobody is signed in.
type TryLink struct {
	URL   string    `json:"url"`
	Until time.Time `json:"until"`
}

// ErrNoTry is the error of Parts.Try for what cannot be tried.
var ErrNoTry = errors.New("this method cannot be tried here")

// Trier gives out links to try-outs. actor is who wants one, for the audit trail.
type Trier func(ctx context.Context, method, app, actor string) (TryLink, error)

func tryMethod(a *API, c *call) (any, error) {
	var o TryOrder
	if err := c.read(&o); err != nil {
		return nil, err
	}
	return tryLink(c.Context(), a.Try, c.PathValue("method"), o.App, c.who)
}

func tryLink(ctx context.Context, try Trier, method, app string, who Who) (TryLink, error) {
	if try == nil {
		return TryLink{}, &refused{http.StatusNotFound, ErrNoTry.Error()}
	}
	link, err := try(ctx, method, app, who.Actor)
	if errors.Is(err, ErrNoTry) {
		return TryLink{}, &refused{http.StatusNotFound, err.Error()}
	}
	return link, err
}

// tryPage is the link to a try-out. The console's own form could not lead to another host.
type tryPage struct {
	TryLink
	Method string
}

func (c *Console) try(v *visit) (shown, error) {
	method := v.r.PathValue("method")
	link, err := tryLink(v.r.Context(), c.Try, method, "", v.who)
	var none *refused
	if errors.As(err, &none) {
		return shown{}, accounts.ErrNotFound
	}
	if err != nil {
		return shown{}, err
	}
	return shown{page: "try", title: "Try a way to sign in", data: tryPage{link, method}}, nil
}
