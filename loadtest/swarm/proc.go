package swarm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// proc is where Linux tells of its processes. Elsewhere there is nothing, and so nothing is found.
const proc = "/proc"

// clockTick is the unit of the times in /proc: Linux has 100 to the second for programs on all its systems.
const clockTick = 10 * time.Millisecond

// CPU returns the processor time that a process of this machine has used. It works on Linux alone.
func CPU(pid int) (time.Duration, error) {
	d, _, err := processUse(pid)
	return d, err
}

// processUse returns a process's processor time and resident memory.
func processUse(pid int) (cpu time.Duration, memory float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("%s/%d/stat", proc, pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(string(b))
}

// parseStat reads proc(5)'s stat: fields 14, 15 and 24. The second may have spaces, but ends with the last bracket.
func parseStat(s string) (cpu time.Duration, memory float64, err error) {
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 22 {
		return 0, 0, fmt.Errorf("%s: stat has too few fields", proc)
	}
	var n [3]int64
	for i, f := range []int{11, 12, 21} {
		if n[i], err = strconv.ParseInt(fields[f], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("%s: stat: %w", proc, err)
		}
	}
	return time.Duration(n[0]+n[1]) * clockTick, float64(n[2]) * float64(os.Getpagesize()), nil
}

// listenerOf finds the process that listens at a TCP port, 0 if it can't be seen.
func listenerOf(port int) int {
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(proc + "/net/" + table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if inode := listening(line, port); inode != "" {
				inodes["socket:["+inode+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return 0
	}
	files, _ := filepath.Glob(proc + "/[0-9]*/fd/*") // the pattern is good
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && inodes[to] {
			pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
			return pid
		}
	}
	return 0
}

// listening is the inode in a line of /proc/net/tcp, if it is that of a socket that listens at port.
func listening(line string, port int) string {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" {
		return ""
	}
	_, hex, _ := strings.Cut(fields[1], ":")
	if p, err := strconv.ParseInt(hex, 16, 32); err != nil || int(p) != port {
		return ""
	}
	return fields[9]
}
