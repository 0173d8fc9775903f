//go:build linux

package approvals

import (
	"context"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestSocketMode(t *testing.T) {
	h := open(t, nil)
	info, err := os.Stat(h.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	group := open(t, func(cfg *Config) { cfg.Group = strconv.Itoa(os.Getgid()) })
	if info, err = os.Stat(group.path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("with a group: %v, %v", info, err)
	}
}

func TestSocketIsRefused(t *testing.T) {
	dir := t.TempDir()
	file, loose := filepath.Join(dir, "file"), filepath.Join(dir, "loose")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(loose, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o770); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                 "is no socket",
		filepath.Join(loose, "a.sock"):       "others could put another socket in its place: run chmod go-w",
		filepath.Join(dir, "none", "a.sock"): "its folder must be there",
		filepath.Join(dir, strings.Repeat("x", 108)): "a socket's path has at most 107",
	} {
		if l, err := listen(t.Context(), path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", path, l, err, want)
		}
		if err := Check(path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is looked at, and told is %v, want %q", path, err, want)
		}
	}
	if _, err := listen(t.Context(), filepath.Join(dir, "b.sock"), "no-such-group"); err == nil || !strings.Contains(err.Error(), "approvals.socket_group") {
		t.Errorf("a group that is none: %v", err)
	}
	h := open(t, nil)
	if _, err := Start(t.Context(), Config{Path: h.path}); err == nil || !strings.Contains(err.Error(), "another signer answers there") {
		t.Errorf("a second signer: %v", err)
	}
	if err := CheckFree(t.Context(), h.path); err == nil || !strings.Contains(err.Error(), h.path+": another signer answers there: stop it, or give another path by approvals.socket") {
		t.Errorf("a look at its socket: %v", err)
	}
	left := filepath.Join(dir, "left.sock") // by a dead process
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: left})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetUnlinkOnClose(false)
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{left, filepath.Join(dir, "none.sock")} {
		if err := CheckFree(t.Context(), path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(left); err != nil {
		t.Errorf("looking removes it: %v", err)
	}
}

// TestConnectionsOfOneUser: a user of the machine can't take all places.
func TestConnectionsOfOneUser(t *testing.T) {
	h := open(t, nil)
	var kept []net.Conn
	defer func() {
		for _, conn := range kept {
			_ = conn.Close()
		}
	}()
	for range maxConnsOfUser {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", h.path)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, conn)
	}
	// It is accepted by the system, and closed by the server.
	one, err := new(net.Dialer).DialContext(t.Context(), "unix", h.path)
	if err == nil {
		_, err = one.Read(make([]byte, 1))
		_ = one.Close()
	}
	if err == nil {
		t.Error("there is a place above the bound")
	}
}

// TestAnotherUser plays this test binary as another user, who may look if the socket
// lets it, and not vote.
func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	h := open(t, func(cfg *Config) { cfg.Group = strconv.Itoa(nobody) })
	for folder := filepath.Dir(h.path); folder != os.TempDir(); folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := h.ask(t, "local", 1)
	binary := filepath.Join(filepath.Dir(h.path), "client")
	self, err := os.Executable()
	if err == nil {
		var program []byte
		if program, err = os.ReadFile(self); err == nil {
			err = os.WriteFile(binary, program, 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	play := func(uid uint32) string {
		cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestStranger$", "-test.v")
		cmd.Dir = "/"
		cmd.Env = []string{"STRANGER_SOCKET=" + h.path, "STRANGER_TICKET=" + id}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return string(said)
	}
	said := play(nobody)
	if !strings.Contains(said, `sees "" 1`) || !strings.Contains(said, "the user id 65534 is nobody who may vote") {
		t.Errorf("a member of the group: %s", said)
	}
	if said := play(nobody - 1); !strings.Contains(said, "the user id 65533 may not use the socket for approvals") {
		t.Errorf("a stranger: %s", said)
	}
	if refused := h.refused(); len(refused) != 1 || !strings.HasPrefix(refused[0], "uid:65534: ") {
		t.Errorf("the journal has %v", refused)
	}
	if ticket, err := h.Ticket(id); err != nil || len(ticket.Votes) != 0 {
		t.Errorf("%+v, %v", ticket, err)
	}
}

// TestStranger is played by TestAnotherUser.
func TestStranger(t *testing.T) {
	path, id := os.Getenv("STRANGER_SOCKET"), os.Getenv("STRANGER_TICKET")
	if path == "" {
		t.Skip("nobody plays it")
	}
	client, err := Connect(t.Context(), path)
	if err != nil {
		t.Log(err)
		return
	}
	listing, err := client.List(t.Context(), true, 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sees %q %d", listing.You, len(listing.Tickets))
	shown, err := client.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Vote(t.Context(), id, Vote{Hash: shown.Ticket.Hash.Hex(), Approve: true})
	t.Log(err)
}

// TestModeBeforeName: there is no moment at which others could connect.
func TestModeBeforeName(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := filepath.Join(t.TempDir(), "a.sock")
	config := net.ListenConfig{Control: restrict}
	listener, err := config.Listen(context.WithoutCancel(t.Context()), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var info fs.FileInfo
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
