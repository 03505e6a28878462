package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// download reads one body of o.Size bytes.
func download(ctx context.Context, o *order) (outcome, error) {
	began := time.Now()
	conn, res, err := o.send(ctx, "GET", "")
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	if err := discard(res.Body, o.Size); err != nil {
		return outcome{}, fmt.Errorf("reading the body: %w", err)
	}
	return transferred(began), nil
}

// upload sends one body of o.Size bytes; the upstream answers how many came.
func upload(ctx context.Context, o *order) (outcome, error) {
	began := time.Now()
	conn, err := dial(ctx, o.Addr)
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	head := fmt.Sprintf("%sOrigin: http://%s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
		o.head("POST", o.Path, o.cookie()), o.Host, o.Size)
	if _, err := conn.Write([]byte(head)); err != nil {
		return outcome{}, err
	}
	chunk := make([]byte, 256<<10)
	for left := o.Size; left > 0; {
		n, err := conn.Write(chunk[:min(left, int64(len(chunk)))])
		if err != nil {
			return outcome{}, fmt.Errorf("sending the body: %w", err)
		}
		left -= int64(n)
	}
	res, err := o.readHead(conn)
	if err != nil {
		return outcome{}, err
	}
	said, err := io.ReadAll(io.LimitReader(res.Body, 64))
	if err != nil {
		return outcome{}, err
	}
	if got := strings.TrimSpace(string(said)); got != strconv.FormatInt(o.Size, 10) {
		return outcome{}, fmt.Errorf("the upstream received %q bytes, want %d", got, o.Size)
	}
	return transferred(began), nil
}

func transferred(began time.Time) outcome {
	took := time.Since(began)
	return outcome{Done: 1, Seconds: took.Seconds(), Rate: 1 / took.Seconds(), P50: took, P99: took}
}

// discard drops exactly n bytes of r.
func discard(r io.Reader, n int64) error {
	buf := make([]byte, 256<<10)
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(r, n), buf)
	if err == nil && got < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}
