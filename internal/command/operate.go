package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"foregate/internal/config"
	"foregate/proxy/admin"
)

// operateTime is longer than the other end takes.
const operateTime = 11 * time.Minute

// operate sends one request to the running Foregate that the configuration names, and
// returns the whole answer.
func (sh *shell) operate(ctx context.Context, path, method, target string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, operateTime)
	defer cancel()
	answer, err := sh.stream(ctx, path, method, target, sent{kind: "application/json"}, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	all, err := io.ReadAll(answer)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return all, nil
}

// sent says what is sent, and what is wanted if not the usual answer.
type sent struct{ kind, wants string }

// stream is operate for files and for what goes on until ctx ends.
func (sh *shell) stream(ctx context.Context, path, method, target string, as sent, body io.Reader) (io.ReadCloser, error) {
	file, err := sh.load(path)
	if err != nil {
		return nil, err
	}
	socket := adminSocket(file)
	if socket == "" {
		return nil, usageError{fmt.Errorf("listen.admin_socket is off in %s, so nothing can be asked", path)}
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://foregate"+target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", as.kind)
	if as.wants != "" {
		req.Header.Set("Accept", as.wants)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no Foregate answers on %s: is it running, and may you open that socket? %w", socket, errors.Unwrap(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, faultOf(resp)
}

// faultOf is why the running Foregate did not do it.
func faultOf(resp *http.Response) error {
	var fault admin.ErrorInfo
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_ = json.Unmarshal(answer, &fault) // or it stays empty
	words := fault.Error
	for _, f := range fault.Faults {
		words += "\n  " + f.Field + ": " + f.Problem
		if f.Remedy != "" {
			words += "; " + f.Remedy
		}
	}
	for _, r := range fault.Rows {
		words += fmt.Sprintf("\n  line %d: %s", r.Line, strings.ReplaceAll(r.Problem, "\n", "; "))
	}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		return usageError{errors.New(words)}
	case http.StatusUnprocessableEntity:
		if len(fault.Faults) > 0 {
			return usageError{errors.New(words)}
		}
		return errors.New(words)
	case http.StatusNotFound, http.StatusConflict:
		return errors.New(words)
	}
	return fmt.Errorf("the running Foregate answered %s: %s", resp.Status, words)
}

// adminSocket is where the operator's commands reach a running Foregate; empty for
// nowhere.
func adminSocket(file *config.File) string {
	switch s := string(file.Listen.AdminSocket); s {
	case "":
		return filepath.Join(string(file.Storage.Path), "admin.sock")
	case "off":
		return ""
	default:
		return s
	}
}
