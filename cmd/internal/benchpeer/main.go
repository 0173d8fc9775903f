// Command benchpeer runs the last Clef and kvclef side by side and compares
// them: the same rules, a key of the same type that is at hand (Clef's in a file,
// kvclef's in the emulator without latency, over TLS), the same requests, by IPC
// and by HTTP. Windows of the contenders alternate, so that a busy machine is as
// busy for each, and ratios are taken within a round.
//
// It talks to no network, and leaves nothing behind but the report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	o := options{callers: []int{1, 8, 64}, transports: []string{"ipc", "http"}, offered: []int{400, 1000}}
	flag.StringVar(&o.kvclef, "kvclef", "bin/kvclef", "path of kvclef")
	flag.StringVar(&o.clef, "clef", ".ci/tools/bin/clef", "path of Clef")
	flag.IntVar(&o.rounds, "rounds", 5, "windows of each contender at each load")
	flag.DurationVar(&o.window, "window", 10*time.Second, "length of a window")
	flag.Func("only", "the contenders to run, with commas: "+strings.Join(names(), ", "), func(text string) (err error) { o.only, err = among(names(), text); return err })
	flag.Func("transports", "ipc, http, or both with a comma", func(text string) (err error) { o.transports, err = among([]string{"ipc", "http"}, text); return err })
	flag.Func("callers", "numbers of callers at the same time, with commas", func(text string) (err error) { o.callers, err = numbers(text); return err })
	flag.Func("offered", "requests a second of callers who don't wait for answers, with commas; none leaves them out", func(text string) (err error) {
		if o.offered = nil; text != "none" {
			o.offered, err = numbers(text)
		}
		return err
	})
	flag.StringVar(&o.profile, "profile", "", "also record with perf what the processor does for each contender, to NAME.perf in this folder; best with one load")
	flag.StringVar(&o.json, "json", "", "also write the report as JSON to this file")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, o)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpeer:", err)
		os.Exit(1)
	}
}
