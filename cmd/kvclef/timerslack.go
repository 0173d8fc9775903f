package main

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// timerSlack is how much later than asked the kernel may wake a thread of a command
// that goes on running. Go's runtime has a thread that asks for 20 µs, again and again
// while anything runs, and with the kernel's default of 50 µs that takes a sixth of the
// processor's time at 400 requests a second. A signer's timers are of milliseconds and
// longer.
const timerSlack = time.Millisecond // at most 4 s

// startedAnew is set for a program that has started itself anew, to its process id.
const startedAnew = "KVCLEF_STARTED_ANEW"

// spareTimers has this process, if it is to go on running, use fewer timers. The thread
// in question is there before any code of ours, and takes its slack from what started
// it: the program starts itself anew in its own place, once, before it has read
// anything. Where that can't be done it goes on as it is.
func spareTimers(p *program, args []string) {
	defer runtime.UnlockOSThread() // if it is locked: see startWithSlack
	anew := os.Getenv(startedAnew)
	if err := os.Unsetenv(startedAnew); err != nil || anew == strconv.Itoa(os.Getpid()) || !goesOn(p, args) {
		return
	}
	startWithSlack(uint32(timerSlack))
}

// goesOn reports whether a command line is that of a command that runs until it is
// stopped.
func goesOn(p *program, args []string) bool {
	words, _, err := p.split(p.app(), args[1:])
	return err == nil && (len(words) == 0 || slices.Contains([]string{"serve", "proxy", "dev", "emulator"}, words[0]))
}
