//go:build linux

package replicas_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideNamespace is set for a test that was started again in a namespace.
const insideNamespace = "KVCLEF_TEST_NAMESPACE"

// inNamespace reports whether a test runs in a network namespace of its own. If not, it
// runs the test there, in another process, so that nothing of the machine's network is
// touched and nothing of it is left.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideNamespace) != "" {
		command(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		lacking(t, "there is no program to configure networks: install the Debian package iproute2")
	}
	self, err := os.Executable()
	must(t, err)
	again := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v") // #nosec G204 -- this program
	again.Env = append(os.Environ(), insideNamespace+"=1", builtProgram+"="+program(t))
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	text, err := again.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		lacking(t, "only root may make network namespaces")
	}
	t.Logf("in a namespace:\n%s", text)
	if err != nil {
		t.Error(err)
	}
	return false
}

// namespace is another network namespace, as long as it is open.
type namespace struct{ file, home *os.File }

// newNamespace makes one.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{home: currentNamespace(t)}
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWNET)) // after an error the thread ends with the test
	n.file = currentNamespace(t)
	must(t, enter(n.home))
	runtime.UnlockOSThread()
	t.Cleanup(func() {
		_ = n.file.Close()
		_ = n.home.Close()
	})
	return n
}

func currentNamespace(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	return file
}

func enter(file *os.File) error { return unix.Setns(int(file.Fd()), unix.CLONE_NEWNET) }

// do calls a function in the namespace: the processes that it starts stay there.
func (n *namespace) do(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	must(t, enter(n.file))
	defer func() {
		if err := enter(n.home); err != nil {
			t.Error(err) // and the thread ends with the test
			return
		}
		runtime.UnlockOSThread()
	}()
	do()
}

// path names the namespace for the program ip.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// command runs a program of the system.
func command(t *testing.T, program string, args ...string) {
	t.Helper()
	if text, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil { // #nosec G204 -- as the test says
		t.Fatalf("%s %v: %v: %s", program, args, err, text)
	}
}
