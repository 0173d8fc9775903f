//go:build linux

package replicas_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// balancer is an HAProxy in front of replicas. It hands connections on as they are,
// so that TLS goes from end to end and a replica sees its caller's certificate; and it
// asks /readyz who may have some.
type balancer struct {
	address string // host:port
	admin   string // its socket
	log     *output
}

// member is what a balancer hands connections to.
type member struct{ name, address, metrics string }

// signers are replicas as members, for signatures.
func signers(replicas []*signer) (all []member) {
	for _, s := range replicas {
		all = append(all, member{s.name, s.https, s.metrics})
	}
	return all
}

// proxies are the same for the node behind them.
func proxies(replicas []*signer) (all []member) {
	for _, s := range replicas {
		all = append(all, member{s.name, s.proxy, s.metrics})
	}
	return all
}

// balance starts HAProxy, and returns when it finds all members ready. A member is out
// after so many checks that failed.
func (h *house) balance(t *testing.T, members []member, fall int) *balancer {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		lacking(t, "there is no load balancer: install the Debian package haproxy")
	}
	b := &balancer{admin: filepath.Join(h.dir, "haproxy.sock"), log: newOutput()}
	var servers strings.Builder
	for _, m := range members {
		_, port, err := net.SplitHostPort(m.metrics)
		must(t, err)
		fmt.Fprintf(&servers, "  server %s %s port %s\n", m.name, m.address, port)
	}
	h.write(t, "haproxy.cfg", fmt.Sprintf(`
global
  stats socket %s mode 600 level admin
defaults
  mode tcp
  timeout connect 2s
  timeout client 5m
  timeout server 5m
  timeout check 3s
  retries 3
  option redispatch 1
frontend callers
  bind fd@3
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
  http-check expect status 200
  default-server check inter 300ms fall %d rise 1 on-marked-down shutdown-sessions
%s`, b.admin, fall, servers.String()))

	// HAProxy gets a socket that listens already: no other process can have its port.
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close() // HAProxy has a copy of it
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		t.Fatalf("the listener is a %T", listener)
	}
	file, err := tcp.File()
	must(t, err)
	defer file.Close() // likewise
	b.address = listener.Addr().String()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-db", "-f", h.path("haproxy.cfg")) // #nosec G204 -- a program of the system
	command.ExtraFiles = []*os.File{file}
	command.Stdout, command.Stderr = b.log, b.log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for _, m := range members {
		b.await(t, m.name, "UP")
	}
	return b
}

// await waits until the balancer finds a member as it is to be.
func (b *balancer) await(t *testing.T, name, want string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := b.status(t.Context(), name)
		if strings.HasPrefix(status, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %q, not %s: %v\n%s", name, status, want, err, b.log)
		}
		<-tick.C
	}
}

// status asks the balancer what it thinks of a member.
func (b *balancer) status(ctx context.Context, name string) (string, error) {
	rows, err := b.stat(ctx)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row["svname"] == name {
			return row["status"], nil
		}
	}
	return "", fmt.Errorf("the balancer does not know %s", name)
}

// stat reads the balancer's statistics.
func (b *balancer) stat(ctx context.Context) (rows []map[string]string, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", b.admin)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // all is read
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("show stat\n")); err != nil {
		return nil, err
	}
	reader := csv.NewReader(conn)
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, errors.New("the balancer says nothing")
	}
	records[0][0] = strings.TrimPrefix(records[0][0], "# ")
	for _, record := range records[1:] {
		row := make(map[string]string)
		for i, value := range record[:min(len(record), len(records[0]))] {
			row[records[0][i]] = value
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// lacking skips a test for want of something that every run of CI has.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
