package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// maxPassword bounds a password, in bytes.
const maxPassword = 4 << 10

func passwordFlag() cli.Flag {
	return &cli.StringFlag{Name: "password-file", Usage: "`FILE` with the password in it, which others can't read", DefaultText: "none, it is asked at the terminal"}
}

// password returns the password in a file, or asks for it where it is not shown.
// Clear it when it is no longer needed.
func (p *program) password(ctx context.Context, file, prompt string) ([]byte, error) {
	if file != "" {
		return passwordIn(file)
	}
	terminal, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(terminal) {
		return nil, usagef("%s: the standard input is no terminal, and a password is not read from a pipe: give --password-file FILE", prompt)
	}
	_, _ = fmt.Fprintf(p.stderr, "%s: ", prompt)
	password, err := readHidden(ctx, terminal)
	p.sayf("") // the end of the line was not shown either
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	if len(password) > maxPassword {
		clear(password)
		return nil, usagef("the password has more than %d bytes", maxPassword)
	}
	return password, nil
}

// readHidden reads a line that the terminal does not show. Who interrupts it gets
// the terminal back as it was.
func readHidden(ctx context.Context, terminal *os.File) ([]byte, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // it lasts until the line ends, or the process
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case line := <-read:
		return line.text, line.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

// passwordIn reads the first line of a file that must be its owner's alone.
func passwordIn(file string) ([]byte, error) {
	raw, mode, err := config.ReadOrdinary(file, maxPassword)
	if err != nil {
		return nil, usagef("opening the password file: %w", err)
	}
	if mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		clear(raw)
		return nil, usagef("the password file %s has mode %#o, so others can get at it: run chmod 600 %s", file, mode.Perm(), shellQuote(file))
	}
	password, rest, _ := bytes.Cut(raw, []byte("\n"))
	if len(rest) > 0 {
		clear(raw)
		return nil, usagef("the password file %s has more than one line: put the password alone into it", file)
	}
	return bytes.TrimSuffix(password, []byte("\r")), nil
}
