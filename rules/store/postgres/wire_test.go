//go:build linux

package postgres_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// wire is between clients and servers, and knows the messages of clients.
type wire struct {
	t    testing.TB
	path string
	said atomic.Int64 // messages, of all connections

	lead func(connection int) *pgtest.Server
	edit func(sql []byte) []byte           // nil changes nothing
	heed func(said int64, end func()) bool // tells whether a message is passed on, and may end all connections
}

func (w *wire) listen() {
	w.t.Helper()
	dir := w.t.TempDir()
	w.path = filepath.Join(dir, ".s.PGSQL.5432")
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "unix", w.path)
	ok(w.t, err)
	var all sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]struct{})
	end := func() {
		mu.Lock()
		defer mu.Unlock()
		for conn := range open {
			_ = conn.Close()
		}
	}
	keep := func(conns ...net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			open[conn] = struct{}{}
		}
	}
	w.t.Cleanup(func() { _ = listener.Close(); end(); all.Wait() })
	all.Go(func() {
		for n := 0; ; n++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			at := w.lead(n)
			server, err := net.Dial("unix", filepath.Join(at.Dir, fmt.Sprint(".s.PGSQL.", at.Port))) //nolint:noctx // it is there
			if err != nil {
				_ = client.Close()
				continue
			}
			keep(client, server)
			closeBoth := func() { _, _ = client.Close(), server.Close() }
			all.Go(func() { _, _ = io.Copy(client, server); closeBoth() })
			all.Go(func() { w.pass(client, server, end); closeBoth() })
		}
	})
}

// DSN leads to the wire.
func (w *wire) dsn() string {
	return fmt.Sprintf("host=%s port=5432 user=%s password=%s dbname=postgres sslmode=disable", filepath.Dir(w.path), pgtest.User, pgtest.Password)
}

// pass hands on what a client says.
func (w *wire) pass(client io.Reader, server io.Writer, end func()) {
	for first := true; ; first = false {
		head := make([]byte, 5)
		if first { // it has no type
			head = head[:4]
		}
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		size := head[len(head)-4:]
		body := make([]byte, binary.BigEndian.Uint32(size)-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if w.edit != nil && (head[0] == 'Q' || head[0] == 'P') && !first {
			body = w.edit(body)
			binary.BigEndian.PutUint32(size, uint32(len(body)+4))
		}
		if said := w.said.Add(1); w.heed != nil && !w.heed(said, end) {
			continue
		}
		if _, err := server.Write(slices.Concat(head, body)); err != nil {
			return
		}
	}
}
