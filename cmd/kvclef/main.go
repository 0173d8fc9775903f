// Command kvclef is an external signer for Ethereum nodes: it speaks Clef's
// external API and signs with keys in Azure Key Vault.
//
// What it says goes to two places. Results (addresses, tables, scripts, what
// may be pasted) go to the standard output; logs, questions, warnings and
// errors go to the standard error stream. An error is one line that names the
// value and the remedy. The exit code is 0, 1 for what failed at run time, or
// 2 for wrong usage or configuration.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	spareTimers(&program{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}, os.Args)
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // ends listeners in an orderly way, within a bound
		<-signals
		os.Exit(exitFailure) // who asks twice does not want to wait
	}()
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	cancel()
	os.Exit(code)
}

// program is the process's surroundings, handed to the commands.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr}
	app := p.app()
	err := dropEmptyVariables()
	if err == nil {
		args, err = p.arrange(app, args)
	}
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	return p.report(err)
}
