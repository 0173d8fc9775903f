package extapi

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

// ownerOnly lets the pipe's owner and the system use it, nobody else.
const ownerOnly = "D:P(A;;GA;;;OW)(A;;GA;;;SY)"

// listenIPC opens a named pipe such as \\.\pipe\kvclef.ipc, for its owner
// alone. A pipe that another process serves is an error, and none is left
// behind by a dead one.
func listenIPC(_ context.Context, path, _ string) (net.Listener, error) {
	return winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: ownerOnly})
}

// checkPlace knows of nothing that would keep a pipe from being opened.
func checkPlace(string, string) error { return nil }

// staleSocket knows of none: a pipe goes with its process.
func staleSocket(context.Context, string) (bool, error) { return false, nil }
