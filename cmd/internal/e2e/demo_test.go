package e2e_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// demo runs `make demo`'s program to its end.
func demo(t *testing.T, p programs) {
	t.Helper()
	command, folder := p.demoCommand(t)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"recipient owns 0 ether", "receipt   success in block", "recipient owns 1.5 ether"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not print %q:\n%s", want, out)
		}
	}
	checkEmpty(t, folder)
}

// interrupted interrupts the demo while geth is starting.
func interrupted(t *testing.T, p programs) {
	t.Helper()
	command, folder := p.demoCommand(t)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "geth --signer") {
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the interrupted demo ended with %v, want exit code 1", err)
	}
	checkEmpty(t, folder)
}

// demoCommand returns the demo's command and the folder for its temporary
// files.
func (p programs) demoCommand(t *testing.T) (command *exec.Cmd, folder string) {
	t.Helper()
	folder = t.TempDir()
	command = exec.CommandContext(t.Context(), p.demo, "-kvclef", p.kvclef, "-geth", p.geth)
	command.Env = append(os.Environ(), "TMPDIR="+folder)
	command.Stderr = t.Output()
	return command, folder
}

// checkEmpty checks that the demo left nothing behind. It waits for the
// programs that it started before it removes their files.
func checkEmpty(t *testing.T, folder string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind, error %v", left, err)
	}
}
