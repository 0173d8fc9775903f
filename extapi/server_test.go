package extapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestServerConfig are configurations that are refused, with the reason.
func TestServerConfig(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  ServerConfig
		want string
	}{
		"no listener":      {ServerConfig{}, "no listener is configured"},
		"no port":          {ServerConfig{HTTPAddr: "localhost"}, `"localhost" is not host:port`},
		"every interface":  {ServerConfig{HTTPAddr: ":8550", LoopbackOnly: true}, "can be reached by other machines"},
		"other interface":  {ServerConfig{HTTPAddr: "0.0.0.0:8550", LoopbackOnly: true}, "can be reached by other machines"},
		"other name":       {ServerConfig{HTTPAddr: "localhost.example:8550", LoopbackOnly: true}, "can be reached by other machines"},
		"negative limit":   {ServerConfig{IPCPath: "x", MaxBatch: -1}, "limit MaxBatch is -1"},
		"negative timeout": {ServerConfig{IPCPath: "x", ReadTimeout: -1}, "limit ReadTimeout is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newServer(newProbe(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0"} {
		if _, err := newServer(newProbe(), ServerConfig{HTTPAddr: addr, LoopbackOnly: true}); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestServerMethods lists what callers can reach: nothing but these is ever
// exported by accident.
func TestServerMethods(t *testing.T) {
	account, _ := newTestAccount(t, nil)
	var found []string
	for namespace, receiver := range namespaces(account, "") {
		for method := range reflect.TypeOf(receiver).Methods() {
			found = append(found, namespace+"_"+strings.ToLower(method.Name[:1])+method.Name[1:])
		}
	}
	slices.Sort(found)
	if want := []string{
		"account_ecRecover", "account_list", "account_new", "account_signData", "account_signGnosisSafeTx", "account_signTransaction", "account_signTypedData", "account_version",
		"eth_accounts", "eth_chainId", "eth_sign", "eth_signTransaction", "eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4",
		"health_status", "opsigner_signBlockPayload", "opsigner_signBlockPayloadV2", "personal_sign",
	}; !slices.Equal(found, want) {
		t.Errorf("callers reach %q, want %q", found, want)
	}
}

// TestStartAllOrNothing fails to open one listener: the other is closed again.
func TestStartAllOrNothing(t *testing.T) {
	taken := listeners(t, newProbe(), ServerConfig{})
	path := filepath.Join(t.TempDir(), "kvclef.ipc")
	server, err := newServer(newProbe(), ServerConfig{IPCPath: path, HTTPAddr: taken.HTTPAddr()})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want address already in use", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestRefusalsAreLogged floods both listeners with what they refuse: the log
// says so without repeating the caller's data, and doesn't grow with it.
func TestRefusalsAreLogged(t *testing.T) {
	var log lines
	server := listeners(t, newProbe(), ServerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const secret = "5ec2e7"
	notification := `{"jsonrpc":"2.0","method":"account_echo","params":["` + secret + `"]}`
	client := dialIPC(t, server)
	client.send(strings.Repeat(notification, 2000) + versionCall)
	client.answer()
	for range 100 {
		caller := dialHTTP(t, server)
		caller.post("Connection: close\r\nOrigin: "+strings.Repeat("o", 5000)+"\r\n", notification)
		if status, _ := caller.answer(); status != 403 {
			t.Fatalf("status %d, want 403", status)
		}
	}
	text := log.String()
	for _, want := range []string{"IPC endpoint opened", "HTTP server started", refusedNotification, refusedOrigin} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(text, secret) {
		t.Error("the log repeats what the caller sent")
	}
	if len(text) > 100_000 {
		t.Errorf("the log has %d bytes", len(text))
	}
}

// lines is a log that may be written by many.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestRefusalRate counts lines against a clock of the test's own.
func TestRefusalRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		for range 1000 {
			r.add("a")
		}
		time.Sleep(time.Second) //nolint:forbidigo // the test's clock, not the wall's
		r.add("a")
		r.add("b")
		if got := strings.Count(log.String(), "\n"); got != 7 {
			t.Errorf("%d lines, want a burst of 5, one a second later and one of another kind", got)
		}
		if !strings.Contains(log.String(), "muted=995") {
			t.Errorf("the log does not say how many lines were left out: %s", log.String())
		}
	})
}

// TestFlight fills the room by count and by bytes.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight(3, 100)
		entered := func(size int) chan bool {
			done := make(chan bool, 1)
			go func() { done <- f.enter(size) }()
			synctest.Wait()
			return done
		}
		waits := func(done chan bool) bool { return len(done) == 0 }

		if waits(entered(1000)) {
			t.Fatal("a message larger than all the room waits")
		}
		second := entered(1)
		if !waits(second) {
			t.Error("a message beside one that is too large does not wait")
		}
		f.leave(1000)
		synctest.Wait()
		if waits(second) || waits(entered(50)) || waits(entered(49)) {
			t.Error("messages wait that have room")
		}
		fourth := entered(0)
		if !waits(fourth) {
			t.Error("a fourth message does not wait")
		}
		f.leave(50)
		synctest.Wait()
		if waits(fourth) {
			t.Error("a message waits after one has left")
		}
		last := entered(1)
		f.close()
		synctest.Wait()
		if waits(last) || <-last {
			t.Error("a closed flight let a message in")
		}
	})
}

// exhausted is a listener of a process that has too many files open for a while.
type exhausted struct {
	failures int
	closed   chan struct{}
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
	}
	<-l.closed
	return nil, io.ErrUnexpectedEOF
}

func (l *exhausted) Close() error {
	close(l.closed)
	return nil
}

func (l *exhausted) Addr() net.Addr { return &net.UnixAddr{} }

// TestAcceptGoesOn survives errors that pass.
func TestAcceptGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 0
		listener := limitListener(&exhausted{failures: 10, closed: make(chan struct{})}, 1, func(string) { refusals++ })
		done := make(chan error, 1)
		go func() {
			_, err := listener.Accept()
			done <- err
		}()
		time.Sleep(time.Minute) //nolint:forbidigo // the test's clock, not the wall's
		if len(done) > 0 {
			t.Fatalf("gave up: %v", <-done)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
		if refusals != 10 {
			t.Errorf("%d errors reported, want 10", refusals)
		}
	})
}
