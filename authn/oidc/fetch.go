package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"foregate/authn"
	"foregate/internal/resolve"
)

// maxBody is how much of a provider's answer is read, whatever it sends.
const maxBody = 1 << 20

var errTooLarge = errors.New("answer is larger than 1 MiB")

// newClient is the only way to the provider. It follows no redirect, since the
// next host would be handed codes, secrets and tokens; it gives up after timeout;
// and it ends bodies that do not.
func newClient(roots *x509.CertPool, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: cappedTransport{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            resolve.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 64 << 10,
		}},
	}
}

// loadCA reads a PEM bundle; an empty path means the system's authorities.
func loadCA(ca authn.Path) (*x509.CertPool, error) {
	if ca == "" {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(string(ca))
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", ca)
	}
	return pool, nil
}

// cappedTransport makes reading beyond maxBody an error, also for libraries
// that read to the end.
type cappedTransport struct{ next *http.Transport }

func (t cappedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: maxBody}
	return resp, nil
}

func (t cappedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

type cappedBody struct {
	io.ReadCloser
	left int64
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}

// getJSON reads a JSON document. Its error tells the status and the type, never
// the body, which is the provider's and may hold anything.
func getJSON(ctx context.Context, client *http.Client, url, bearer string) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %w", url, statusError(resp.StatusCode))
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	if !json.Valid(body) {
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		return nil, fmt.Errorf("get %s: answer of type %q is not JSON", url, authn.CutControl(kind, 60))
	}
	return body, nil
}

// statusError is an HTTP status that was not hoped for.
type statusError int

func (s statusError) Error() string {
	if s >= 300 && s < 400 {
		return fmt.Sprintf("status %d: redirects are not followed", int(s))
	}
	return fmt.Sprintf("status %d", int(s))
}
