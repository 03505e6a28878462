package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"foregate/authn"
	"foregate/internal/resolve"
)

const (
	noticeTime = 10 * time.Second // for one try
	noticeWait = 5 * time.Second  // for what is under way when the method closes
)

// notices tell a web address of each use. What cannot be told is tried three times and
// logged.
type notices struct {
	to     string // empty: nobody
	client *http.Client
	log    *slog.Logger
	pauses []time.Duration // between the tries

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newNotices(to *url.URL, env authn.Env) *notices {
	n := &notices{log: env.Log, pauses: []time.Duration{time.Second, 5 * time.Second}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if to != nil {
		n.to = to.String()
	}
	n.client = &http.Client{
		Timeout:       noticeTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: resolve.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: noticeTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return n
}

func (n *notices) send(use authn.Use) {
	if n.to == "" {
		return
	}
	client := ""
	if use.Client.IsValid() {
		client = use.Client.String()
	}
	message, err := json.Marshal(map[string]string{
		"event": "break_glass", "time": use.Time.UTC().Format(time.RFC3339), "until": use.Until.UTC().Format(time.RFC3339),
		"method": use.Method, "user": use.User, "reason": use.Reason, "app": use.App, "client": client, "request_id": use.RequestID,
	})
	if err != nil {
		n.log.Error("nobody told of a break-glass sign-in", "request_id", use.RequestID, "err", err)
		return
	}
	n.wg.Go(func() { n.deliver(message, use.RequestID) })
}

func (n *notices) deliver(message []byte, requestID string) {
	for try := 0; ; try++ {
		err := n.post(message)
		if err == nil {
			return
		}
		if try == len(n.pauses) {
			n.log.Error("nobody told of a break-glass sign-in", "request_id", requestID, "err", err)
			return
		}
		select {
		case <-time.After(n.pauses[try]):
		case <-n.ctx.Done():
		}
	}
}

func (n *notices) post(message []byte) error {
	r, err := http.NewRequestWithContext(n.ctx, http.MethodPost, n.to, bytes.NewReader(message))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := n.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096))
	if res.StatusCode >= 300 {
		return fmt.Errorf("break_glass: notify: the answer is %s", res.Status)
	}
	return nil
}

func (n *notices) close() error {
	late := time.AfterFunc(noticeWait, n.cancel)
	n.wg.Wait()
	late.Stop()
	n.cancel()
	return nil
}
