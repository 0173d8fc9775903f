package extapi

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// BenchmarkListeners calls kvclef's listeners and plain ones of go-ethereum in
// turn, and reports the time of each and kvclef's as a multiple of the plain
// one's. The method does nothing: what is measured is the way to it.
func BenchmarkListeners(b *testing.B) {
	for name, size := range map[string]int{"small": 8, "128KiB": 128 << 10} {
		argument := strings.Repeat("x", size)
		for _, transport := range []string{"ipc", "http"} {
			b.Run(transport+"/"+name, func(b *testing.B) {
				ours, plain := dialBench(b, transport, true), dialBench(b, transport, false)
				var oursTime, plainTime time.Duration
				for b.Loop() {
					plainTime += timeCall(b, plain, argument)
					oursTime += timeCall(b, ours, argument)
				}
				n := float64(b.N)
				b.ReportMetric(float64(oursTime.Nanoseconds())/n, "ns/kvclef")
				b.ReportMetric(float64(plainTime.Nanoseconds())/n, "ns/go-ethereum")
				b.ReportMetric(float64(oursTime)/float64(plainTime), "x/go-ethereum")
				b.ReportMetric(0, "ns/op") // both together: means nothing
			})
		}
	}
}

func timeCall(b *testing.B, client *rpc.Client, argument string) time.Duration {
	b.Helper()
	begin := time.Now()
	var answer int
	if err := client.CallContext(b.Context(), &answer, "account_length", argument); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// length is a receiver of one method that costs nothing.
type length struct{}

func (length) Length(s string) int { return len(s) }

// dialBench returns a client of a new server.
func dialBench(b *testing.B, transport string, ours bool) *rpc.Client {
	b.Helper()
	cfg := ServerConfig{IPCPath: filepath.Join(b.TempDir(), "bench.ipc"), HTTPAddr: "127.0.0.1:0"}
	endpoint := map[string]string{"ipc": cfg.IPCPath}
	if ours {
		server := unchecked(b, length{}, cfg)
		endpoint["http"] = "http://" + server.HTTPAddr()
	} else {
		endpoint["http"] = "http://" + plainListeners(b, cfg)
	}
	client, err := rpc.DialContext(b.Context(), endpoint[transport])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

// plainListeners serves go-ethereum's rpc server as a node does and returns
// the HTTP address.
func plainListeners(b *testing.B, cfg ServerConfig) string {
	b.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("account", length{}); err != nil {
		b.Fatal(err)
	}
	var config net.ListenConfig
	socket, err := config.Listen(b.Context(), "unix", cfg.IPCPath)
	if err != nil {
		b.Fatal(err)
	}
	port, err := config.Listen(b.Context(), "tcp", cfg.HTTPAddr)
	if err != nil {
		b.Fatal(err)
	}
	web := &http.Server{Handler: server, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
	go func() { _ = server.ServeListener(socket) }()
	go func() { _ = web.Serve(port) }()
	b.Cleanup(func() {
		_ = socket.Close()
		_ = web.Close()
		server.Stop()
	})
	return port.Addr().String()
}
