package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of processor time in /proc: 10 ms on all of Linux's
// platforms that Go has.
const tick = 10 * time.Millisecond

// Usage is what a process has at a moment.
type Usage struct {
	CPU         time.Duration // user and system time since its start, in ticks of 10 ms
	Resident    int64         // bytes of memory
	Anonymous   int64         // bytes of those that are its own, not pages of files
	Peak        int64         // bytes, the most resident since the start or ResetPeak
	Threads     int
	Descriptors int
}

// Read reads the usage of a process from /proc.
func Read(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("reading a process's time: %w", err)
	}
	if u.CPU, err = cpu(stat); err != nil {
		return u, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("reading a process's memory: %w", err)
	}
	if u.Resident, err = field(status, "VmRSS"); err != nil {
		return u, err
	}
	if u.Anonymous, err = field(status, "RssAnon"); err != nil {
		return u, err
	}
	if u.Peak, err = field(status, "VmHWM"); err != nil {
		return u, err
	}
	threads, err := field(status, "Threads")
	if err != nil {
		return u, err
	}
	u.Threads = int(threads)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return u, fmt.Errorf("counting a process's descriptors: %w", err)
	}
	u.Descriptors = len(open)
	return u, nil
}

// ResetPeak makes the peak of a process what it has resident now.
func ResetPeak(pid int) error {
	const peak = "5" // of proc(5)'s clear_refs
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte(peak), 0o200); err != nil {
		return fmt.Errorf("resetting a process's peak of memory: %w", err)
	}
	return nil
}

// cpu reads user and system time from /proc/PID/stat. Its fields are counted
// after the command's name, which ends in ")" and may hold anything.
func cpu(stat []byte) (time.Duration, error) {
	const user, system = 11, 12
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= system {
		return 0, fmt.Errorf("a process's stat has %d fields, want %d or more", len(fields), system+1)
	}
	var sum time.Duration
	for _, text := range fields[user : system+1] {
		ticks, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading a process's time: %w", err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// field reads a number from /proc/PID/status; what is in kB there is in bytes.
func field(status []byte, name string) (int64, error) {
	for line := range strings.Lines(string(status)) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}
		value, kilobytes := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s of a process: %w", name, err)
		}
		if kilobytes {
			n <<= 10
		}
		return n, nil
	}
	return 0, fmt.Errorf("a process's status has no %s", name)
}
