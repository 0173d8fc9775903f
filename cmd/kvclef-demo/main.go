// Command kvclef-demo shows a real geth that sends a transfer from an account
// whose key is in a vault. It starts kvclef with its embedded vault and a
// private chain, tells what it does, and leaves nothing behind.
//
// It never touches a network or an Azure account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// limit bounds the whole demonstration.
const limit = 2 * time.Minute

func main() {
	kvclef := flag.String("kvclef", "bin/kvclef", "path of kvclef")
	geth := flag.String("geth", "", "path of geth (default: the repository's, built when missing)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *kvclef, *geth)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kvclef-demo:", err)
		os.Exit(1)
	}
}

// run tells the story in a folder of its own, which it removes at the end,
// with the programs that it started ended.
func run(ctx context.Context, out io.Writer, kvclef, geth string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "kvclef-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the chain: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s := &story{out: out, dir: dir, kvclef: kvclef, geth: geth}
	defer func() { err = errors.Join(err, s.end()) }()
	return s.tell(ctx)
}
