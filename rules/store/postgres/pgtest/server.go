//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// User is the superuser of the server, who has the password.
const (
	User     = "kvclef"
	Password = "correct-horse"
)

// Server is a server that runs, unless it was stopped.
type Server struct {
	Dir  string // its files, with the socket
	Port int
	also []string // addresses that it listens on besides loopback
	bin  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	env, settings []string // of a cluster's
}

// startTimeout bounds how long a server may take to answer.
const startTimeout = 30 * time.Second

// errNone is told where there is no server to start.
var errNone = errors.New("there is no PostgreSQL server: install the Debian package postgresql")

// binaries finds the newest server's.
func binaries() (string, error) {
	if dir := os.Getenv("PGTEST_BIN"); dir != "" {
		return dir, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errNone
}

// New makes a server and starts it. It listens on the addresses besides loopback, for
// those of their networks. Remove ends it.
func New(ctx context.Context, addresses ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, also: addresses}
	if err := s.create(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// create makes the files of a server and starts it.
func (s *Server) create(ctx context.Context) (err error) {
	if s.Dir, err = os.MkdirTemp("", "kvclef-pg"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.Remove()
		}
	}()
	password := filepath.Join(s.Dir, "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o600); err != nil {
		return err
	}
	if err := s.own(s.Dir, password); err != nil {
		return err
	}
	initdb := s.command(ctx, "initdb", "--pgdata="+s.data(), "--username="+User, "--auth=scram-sha-256", "--pwfile="+password,
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.welcome(); err != nil {
		return err
	}
	if s.Port, err = freePort(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// welcome lets in who comes by one of its further addresses.
func (s *Server) welcome() error {
	if len(s.also) == 0 {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(s.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	const all = "all" // databases, and users
	_, err = fmt.Fprintf(file, "host %s %[1]s samenet scram-sha-256\n", all)
	return errors.Join(err, file.Close())
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// own gives files to the user of the server, which does not run as root.
func (s *Server) own(paths ...string) error {
	credential, err := unprivileged()
	if err != nil || credential == nil {
		return err
	}
	for _, path := range paths {
		if err := os.Chown(path, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.Dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}, s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // it ends with the tests, however they end
	if credential, err := unprivileged(); err == nil {
		cmd.SysProcAttr.Credential = credential
	}
	return cmd
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close() //nolint:errcheck // it has told the port
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("a listener without a port")
	}
	return address.Port, nil
}

// Start starts a server that was stopped, and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the server has it
	s.cmd = s.command(context.WithoutCancel(ctx), "postgres", "-D", s.data(), "-k", s.Dir, "-p", fmt.Sprint(s.Port), "-h", strings.Join(append([]string{"127.0.0.1"}, s.also...), ","),
		"-c", "max_connections=120", "-c", "shared_buffers=64MB", "-c", "log_min_messages=warning", "-c", "max_wal_size=256MB")
	for _, setting := range s.settings {
		s.cmd.Args = append(s.cmd.Args, "-c", setting)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.done = done
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(done) }(s.cmd)

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-done:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the server ended: %w: %s", err, text)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// DSN leads to a database by the socket.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable connect_timeout=30", s.Dir, s.Port, User, Password, database)
}

// TCP leads to a database by loopback.
func (s *Server) TCP(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", User, Password, s.Port, database)
}

// Stop ends the server in an orderly way: who is connected is sent away.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server and all its processes at once, as a power cut would that
// leaves the disk.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGSTOP) // it would start others
	pids := s.processes()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
	for deadline := time.Now().Add(startTimeout); slices.ContainsFunc(pids, alive) && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
}

// alive tells whether a process has not ended: one that has may still be waited
// for.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func (s *Server) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	s.Resume()
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(startTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

// Pause stops the server and all its processes where they are: connections stay,
// and nobody answers.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal)
	for _, pid := range s.processes() {
		_ = syscall.Kill(pid, signal)
	}
}

// processes are the children of the server.
func (s *Server) processes() (pids []int) {
	if s.cmd == nil {
		return nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.cmd.Process.Pid, s.cmd.Process.Pid))
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(text)) {
		pid := 0
		if _, err := fmt.Sscan(field, &pid); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Remove ends the server and removes its files.
func (s *Server) Remove() {
	s.Stop()
	_ = os.RemoveAll(s.Dir)
}
