package main

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// init keeps main on the thread that the process was started with, until it unlocks
// itself: what belongs to that thread, such as the signal that tells of its parent's
// death, would be lost if another one started the program anew.
func init() { runtime.LockOSThread() } //nolint:gochecknoinits // main comes too late: it may have moved

// startWithSlack starts the program anew with a timer slack, in nanoseconds, for all its
// threads, unless it has as much: a service manager may have given it. It returns if
// that can't be done.
func startWithSlack(slack uint32) {
	if has, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || has >= int(slack) {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
		return
	}
	program, err := os.Executable() // its path, and not /proc/self/exe: that would be the process's name
	if err != nil || !isThis(program) {
		return
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return
	}
	_ = unix.Exec(program, os.Args, append(os.Environ(), startedAnew+"="+strconv.Itoa(os.Getpid())))
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &files) // it is forbidden, and Go has lowered what it had raised
}

// isThis reports whether a file is the program that runs, and not another version of it,
// or what translates it for another processor.
func isThis(program string) bool {
	its, err := os.Stat(program)
	if err != nil {
		return false
	}
	own, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(its, own)
}
