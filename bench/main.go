// Command bench measures what Foregate costs, beside proxies that do less.
//
// Everything is a process of its own on this machine: the proxy that is measured
// has one core, the upstream and the load generator have the other. The program
// starts itself again for each of these roles. Every target runs once in each
// round; figures are medians over rounds, and ratios are taken within a round.
// See README.md for what the figures mean.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Roles of this program, given as its first argument; the second is the role's.
const (
	roleUpstream = "role-upstream"
	roleBare     = "role-bare"
	roleSecure   = "role-bare-tls"
	roleReply    = "role-reply"
	roleProvider = "role-provider"
	roleLoad     = "role-load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 {
		switch args[0] {
		case roleUpstream:
			return upstreamRole(ctx, args[1], os.Stdout)
		case roleBare:
			return bareRole(ctx, args[1], os.Stdout)
		case roleSecure:
			return secureBareRole(ctx, args[1], os.Stdout)
		case roleReply:
			return replyRole(ctx, args[1], os.Stdout)
		case roleProvider:
			return providerRole(ctx, args[1], os.Stdout)
		case roleLoad:
			return loadRole(ctx, os.Stdin, os.Stdout)
		}
	}
	o, err := parseOptions(args, os.Stderr)
	if err != nil {
		return err
	}
	return o.compare(ctx, os.Stdout, os.Stderr)
}

// Errors that only say how bench ends; the report says the rest.
var (
	errUnmeasured = errors.New("something could not be measured, see above")
	errMissed     = errors.New("a goal is missed, see above")
)

// compare measures, prints the report to out, and says on progress what it does.
func (o options) compare(ctx context.Context, out, progress io.Writer) error {
	r, err := o.measure(ctx, progress)
	if err != nil {
		return err
	}
	if err := r.write(out); err != nil {
		return err
	}
	if o.json != "" {
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	switch {
	case len(r.Failures) > 0:
		return errUnmeasured
	case o.check && r.anyMissed():
		return errMissed
	}
	return nil
}

// measure builds what is measured and measures it in a folder of its own.
func (o options) measure(ctx context.Context, progress io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "foregate-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(progress, "building")
	b, err := build(ctx, dir, o.binary)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done within -limit %v", o.limit))
	defer cancel()
	s, err := openStand(ctx, o, dir, b)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.measure(ctx, progress), nil
}

// measure is the plan of a run. A stage that fails is recorded, and the others
// still run.
func (s *stand) measure(ctx context.Context, progress io.Writer) *report {
	r := &report{When: time.Now(), Machine: machine(), Version: s.built.version, Notes: []string{}, Failures: []string{}}
	if err := s.startForegates(ctx); err != nil {
		r.fail("starting Foregate", err)
	}
	for _, stage := range []struct {
		name string
		do   func(context.Context, *report) error
	}{
		{"page, many at once", s.page},
		{"page, one at a time", s.single},
		{"allocations and store", s.steady},
		{"large answers", s.bodies},
		{"events", s.events},
		{"pages of our own", s.ownPages},
		{"refusals", s.refusals},
		{"forward auth", s.checks},
		{"TLS handshakes", s.handshaking},
		{"idle WebSockets", s.openSockets},
		{"transfers", s.transfers},
		{"sign-in by OpenID Connect", s.signingIn},
		{"sign-in with a password", s.passwords},
		{"sign-in by hand-off", s.handingOff},
		{"sign-in by SAML", s.landings},
		{"sign-in at a directory", s.directory},
		{"look-up", s.lookup},
		{"Redis", s.shared},
		{"a stock of sessions", s.stored},
	} {
		if !strings.Contains(stage.name, s.only) {
			continue
		}
		fmt.Fprintln(progress, stage.name)
		if err := stage.do(ctx, r); err != nil {
			r.fail(stage.name, err)
		}
		if ctx.Err() != nil {
			r.fail("the rest", context.Cause(ctx))
			break
		}
	}
	r.Notes = append(r.Notes, s.notes...)
	r.Notes = append(r.Notes, r.cautions()...)
	return r
}

func (r *report) save(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// machine names what the absolute figures belong to.
func machine() string {
	model := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}
