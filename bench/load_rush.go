package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// wrongEvery is whose password is wrong, of those who come in a rush.
const wrongEvery = 10

// person is one of those who come in a rush: a browser with the form filled in.
type person struct {
	browser *http.Client
	user    string
	from    string // address: a hospital's people do not all have one
	right   bool
	post    *http.Request
}

// rush lets o.Most people send their password in one moment, and looks at who each of
// them is afterwards. Each is told apart by X-Forwarded-For.
func rush(ctx context.Context, o *order) (outcome, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: int(o.Most)}
	defer transport.CloseIdleConnections()
	all, err := o.arrive(ctx, &http.Client{Transport: transport, Timeout: o.For})
	if err != nil {
		return outcome{}, err
	}
	var (
		res     = outcome{Done: o.Most}
		latency histogram
		errs    []error
		mu      sync.Mutex
		wg      sync.WaitGroup
		began   = time.Now()
	)
	for _, p := range all {
		wg.Go(func() {
			said, err := p.signIn(ctx)
			mu.Lock()
			defer mu.Unlock()
			latency.add(time.Since(began))
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", p.user, err))
			case said == saidBusy:
				res.Busy++
			case p.right && said != p.user || !p.right && said != "":
				res.Wrong++
			}
		})
	}
	wg.Wait()
	res.Seconds = time.Since(began).Seconds()
	res.Rate = float64(res.Done-res.Busy) / res.Seconds
	res.P50, res.P99 = latency.quantile(0.50), latency.quantile(0.99)
	return res, errors.Join(errs[:min(len(errs), 5)]...)
}

// arrive takes everybody to the form, a few at a time.
func (o *order) arrive(ctx context.Context, client *http.Client) ([]person, error) {
	all, errs := make([]person, o.Most), make([]error, o.Conns)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			for i := n; i < len(all) && errs[n] == nil; i += o.Conns {
				p := &all[i]
				p.user, p.right = fmt.Sprintf(o.User, i%o.People), i%wrongEvery != 0
				p.from = fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255)
				errs[n] = o.toForm(ctx, client, p)
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func (o *order) toForm(ctx context.Context, client *http.Client, p *person) error {
	var err error
	if p.browser, err = newBrowser(client); err != nil {
		return err
	}
	req, err := visit(ctx, &url.URL{Scheme: "http", Host: o.Host, Path: o.Path})
	if err != nil {
		return err
	}
	as := order{User: p.user, Password: o.Password}
	if !p.right {
		as.Password = "not it"
	}
	for range mostSteps {
		req.Header.Set("X-Forwarded-For", p.from)
		res, err := p.browser.Do(req)
		if err != nil {
			return err
		}
		req, err = as.step(ctx, res)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		if req.Method == http.MethodPost {
			p.post = req
			p.post.Header.Set("X-Forwarded-For", p.from)
			return nil
		}
	}
	return errors.New("no form")
}

// saidBusy is what is nobody's name.
const saidBusy = "(busy)"

// signIn sends the password and returns who the application was told is there: nobody
// where there is the form again.
func (p *person) signIn(ctx context.Context) (string, error) {
	for req := p.post; ; {
		res, err := p.browser.Do(req)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		user := res.Header.Get(markHeader)
		switch {
		case err != nil:
			return "", err
		case res.StatusCode == http.StatusServiceUnavailable:
			return saidBusy, nil
		case res.StatusCode == http.StatusUnprocessableEntity: // the form again
			return "", nil
		case res.StatusCode >= 300 && res.StatusCode < 400:
			to, err := res.Location()
			if err != nil {
				return "", err
			}
			if req, err = visit(ctx, to); err != nil {
				return "", err
			}
			req.Header.Set("X-Forwarded-For", p.from)
		case res.StatusCode != http.StatusOK:
			return "", fmt.Errorf("%s: status %d", req.URL.Path, res.StatusCode)
		default:
			return user, nil
		}
	}
}
