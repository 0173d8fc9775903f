//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bouncer is a real PgBouncer in front of a server, of the test's own.
type Bouncer struct {
	dir  string
	port int
}

// Bouncer starts PgBouncer in a mode, "session", "transaction" or "statement", with further
// lines of its configuration. It skips the test where there is none; where the environment
// variable CI is "true" it fails instead.
func (s *Server) Bouncer(t testing.TB, mode string, more ...string) *Bouncer {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		const none = "there is no PgBouncer: install the Debian package pgbouncer"
		if os.Getenv("CI") != "true" {
			t.Skip(none)
		}
		t.Fatal(none)
	}
	b := &Bouncer{}
	if b.port, err = freePort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.dir, err = os.MkdirTemp("", "kvclef-pgbouncer"); err != nil { // which another user can read
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.dir) })
	text := fmt.Sprintf("[databases]\n* = host=%s port=%d user=%s password=%s\n[pgbouncer]\nauth_type = any\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir = %s\npool_mode = %s\n",
		s.Dir, s.Port, User, Password, b.port, b.dir, mode)
	for _, line := range more {
		text += line + "\n"
	}
	file := filepath.Join(b.dir, "pgbouncer.ini")
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), s.own(b.dir, file)); err != nil {
		t.Fatal(err)
	}
	b.run(t, exec.CommandContext(t.Context(), path, "-q", file))
	return b
}

// run starts the process, and waits until it answers.
func (b *Bouncer) run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	log, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the process has it
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // it ends with the tests, however they end
	if cmd.SysProcAttr.Credential, err = unprivileged(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	late := time.After(startTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(t.Context(), b.DSN("pgbouncer")) // its own console
		if err == nil {
			_ = conn.Close(t.Context())
			return
		}
		select {
		case <-done:
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("PgBouncer ended: %s", text)
		case <-late:
			t.Fatal("PgBouncer does not answer: ", err)
		case <-tick.C:
		}
	}
}

// DSN leads to a database by way of it.
func (b *Bouncer) DSN(database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable connect_timeout=30", b.dir, b.port, User, database)
}

// At is where it is, as that of a server.
func (b *Bouncer) At() *Server { return &Server{Dir: b.dir, Port: b.port} }
