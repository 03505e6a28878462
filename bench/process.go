package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one server that bench started.
type process struct {
	name  string
	pid   int
	addrs []string      // where it answers
	log   string        // file of its standard error
	done  chan struct{} // closed when it has ended
}

// pinned puts taskset before a command, so that the process is on its core from
// its first instruction: a Go program counts its cores once, at its start.
func (s *stand) pinned(core int, argv []string) []string {
	if !s.pins {
		return argv
	}
	return append([]string{"taskset", "-c", strconv.Itoa(core)}, argv...)
}

// launch starts a server on a core. It ends with the stand's context. A name
// may be started once.
func (s *stand) launch(core int, name string, out io.Writer, argv ...string) (*process, error) {
	argv = s.pinned(core, argv)
	logPath := filepath.Join(s.dir, name+".log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	if out == nil {
		out = logFile
	}
	cmd := exec.CommandContext(s.ctx, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = out, logFile
	cmd.SysProcAttr = endWithParent()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, pid: cmd.Process.Pid, log: logPath, done: make(chan struct{})}
	s.running.Go(func() {
		_ = cmd.Wait() // how it ended shows in its log
		close(p.done)
	})
	return p, nil
}

// launchRole starts this program again in one of its roles and waits until it
// says where it listens.
func (s *stand) launchRole(core int, name, role, argument string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := s.launch(core, name, w, s.self, role, argument)
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return nil, p.failed(err)
	}
	p.addrs = strings.Fields(line)
	return p, nil
}

// answering waits until an address accepts connections.
func (s *stand) answering(p *process, addr string) error {
	deadline := time.After(15 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-p.done:
			return p.failed(errors.New("it ended"))
		case <-deadline:
			return p.failed(err)
		case <-poll.C:
		}
	}
}

// failed adds the end of the log to what went wrong.
func (p *process) failed(err error) error {
	data, readErr := os.ReadFile(p.log)
	if readErr != nil || len(data) == 0 {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	return fmt.Errorf("starting %s: %w; it said: %s", p.name, err, bytes.TrimSpace(data[max(0, len(data)-1500):]))
}

// tree returns the process and what it started.
func (p *process) tree() (tree, error) { return treeOf(p.pid) }

// carryOut lets a load generator, a process of its own on the other core, do
// what is ordered.
func (s *stand) carryOut(ctx context.Context, o order) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	in, err := json.Marshal(o)
	if err != nil {
		return outcome{}, err
	}
	argv := s.pinned(s.loadCore, []string{s.self, roleLoad, ""})
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errOut
	cmd.SysProcAttr = endWithParent()
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return outcome{}, fmt.Errorf("%w: %.1000s", err, bytes.TrimSpace(errOut.Bytes()))
	}
	var res outcome
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return outcome{}, fmt.Errorf("reading the load generator's answer: %w", err)
	}
	return res, nil
}

// freeAddress finds a loopback port that nobody uses at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
