package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stand is the test stand: the two cores, the upstream and every proxy in front
// of it.
type stand struct {
	options
	ctx     context.Context
	end     context.CancelFunc
	dir     string // everything that is written goes there
	self    string // this program
	pins    bool   // whether processes can be put on cores
	running sync.WaitGroup

	built    built
	upstream string // host:port
	bare     *process
	nginx    *process  // nil: left out
	plain    *foregate // nil: it could not be started
	logged   *foregate // the same with its access log on
	peers    []target

	redisAddr string // empty: left out

	notes []string // what a reader must know to judge the figures
}

// Names of the targets.
const (
	nameDirect = "direct"
	nameNginx  = "nginx"
	nameBare   = "bare"
	nameOurs   = "foregate"
	nameLogged = "foregate-log"
)

// openStand starts what every measurement needs. Foregate is started apart: the
// others are of use without it.
func openStand(ctx context.Context, o options, dir string, b built) (*stand, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("bench reads CPU times below /proc: it needs Linux")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	s := &stand{options: o, ctx: ctx, end: end, dir: dir, self: self, built: b}
	if err := s.start(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stand) start() error {
	s.pins = s.canPin()
	up, err := s.launchRole(s.loadCore, "upstream", roleUpstream, s.upstreamListen)
	if err != nil {
		return err
	}
	s.upstream = up.addrs[0]
	if s.bare, err = s.launchRole(s.proxyCore, nameBare, roleBare, "http://"+s.upstream); err != nil {
		return err
	}
	if s.nginx, err = s.startNginx(); err != nil {
		s.note("nginx is left out: %v", err)
	}
	for _, p := range s.wanted {
		t, err := s.peer(p)
		if err != nil {
			return err
		}
		if err := s.probe(t); err != nil {
			return fmt.Errorf("-target %s: %w", p.name, err)
		}
		s.peers = append(s.peers, t)
	}
	return nil
}

// close ends every process that was started.
func (s *stand) close() {
	s.end()
	s.running.Wait()
}

func (s *stand) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// canPin says whether proxy and load can have a core each, and puts this process
// on the load's core, so that reading figures does not disturb the proxy.
func (s *stand) canPin() bool {
	if runtime.NumCPU() < 2 {
		s.note("one core only: proxy, load and upstream share it, and the ratios are worth little")
		return false
	}
	self := exec.Command("taskset", "-a", "-c", "-p", strconv.Itoa(s.loadCore), strconv.Itoa(os.Getpid()))
	if out, err := self.CombinedOutput(); err != nil {
		s.note("processes are not pinned to cores, so the figures scatter: taskset: %v %s", err, strings.TrimSpace(string(out)))
		return false
	}
	return true
}

// target is one way to the upstream's pages.
type target struct {
	name   string
	addr   string // dialled
	host   string // Host header
	cookie string // Cookie header
	proc   tree   // whose CPU counts
}

// proxied describes a proxy that bench started.
func proxied(p *process, cookie string) (target, error) {
	procs, err := p.tree()
	return target{name: p.name, addr: p.addrs[0], host: p.addrs[0], cookie: cookie, proc: procs}, err
}

// baselines are the targets without authentication, given the same cookie as
// Foregate: four kilobytes of cookie cost anybody twelve microseconds.
func (s *stand) baselines(cookie string) ([]target, error) {
	all := []target{{name: nameDirect, addr: s.upstream, host: s.upstream, cookie: cookie}}
	for _, p := range []*process{s.nginx, s.bare} {
		if p == nil {
			continue
		}
		t, err := proxied(p, cookie)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// peer makes a target of a proxy that is listening already.
func (s *stand) peer(p peer) (target, error) {
	u, err := url.Parse(p.url)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return target{}, fmt.Errorf("-target %s: %q is not the http address of a proxy", p.name, p.url)
	}
	t := target{name: p.name, addr: u.Host, host: u.Host, cookie: p.cookie}
	if u.Port() == "" {
		t.addr += ":80"
	}
	if p.pid == 0 {
		s.note("%s: without -target-pid its CPU is not counted", p.name)
		return t, nil
	}
	if t.proc, err = treeOf(p.pid); err != nil {
		return target{}, err
	}
	if cores := allowedCores(p.pid); s.pins && cores != strconv.Itoa(s.proxyCore) {
		s.note("%s may run on cores %s; start it with taskset -c %d to compare it fairly", p.name, cores, s.proxyCore)
	}
	return t, nil
}

// probe finds out early what would spoil a whole comparison: a peer that does
// not answer, or whose cookie is no session.
func (s *stand) probe(t target) error {
	_, err := s.run(s.ctx, t.ask(order{Kind: "page", Path: "/page", Conns: 1, For: 100 * time.Millisecond, Size: pageSize}))
	return err
}
