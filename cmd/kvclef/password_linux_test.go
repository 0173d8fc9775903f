package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns the two ends of a new terminal: that of the person, and
// that of the program.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// awaitEcho waits until a terminal shows what is typed, or does not.
func awaitEcho(t *testing.T, terminal *os.File, want bool) {
	t.Helper()
	deadline := time.After(patienceInTests)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if (state.Lflag&unix.ECHO != 0) == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the terminal's echo is not %t", want)
		}
	}
}

// heard is what a program says, which may be looked at meanwhile.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *heard) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *heard) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestPasswordIsNotShown imports from Clef at a terminal: the password is not
// shown, and the chain id is asked.
func TestPasswordIsNotShown(t *testing.T) {
	home := t.TempDir()
	c := copyClef(t, home)
	person, program := openTerminal(t)
	data := filepath.Join(t.TempDir(), "data")
	var said heard
	done := make(chan int, 1)
	go func() {
		args := []string{"kvclef", "import", "clef", "--configdir", c.config(), "--datadir", data}
		done <- run(t.Context(), args, program, &said, &said)
	}()
	awaitEcho(t, program, false)
	if _, err := person.WriteString(clefPassword + "\n"); err != nil {
		t.Fatal(err)
	}
	awaitEcho(t, program, true)
	if _, err := person.WriteString("1337\n"); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, said.String())
	}
	for _, want := range []string{"Password of Clef's master seed: ", "Chain id that Clef signed for", "chain id: 1337"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q was not said:\n%s", want, said.String())
		}
	}
	shown := make([]byte, 4096)
	n, err := person.Read(shown)
	if err != nil || strings.Contains(string(shown[:n])+said.String(), clefPassword) {
		t.Errorf("the terminal shows %q, %v", shown[:n], err)
	}
}

// TestInterruptedPassword gives the terminal back as it was.
func TestInterruptedPassword(t *testing.T) {
	_, program := openTerminal(t)
	p := newProgram()
	p.stdin = program
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.password(ctx, "", "Password")
		done <- err
	}()
	awaitEcho(t, program, false)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	awaitEcho(t, program, true)
}
