//go:build linux && amd64

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

const (
	seccompFile  = "../packaging/docker/seccomp.json"
	seccompChild = "KVCLEF_TEST_SECCOMP_PROFILE"
)

// TestSeccompLauncher is no test: where it is named a profile, it becomes the
// program in its arguments, under that.
func TestSeccompLauncher(t *testing.T) {
	profile := os.Getenv(seccompChild)
	if profile == "" {
		t.Skip("TestSeccomp starts it")
	}
	p, err := readSeccompProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	// What is not permitted is called here, so that it is known that the filter works.
	runtime.LockOSThread()
	if err := p.apply(); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0); !errors.Is(err, unix.EPERM) {
		t.Fatalf("a socket of another family: %v", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWUTS); !errors.Is(err, unix.EPERM) {
		t.Fatalf("another namespace: %v", err)
	}
	if _, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE); !errors.Is(err, unix.EPERM) {
		t.Fatalf("memory that can be executed: %v", err)
	}
	t.Fatal(syscall.Exec(flag.Arg(0), flag.Args(), slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "KVCLEF_ALLOW_CORE_DUMPS=") || strings.HasPrefix(v, seccompChild+"=")
	})))
}

// TestSeccomp plays stories with the binary as it is in the image, static, and with
// the filter that the profile makes: whatever a story needs of the kernel beyond
// it fails there.
func TestSeccomp(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "static")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, out)
	}
	profile, err := filepath.Abs(seccompFile)
	if err != nil {
		t.Fatal(err)
	}
	launcher := fmt.Sprintf("#!/bin/sh\n%s=%q exec %q -test.run='^TestSeccompLauncher$' -- %q \"$@\"\n", seccompChild, profile, os.Args[0], binary)
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "kvclef"), []byte(launcher), 0o700); err != nil {
		t.Fatal(err)
	}
	stories := storyParams(clefHome)
	setup := stories.Setup
	stories.Setup = func(env *testscript.Env) error {
		env.Setenv("PATH", filepath.Join(dir, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
		return setup(env)
	}
	for _, story := range []string{"serve", "tls", "identity", "state", "staterunning", "audit", "checkpoints", "policyreload", "policyserve", "proxy", "approvals"} {
		stories.Files = append(stories.Files, filepath.Join("testdata", "script", story+".txt"))
	}
	testscript.Run(t, stories)
}

// TestSeccompFilter is what the kernel is given, read back.
func TestSeccompFilter(t *testing.T) {
	t.Parallel()
	p, err := readSeccompProfile(seccompFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.program(); err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, rule := range p.Syscalls {
		for _, name := range rule.Names {
			named[name]++
		}
	}
	// What is never to be permitted, whoever needs it.
	for _, name := range []string{"ptrace", "process_vm_readv", "process_vm_writev", "bpf", "unshare", "setns", "mount", "keyctl", "io_uring_setup", "userfaultfd", "perf_event_open", "memfd_create", "setuid", "capset", "kill", "fork", "vfork", "clone3"} {
		if named[name] > 0 {
			t.Errorf("%s is permitted", name)
		}
	}
	for name, times := range named {
		if times > 1 && name != "socket" && name != "ioctl" {
			t.Errorf("%s is named %d times: the loosest rule counts", name, times)
		}
	}
}
