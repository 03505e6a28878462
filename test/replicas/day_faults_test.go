package replicas

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"foregate/internal/redistest"
)

// fault is what happens to a part.
type fault struct {
	name  string
	do    func()
	last  bool // only once, at the end
	times int
	done  bool
}

// plan lists the faults in their order.
func (d *day) plan() {
	d.faults = []*fault{
		{name: "Redis fails over", do: d.failOver},
		{name: "the provider's keys change", do: func() { d.op.Rotate(d.t) }},
		{name: "a directory server is lost, and comes back", do: d.loseDirectory},
		{name: "the configuration is reloaded", do: d.reload},
		{name: "an operator ends sessions", do: d.revoke},
		{name: "the replicas are restarted, one after the other", do: d.rollingRestart},
		{name: "people are shut out for good", do: d.shutOut, last: true},
	}
}

// disturb does one after the other, and what is for the end when a quarter is left.
func (d *day) disturb() {
	length := time.Until(d.until)
	end := d.until.Add(-length / 4)
	time.Sleep(5 * time.Second) // some have signed in
	for first := true; first || time.Now().Before(end); first = false {
		for _, f := range d.faults {
			if f.last || !first && time.Now().After(end) {
				continue
			}
			f.do()
			f.done = true
			f.times++
			time.Sleep(min(length/60, 5*time.Second))
		}
	}
	time.Sleep(time.Until(end))
	for _, f := range d.faults {
		if f.last {
			f.do()
			f.done = true
			f.times++
		}
	}
	time.Sleep(time.Until(d.until))
}

// failOver kills the master when the other has what it has; that one takes over, and the
// first comes back as its copy.
func (d *day) failOver() {
	master, copied := d.redis.First, d.redis.Second
	if !isMaster(master) {
		master, copied = copied, master
	}
	// Redis acknowledges before it copies. What it acknowledged to somebody in its last
	// instant would be lost, and no client of it can help that.
	master.Do("client", "pause", "20000", "write")
	d.eventually("the copy has all", func() bool { return d.offset(master) == d.offset(copied) })
	master.Kill()
	// Only then may the first come back: it would be taken for the master by whoever asks a
	// sentinel that has not heard of the other, and what is written there is lost.
	d.eventually("the other Redis takes over", func() bool { return isMaster(copied) && d.redis.Agree(copied) })
	master.Restart()
	d.eventually("the first Redis is a copy", func() bool {
		return !isMaster(master) && strings.Contains(master.Ask("info", "replication"), "master_link_status:up")
	})
}

// eventually waits longer than others do: sentinels that were short of processor time do
// nothing for half a minute (TILT).
func (d *day) eventually(what string, holds func() bool) {
	d.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > 2*time.Minute {
			d.t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// isMaster asks in a way that a server which is just becoming one, or a copy, may not answer.
func isMaster(s *redistest.Server) bool {
	return strings.Contains(s.Ask("role"), `"master"`)
}

// offset is how far a server is in the stream of changes.
func (d *day) offset(s *redistest.Server) string {
	found := replOffset.FindStringSubmatch(s.Do("info", "replication"))
	if found == nil {
		d.t.Fatal("Redis does not say how far it is")
	}
	return found[1]
}

var replOffset = regexp.MustCompile(`\bmaster_repl_offset:(\d+)`)

func (d *day) loseDirectory() {
	d.directories[0].Kill()
	time.Sleep(5 * time.Second)
	d.directories[0].Start(d.t)
}

// reload changes something that is seen, and back.
func (d *day) reload() {
	for _, r := range d.replicas {
		text, err := os.ReadFile(r.config())
		if err != nil {
			d.t.Error(err)
			return
		}
		changed := strings.Replace(string(text), "lifetime: 30m", "lifetime: 31m", 1)
		if changed == string(text) {
			changed = strings.Replace(string(text), "lifetime: 31m", "lifetime: 30m", 1)
		}
		r.write(changed)
		before := strings.Count(r.logs.String(), "configuration reloaded")
		if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			d.t.Error(err)
		}
		redistest.Eventually(d.t, "the configuration is reloaded", func() bool {
			return strings.Count(r.logs.String(), "configuration reloaded") > before
		})
	}
}

// rollingRestart ends a replica only while the other is ready.
func (d *day) rollingRestart() {
	for _, r := range d.replicas {
		r.stop()
		r.start()
		redistest.Eventually(d.t, "the replica is ready", r.ready)
	}
}

// revoke ends the sessions of one person of each deployment that has no say over accounts.
func (d *day) revoke() {
	for _, place := range []string{"formulary", "trialbase"} {
		p := d.at(place, 1)
		session := p.session()
		p.revoked.Store(true)
		d.replicas[1].command("", "sessions", "revoke", "--user", p.user)
		time.Sleep(1500 * time.Millisecond)
		if session != "" {
			p.isOver(session, "were signed out by an operator")
		}
		time.Sleep(3 * time.Second) // by then they have noticed
		p.revoked.Store(false)
	}
}

// shutOut takes access from one person of each deployment that knows accounts.
func (d *day) shutOut() {
	for _, place := range []string{"careplan", "homewatch"} {
		p := d.at(place, 0)
		p.doomed.Store(true)
		d.replicas[0].command("", "accounts", "disable", p.user)
	}
	nurse := d.at("wardwatch", 0)
	nurse.doomed.Store(true)
	d.leaveGroup(nurse.name)
	d.replicas[1].command("", "accounts", "refresh", "--method", "ward-ad")
	time.Sleep(1500 * time.Millisecond)
	for _, place := range []string{"careplan", "homewatch", "wardwatch"} {
		d.at(place, 0).out.Store(true)
	}
}
