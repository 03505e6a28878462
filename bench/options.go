package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	rounds    int
	length    time.Duration // of one run of the main comparison
	conns     int
	sessions  int   // full sign-ins
	stock     int   // sessions in a store
	transfer  int64 // MiB of the large bodies
	rush      int   // people who sign in at a directory in one moment
	sockets   int   // idle WebSockets
	only      string
	algorithm string
	limit     time.Duration

	proxyCore, loadCore int

	binary         string // Foregate; empty: built from the module
	nginxPath      string
	upstreamListen string
	wanted         []peer // in the order of the command line

	json  string
	check bool
}

// peer is a proxy that somebody else has started.
type peer struct {
	name, url, cookie string
	pid               int
}

// short is the length of the lesser runs.
func (o *options) short() time.Duration { return o.length / 2 }

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(out)
	f.IntVar(&o.rounds, "rounds", 5, "rounds; figures are medians over them")
	f.DurationVar(&o.length, "length", 4*time.Second, "length of one run of the main comparison; the others take half")
	f.IntVar(&o.conns, "conns", 64, "connections at once")
	f.IntVar(&o.sessions, "sessions", 10000, "full sign-ins, each of which leaves a session")
	f.IntVar(&o.stock, "stock", 100_000, "sessions that each store is filled with; 0 leaves that out")
	f.Int64Var(&o.transfer, "transfer", 1024, "`MiB` of the large bodies")
	f.IntVar(&o.rush, "rush", 10_000, "people who sign in at a directory in one moment")
	f.IntVar(&o.sockets, "sockets", 10_000, "idle WebSockets, as far as the limit of open files allows")
	f.StringVar(&o.only, "only", "", "measure only what has this `text` in its name, such as Redis")
	f.StringVar(&o.algorithm, "algorithm", "RS256", "how the stub provider signs: RS256 or ES256")
	f.DurationVar(&o.limit, "limit", 9*time.Minute, "stop measuring after this time; building is not counted")
	f.IntVar(&o.proxyCore, "proxy-core", 0, "core of the proxy that is measured")
	f.IntVar(&o.loadCore, "load-core", 1, "core of the load generator and the upstream")
	f.StringVar(&o.binary, "foregate", "", "a Foregate `binary`; empty builds it")
	f.StringVar(&o.nginxPath, "nginx", "nginx", "the nginx `binary`")
	f.StringVar(&o.upstreamListen, "upstream", loopback, "`address` of bench's own upstream, for peers to forward to")
	f.StringVar(&o.json, "json", "", "also write the report to this `file`")
	f.BoolVar(&o.check, "check", false, "exit 1 unless every goal is met")
	quick := f.Bool("quick", false, "3 rounds of 1 s, 500 sessions, a stock of 5000, 256 MiB, a rush and WebSockets of 2000, unless said otherwise: a look, not a measurement")
	f.Func("target", "`name=URL` of a proxy that is listening already; may be repeated", func(v string) error {
		return o.addPeer(v)
	})
	f.Func("target-cookie", "`name=COOKIE` header for a -target before it, or name=@file", func(v string) error {
		return o.setPeer(v, (*peer).setCookie)
	})
	f.Func("target-pid", "`name=PID` of a -target before it: its CPU and that of its children is counted", func(v string) error {
		return o.setPeer(v, (*peer).setPID)
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		if err := hurry(f); err != nil {
			return o, err
		}
	}
	return o, o.validate(f.Args())
}

// hurry sets what the command line left open to small values.
func hurry(f *flag.FlagSet) error {
	given := make(map[string]bool)
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
	for name, value := range map[string]string{"rounds": "3", "length": "1s", "sessions": "500", "stock": "5000", "transfer": "256", "rush": "2000", "sockets": "2000"} {
		if given[name] {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.rounds < 1 || o.conns < 1 || o.sessions < 1 || o.transfer < 1 || o.rush < 1 || o.sockets < 1:
		return errors.New("-rounds, -conns, -sessions, -transfer, -rush and -sockets must be at least 1")
	case o.length < 100*time.Millisecond || o.length > longestRun/2:
		return fmt.Errorf("-length must be between 100ms and %v", longestRun/2)
	case o.algorithm != "RS256" && o.algorithm != "ES256":
		return fmt.Errorf("-algorithm %q: RS256 or ES256", o.algorithm)
	case !strings.HasPrefix(o.upstreamListen, "127.") && !strings.HasPrefix(o.upstreamListen, "[::1]:"):
		return fmt.Errorf("-upstream %q: bench stays on this machine, use 127.0.0.1:PORT", o.upstreamListen)
	}
	return nil
}

func (o *options) addPeer(v string) error {
	name, url, ok := strings.Cut(v, "=")
	if !ok || name == "" {
		return errors.New("want name=URL")
	}
	o.wanted = append(o.wanted, peer{name: name, url: url})
	return nil
}

func (o *options) setPeer(v string, set func(*peer, string) error) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok {
		return errors.New("want name=value")
	}
	for i := range o.wanted {
		if o.wanted[i].name == name {
			return set(&o.wanted[i], value)
		}
	}
	return fmt.Errorf("no -target %q before it", name)
}

// setCookie reads a file for @file: a command line is seen by everybody on the
// machine.
func (p *peer) setCookie(v string) error {
	path, ok := strings.CutPrefix(v, "@")
	if !ok {
		p.cookie = v
		return nil
	}
	data, err := os.ReadFile(path)
	p.cookie = strings.TrimSpace(string(data))
	return err
}

func (p *peer) setPID(v string) error {
	pid, err := strconv.Atoi(v)
	if err != nil || pid <= 0 {
		return fmt.Errorf("%q is not a process", v)
	}
	p.pid = pid
	return nil
}
