package extapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// ipcServer serves JSON-RPC on a unix socket or named pipe.
type ipcServer struct {
	cfg      ServerConfig
	rpc      *rpc.Server
	refused  *refusals
	large    *largePlaces
	listener net.Listener

	wg       sync.WaitGroup // the accept loop and every connection
	watching sync.WaitGroup // for callers who hang up
	over     context.CancelFunc
	mu       sync.Mutex
	conns    map[*ipcConn]struct{}
	draining bool
}

// startIPC opens the endpoint and serves it until shutdown.
func startIPC(ctx context.Context, cfg ServerConfig, server *rpc.Server, refused *refusals) (*ipcServer, error) {
	listener, err := listenIPC(ctx, cfg.IPCPath, cfg.IPCGroup)
	if err != nil {
		return nil, fmt.Errorf("opening IPC endpoint %s: %w", cfg.IPCPath, err)
	}
	s := &ipcServer{cfg: cfg, rpc: server, refused: refused, large: newLargePlaces(smallBody, cfg.Users != nil), conns: make(map[*ipcConn]struct{})}
	s.listener = limitListener(listener, cfg.MaxIPCConns, func(why string) {
		refused.add(refusedConnection, slog.String("transport", "ipc"), slog.String("reason", why))
	})
	s.wg.Go(s.accept)
	watching, over := context.WithCancel(context.WithoutCancel(ctx))
	s.over = over
	s.watching.Go(func() { s.watch(watching) })
	return s, nil
}

func (s *ipcServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed by shutdown
		}
		uid, principal, ok := s.identify(conn)
		if !ok {
			_ = conn.Close() // nothing was promised on it
			continue
		}
		c := newIPCConn(conn, s.cfg, s.refused, s.large)
		ctx, hangUp := context.WithCancel(context.Background())
		c.uid, c.principal, c.hangUp = uid, principal, hangUp
		if !s.track(c) {
			_ = c.Close()
			continue
		}
		s.wg.Go(func() {
			defer s.untrack(c)
			c.serve(ctx, s.rpc)
		})
	}
}

func (s *ipcServer) track(c *ipcConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if s.cfg.Users != nil && s.of(c.uid) >= max(1, s.cfg.MaxIPCConns/2) {
		s.refused.add(refusedConnection, slog.String("transport", "ipc"), slog.String("reason", "the user has half of the connections"), slog.Uint64("uid", uint64(c.uid)))
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// of returns how many connections a user has.
func (s *ipcServer) of(uid uint32) int {
	count := 0
	for c := range s.conns {
		if c.uid == uid {
			count++
		}
	}
	return count
}

func (s *ipcServer) untrack(c *ipcConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// open returns the connections that are being served.
func (s *ipcServer) open() []*ipcConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	conns := make([]*ipcConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// shutdown reads no more, waits for the answers in flight until the context
// ends, then closes every connection.
func (s *ipcServer) shutdown(ctx context.Context) error {
	defer s.watching.Wait()
	defer s.over()
	err := s.listener.Close()
	for _, c := range s.open() {
		c.drain()
	}
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		s.wg.Wait()
	}()
	select {
	case <-idle:
		return err
	case <-ctx.Done():
	}
	conns := s.open()
	for _, c := range conns {
		_ = c.Close() // its caller waited long enough
	}
	return errors.Join(err, fmt.Errorf("closing IPC endpoint %s: %d connections with unanswered requests: %w", s.cfg.IPCPath, len(conns), ctx.Err()))
}
