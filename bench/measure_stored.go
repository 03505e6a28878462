package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a session without tokens takes: see TestP13RecordIsSmall in cookies.
const (
	storedData = 440
	storedNote = 150
)

// stored puts many sessions into each store, as sessions import does, and starts a
// Foregate on them.
func (s *stand) stored(ctx context.Context, r *report) error {
	if s.plain == nil || s.stock == 0 {
		return nil
	}
	file := filepath.Join(s.dir, "stock")
	if err := writeStock(file, s.stock); err != nil {
		return err
	}
	hash, err := hashPassword(ctx, s.built.foregate, userPassword)
	if err != nil {
		return err
	}
	embedded := setting{name: "foregate-stock", method: localMethod(hash)}
	if err := s.stockUp(ctx, r, embedded, file); err != nil {
		return err
	}
	size, err := sizeOf(s.dataDir(embedded.name))
	if err != nil {
		return err
	}
	r.atMost("stock", fmt.Sprintf("files of %d sessions, for each", s.stock), size/float64(s.stock), 2000, inBytes)
	if s.redisAddr == "" {
		return nil
	}
	client := redis.NewClient(&redis.Options{Addr: s.redisAddr})
	defer client.Close()
	before, err := usedMemory(ctx, client)
	if err != nil {
		return err
	}
	if err := s.stockUp(ctx, r, setting{name: "foregate-stock-redis", method: localMethod(hash), redis: s.redisAddr, prefix: "stock"}, file); err != nil {
		return err
	}
	after, err := usedMemory(ctx, client)
	if err != nil {
		return err
	}
	r.atMost("stock", fmt.Sprintf("Redis's memory of %d sessions, for each", s.stock), (after-before)/float64(s.stock), 2000, inBytes)
	return nil
}

// stockUp imports the file into a store and times the next start on it.
func (s *stand) stockUp(ctx context.Context, r *report, set setting, file string) error {
	conf, addrs, err := s.prepare(set)
	if err != nil {
		return err
	}
	load := exec.CommandContext(ctx, s.built.foregate, "sessions", "import", "-c", conf, "-i", file)
	if out, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("foregate sessions import: %w: %.300s", err, out)
	}
	began := time.Now()
	f, err := s.serve(s.built.foregate, set, conf, addrs)
	if err != nil {
		return err
	}
	for {
		status, err := fetch(ctx, addrs[1], http.MethodGet, "/readyz", "")
		if err == nil && status == http.StatusOK {
			break
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("%s is not ready after a minute", set.name)
		}
	}
	ready := time.Since(began)
	idle, err := f.settled(ctx)
	if err != nil {
		return err
	}
	r.atMost("stock", fmt.Sprintf("%s: ready with %d sessions in its store", set.name, s.stock), ready.Seconds()*1e3, 2000, millis)
	r.atMost("stock", set.name+": RSS after that start", float64(idle)/mebibyte, 25, mib)
	return nil
}

// writeStock writes n sealed sessions that nobody can open.
func writeStock(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	now := time.Now().UTC()
	if err := enc.Encode(map[string]any{"format": "foregate-sessions", "version": 1, "created": now}); err != nil {
		return err
	}
	for range n {
		var id [32]byte
		data, note := make([]byte, storedData), make([]byte, storedNote)
		for _, b := range [][]byte{id[:], data, note} {
			_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
		}
		err := enc.Encode(map[string]any{
			"key": base64.RawURLEncoding.EncodeToString(id[:]), "data": data, "note": note,
			"expires": now.Add(12 * time.Hour), "tags": []string{rand.Text()},
		})
		if err != nil {
			return err
		}
	}
	if err := enc.Encode(map[string]int{"records": n}); err != nil {
		return err
	}
	return w.Flush()
}

// sizeOf is the bytes of the files in a folder.
func sizeOf(dir string) (float64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		if info.Mode().IsRegular() {
			sum += float64(info.Size())
		}
	}
	return sum, nil
}
