//go:build linux

package replicas_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/kvclef/kvclef/cmd/internal/proxied"
)

const (
	limit   = 100 // wei in a day, of all replicas together
	clients = 64
)

// patience bounds what is waited for.
const patience = time.Minute

// builtProgram names, for a test that runs in a namespace, the kvclef that was built.
const builtProgram = "KVCLEF_TEST_PROGRAM"

// built is the program under test.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program builds kvclef, once for all tests. Short ones start no other programs.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real programs")
	}
	built.once.Do(func() {
		if built.path = os.Getenv(builtProgram); built.path != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "kvclef-replicas"); built.err == nil { //nolint:usetesting // it is of all tests
			built.path, built.err = proxied.Build(context.Background(), built.dir) //nolint:usetesting // likewise
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// must ends a test that can't go on.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
