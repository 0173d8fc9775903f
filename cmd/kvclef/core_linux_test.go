package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// coreChild is set where the test binary is the child that turns its dumps off.
const coreChild = "KVCLEF_TEST_CORE_CHILD"

// TestNoCoreDumps: in a child, since it is not taken back.
func TestNoCoreDumps(t *testing.T) {
	t.Parallel()
	if how := os.Getenv(coreChild); how != "" {
		coreDumpsOf(t, how)
		return
	}
	for _, test := range []struct {
		name, args string
		limited    bool
		dumpable   int
	}{
		{"nobody asks", "none", false, 1},
		{"serve", "serve", true, 0},
		{"proxy", "proxy", true, 0},
		{"dev", "dev", true, 0},
		{"no command", "", true, 0},
		{"keys import", "keys import treasury /nowhere/key.hex", true, 0},
		{"import key", "import key --keystore /nowhere/key --name treasury", true, 0},
		{"a developer asks", "serve --allow-core-dumps", false, 1},
		{"a developer asks in front of a node", "proxy --allow-core-dumps", false, 1},
		{"a developer imports a key", "keys import treasury /nowhere/key.hex --allow-core-dumps", false, 1},
		{"a developer asks dev", "dev --allow-core-dumps", false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoCoreDumps$", "-test.v")
			child.Env = append(os.Environ(), coreChild+"=-"+test.args)
			said, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			limited := test.limited || strings.Contains(string(said), "limited before;")
			if !strings.Contains(string(said), fmt.Sprintf("dumpable %d;", test.dumpable)) || strings.Contains(string(said), "limit 0 0;") != limited {
				t.Errorf("%s", said)
			}
		})
	}
}

// coreDumpsOf runs a command that fails as soon as it looks at its settings, and
// prints what the kernel thinks of the process then.
func coreDumpsOf(t *testing.T, how string) {
	t.Helper()
	if err := os.Unsetenv("KVCLEF_ALLOW_CORE_DUMPS"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 4096, Max: 4096}); err != nil { // nobody may raise it
		fmt.Print("limited before;") //nolint:forbidigo // the parent reads it
	}
	if how = how[1:]; how != "none" {
		args := append([]string{"kvclef"}, strings.Fields(how)...)
		var out bytes.Buffer
		if code := run(t.Context(), append(args, "--config", "/nowhere/kvclef.yaml"), strings.NewReader(""), &out, &out); code != exitUsage {
			t.Fatalf("exit code %d: %s", code, out.String())
		}
	}
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	limit := regexp.MustCompile(`Max core file size +(\S+) +(\S+)`).FindSubmatch(limits)
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || limit == nil {
		t.Fatal(err, string(limits))
	}
	fmt.Printf("dumpable %d; limit %s %s;\n", dumpable, limit[1], limit[2]) //nolint:forbidigo // the parent reads it
}
