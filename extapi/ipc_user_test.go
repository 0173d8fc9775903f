//go:build linux

package extapi

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestUsersOfTheSocket: the system says who asks, whatever a message says.
func TestUsersOfTheSocket(t *testing.T) {
	self := uint32(os.Getuid())
	for name, c := range map[string]struct {
		users *Users
		want  string // "": not heard
	}{
		"nobody is told apart": {nil, "local"},
		"has a name":           {&Users{Names: map[uint32]string{self: "batcher"}}, "batcher"},
		"is the owner":         {&Users{Names: map[uint32]string{self: "local"}, OnlyKnown: true}, "local"},
		"has no name":          {&Users{Names: map[uint32]string{self + 1: "batcher"}}, "uid:" + strconv.Itoa(int(self))},
		"is not known":         {&Users{Names: map[uint32]string{self + 1: "batcher"}, OnlyKnown: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			account, decider := newTestAccount(t, nil)
			server := listeners(t, account, ServerConfig{Users: c.users})
			client := dialIPC(t, server)
			if c.want == "" {
				client.closed()
				return
			}
			client.send(`{"jsonrpc":"2.0","id":1,"method":"account_list","principal":"root","params":[]}`)
			if text := client.answer(); !strings.Contains(text, `"result"`) {
				t.Fatal(text)
			}
			if req := decider.last(t); req.Principal != c.want || req.Caller != (rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}) {
				t.Errorf("%q asks, from %+v", req.Principal, req.Caller)
			}
		})
	}
}

// TestOtherUserOfTheSocket asks as a user of the machine that is not the signer's.
func TestOtherUserOfTheSocket(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("it needs root, to become another user")
	}
	const uid, gid = 12345, 23456
	dir, err := os.MkdirTemp("", "kvclef-users-") //nolint:usetesting // others can't enter a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s.ipc")
	account, decider := newTestAccount(t, nil)
	unchecked(t, account, ServerConfig{IPCPath: path, IPCGroup: strconv.Itoa(gid), Users: &Users{Names: map[uint32]string{uid: "batcher"}}})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", info, err)
	}
	binary := filepath.Join(dir, "ask") // where others can run it
	content, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(binary, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ask := func(uid, gid uint32) string {
		cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run=^TestAskingOfTheSocket$")
		cmd.Env = append(os.Environ(), "KVCLEF_TEST_SOCKET="+path)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{gid}}}
		text, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatalf("running it as another user: %v", err)
		}
		return string(text)
	}
	if text := ask(uid, gid); !strings.Contains(text, `"result"`) {
		t.Fatal(text)
	}
	if req := decider.last(t); req.Principal != "batcher" {
		t.Errorf("%q asks", req.Principal)
	}
	if text := ask(uid+1, gid); !strings.Contains(text, `"result"`) || decider.last(t).Principal != UserName(uid+1) {
		t.Errorf("%s, %q asks", text, decider.last(t).Principal)
	}
	if text := ask(uid, gid+1); !strings.Contains(text, "permission denied") {
		t.Errorf("who is not in the group: %s", text)
	}
}

// TestAskingOfTheSocket is the other user's part.
func TestAskingOfTheSocket(t *testing.T) {
	path := os.Getenv("KVCLEF_TEST_SOCKET")
	if path == "" {
		t.Skip("it is a part of another test")
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := &ipcClient{t: t, Conn: conn, answers: json.NewDecoder(conn)}
	client.send(`{"jsonrpc":"2.0","id":1,"method":"account_list","params":[]}`)
	t.Log(client.answer())
}

// TestOneUserCantTakeAllPlaces: half of the connections are left to others.
func TestOneUserCantTakeAllPlaces(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{Users: &Users{}, MaxIPCConns: 4})
	for range 2 {
		client := dialIPC(t, server)
		client.send(versionCall)
		client.answer()
	}
	dialIPC(t, server).closed()
}

// TestSocketsOfAGroup: what could not work or would not be safe is refused.
func TestSocketsOfAGroup(t *testing.T) {
	base, made := t.TempDir(), []string(nil)
	folder := func(mode os.FileMode) string {
		dir := filepath.Join(base, strconv.FormatInt(int64(len(made)), 10))
		made = append(made, dir)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "s.ipc")
	}
	gid := strconv.Itoa(os.Getgid())
	for name, c := range map[string]struct {
		cfg ServerConfig
		why string
	}{
		"nobody told apart": {ServerConfig{IPCPath: folder(0o750), IPCGroup: gid}, "give Users"},
		"no such group":     {ServerConfig{IPCPath: folder(0o750), IPCGroup: "no-such-group", Users: &Users{}}, "no-such-group"},
		"closed folder":     {ServerConfig{IPCPath: folder(0o700), IPCGroup: gid, Users: &Users{}}, "nobody else can enter"},
		"open folder":       {ServerConfig{IPCPath: folder(0o770), IPCGroup: gid, Users: &Users{}}, "another socket in its place"},
		"name of nobody":    {ServerConfig{IPCPath: folder(0o750), Users: &Users{Names: map[uint32]string{1: "anonymous"}}}, "no caller can prove to have"},
		"name of another":   {ServerConfig{IPCPath: folder(0o750), Users: &Users{Names: map[uint32]string{1: "UID:0"}}}, "no caller can prove to have"},
		"name with a break": {ServerConfig{IPCPath: folder(0o750), Users: &Users{Names: map[uint32]string{1: "a\nb"}}}, "characters"},
	} {
		server, err := newServer(newProbe(), c.cfg)
		if err == nil {
			err = server.Start(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(c.cfg.IPCPath); err == nil {
			t.Errorf("%s: a socket is left", name)
		}
	}
}
