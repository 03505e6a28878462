package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// procTick is the unit of times below /proc: Linux shows programs 100 per
// second, whatever the kernel's own clock is (proc(5), time(7)).
const procTick = 10 * time.Millisecond

// tree is a process and everything below it, itself first; empty for a target
// whose CPU nobody counts.
type tree []int

// usage is what a tree has used so far (cpu) and holds now (rss, in bytes).
type usage struct {
	cpu time.Duration
	rss int64
}

// treeOf finds the processes below root once. A proxy that starts workers while
// it is measured would be counted too cheap; none of those compared here does.
func treeOf(root int) (tree, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		st, err := readStat(pid)
		if err != nil {
			continue // ended meanwhile
		}
		children[st.parent] = append(children[st.parent], pid)
	}
	all := tree{root}
	for i := 0; i < len(all); i++ {
		slices.Sort(children[all[i]])
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// usage adds up the whole tree. A process that has ended is an error: its CPU
// time would be missing from the sum.
func (t tree) usage() (usage, error) {
	var sum usage
	for _, pid := range t {
		st, err := readStat(pid)
		if err != nil {
			return usage{}, err
		}
		sum.cpu += st.cpu
		sum.rss += st.rss
	}
	return sum, nil
}

// stat is what is read of /proc/<pid>/stat.
type stat struct {
	parent int
	cpu    time.Duration // utime and stime
	rss    int64         // bytes
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(data)
}

// parseStat starts after the last parenthesis: a process chooses its own name,
// with spaces and parentheses as it likes.
func parseStat(data []byte) (stat, error) {
	name := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[name+1:]))
	if name < 0 || len(fields) < 22 {
		return stat{}, fmt.Errorf("not a line of /proc/<pid>/stat: %.60q", data)
	}
	var n [4]int64
	for i, field := range []int{1, 11, 12, 21} { // ppid, utime, stime, rss of proc(5), counted from state
		v, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("field %d of /proc/<pid>/stat: %w", field+3, err)
		}
		n[i] = v
	}
	return stat{
		parent: int(n[0]),
		cpu:    time.Duration(n[1]+n[2]) * procTick,
		rss:    n[3] * int64(os.Getpagesize()),
	}, nil
}

// coreBusy returns for how long a core has worked since it was started, for
// whomever.
func coreBusy(core int) (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseCoreBusy(string(data), core)
}

func parseCoreBusy(text string, core int) (time.Duration, error) {
	name := fmt.Sprintf("cpu%d", core)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != name {
			continue
		}
		var busy int64
		for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
			v, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			if i != 3 && i != 4 {
				busy += v
			}
		}
		return time.Duration(busy) * procTick, nil
	}
	return 0, fmt.Errorf("/proc/stat has no %s", name)
}

// allowedCores returns what the system says of the cores that a process may run
// on, such as "0" or "0-3".
func allowedCores(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return strings.TrimSpace(list)
		}
	}
	return "unknown"
}
