package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"
)

// signIns signs in again and again, each time as a new browser, until o.For has
// passed or o.Most sessions exist.
func signIns(ctx context.Context, o *order) (outcome, error) {
	var (
		began   = time.Now()
		end     = began.Add(o.For)
		client  = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second}
		mu      sync.Mutex
		res     outcome
		latency histogram
		errs    = make([]error, o.Conns)
		wg      sync.WaitGroup
	)
	more := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if o.Most > 0 && res.Done >= o.Most || !time.Now().Before(end) {
			return false
		}
		res.Done++
		return true
	}
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && more() {
				start := time.Now()
				cookie, err := o.signIn(ctx, client)
				mu.Lock()
				latency.add(time.Since(start))
				res.Cookies = append(res.Cookies, cookie)
				mu.Unlock()
				errs[i] = err
			}
		})
	}
	wg.Wait()
	res.Seconds = time.Since(began).Seconds()
	res.Rate = float64(res.Done) / res.Seconds
	res.P50, res.P99 = latency.quantile(0.50), latency.quantile(0.99)
	return res, errors.Join(errs...)
}

// mostSteps of a sign-in are more than any needs; beyond it is a loop.
const mostSteps = 12

// signIn walks from o.Path to the application as a browser does, following
// redirects and filling in the forms on the way, and returns the Cookie header
// that the walk ended with.
func (o *order) signIn(ctx context.Context, client *http.Client) (string, error) {
	browser, err := newBrowser(client)
	if err != nil {
		return "", err
	}
	start := &url.URL{Scheme: "http", Host: o.Host, Path: o.Path}
	req, err := visit(ctx, start)
	if err != nil {
		return "", err
	}
	for range mostSteps {
		res, err := browser.Do(req)
		if err != nil {
			return "", err
		}
		next, err := o.step(ctx, res)
		_ = res.Body.Close()
		switch {
		case errors.Is(err, errArrived):
			return cookieHeader(browser.Jar.Cookies(start))
		case err != nil:
			return "", fmt.Errorf("sign-in: %s %s: %w", req.Method, req.URL.Path, err)
		}
		req = next
	}
	return "", fmt.Errorf("sign-in: not at the application after %d steps, last %s", mostSteps, req.URL.Path)
}

// newBrowser has no cookies yet and follows no redirect by itself.
func newBrowser(client *http.Client) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	return &http.Client{Transport: client.Transport, Timeout: client.Timeout, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, err
}

// errArrived ends a walk: the application itself answered.
var errArrived = errors.New("the application answered")

// step reads one answer and returns the request that a browser makes next.
func (o *order) step(ctx context.Context, res *http.Response) (*http.Request, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, mebibyte))
	if err != nil {
		return nil, err
	}
	if res.Header.Get(markHeader) != "" {
		return nil, errArrived
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		to, err := res.Location()
		if err != nil {
			return nil, err
		}
		return visit(ctx, to)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	f, err := parseForm(res.Request.URL, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	return post(ctx, res.Request.URL, f, f.fill(o.User, o.Password))
}

func visit(ctx context.Context, u *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	navigating(req.Header, "none")
	return req, nil
}

func post(ctx context.Context, page *url.URL, f *form, values url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	navigating(req.Header, "same-origin")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", page.Scheme+"://"+page.Host)
	return req, nil
}

// navigating sets what a browser sends when it opens a page (Fetch Metadata).
func navigating(h http.Header, site string) {
	h.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Site", site)
}

func cookieHeader(cookies []*http.Cookie) (string, error) {
	if len(cookies) == 0 {
		return "", errors.New("sign-in: arrived without a cookie")
	}
	var parts []string
	for _, c := range cookies {
		parts = append(parts, c.Name+"="+c.Value)
	}
	return strings.Join(parts, "; "), nil
}
