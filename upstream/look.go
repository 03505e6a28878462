package upstream

import (
	"context"
	"net/http"
	"net/url"

	"foregate/authn"
)

// Look asks for the first page as nobody, by the way that requests go, and returns the
// status of the answer. No identity and no fixed header is sent.
func (r Route) Look(ctx context.Context, w *authn.Witness) (int, error) {
	if r.URL.Scheme == "unix" {
		r.socket, r.URL = r.URL.Path, &url.URL{Scheme: "http", Host: "unix", Path: "/"}
	}
	t := newTransport(r)
	t.DisableKeepAlives = !r.H2C
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.String(), nil)
	if err != nil {
		return 0, err
	}
	req.Host = r.HostHeader
	resp, err := w.Transport(t).RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
