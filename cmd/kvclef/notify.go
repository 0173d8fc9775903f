package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// notifyTimeout bounds what should take no time.
const notifyTimeout = 5 * time.Second

// notifyReady tells the service manager that requests are answered from now on, as
// systemd's Type=notify asks for it: a word to the socket that it names in the
// environment. Where none is named there is nobody to tell.
func notifyReady(ctx context.Context) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unixgram", socket) // "@" is an abstract one
	if err != nil {
		return fmt.Errorf("telling the service manager at NOTIFY_SOCKET: %w", err)
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	if _, err := conn.Write([]byte("READY=1")); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}
