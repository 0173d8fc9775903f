package main

import (
	"debug/buildinfo"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// startWithSlack starts the program anew with a timer slack, in nanoseconds, for all its
// threads, unless it has as much: a service manager may have given it. It returns if
// that can't be done.
func startWithSlack(slack uint32) {
	runtime.LockOSThread() // the slack is a thread's, and this one's is what is left
	defer runtime.UnlockOSThread()
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
	_ = unix.Exec(program, os.Args, append(os.Environ(), startedAnew+"="+strconv.Itoa(os.Getpid()))) // forbidden, or not there any more
}

// isThis reports whether a file is the program that runs, and not another version of it,
// or what translates it for another processor.
func isThis(program string) bool {
	its, err := buildinfo.ReadFile(program)
	own, ok := debug.ReadBuildInfo()
	return err == nil && ok && its.String() == own.String()
}
