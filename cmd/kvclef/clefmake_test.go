package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// What the directories of these tests are made with. None of it guards anything:
// the key is that of go-ethereum's own tests.
const (
	clefAccount       = "0x71562b71999873DB5b286dF957af199Ec94617F7"
	clefKey           = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
	clefPassword      = "password of the master seed"
	clefAccountSecret = "password of the account"
	clefChain         = "1337"
	clefMethod        = "kvclefOfTests(uint256)" // which go-ethereum does not know
	clefHome          = "testdata/clef"          // what make clefdirs made
)

// clefRules approves three transactions, and counts them and the listings.
const clefRules = `
function count(name) { return Number(storage.get(name) || "0") }

function ApproveListing(r) {
	storage.put("listings", String(count("listings") + 1))
	storage.put("grüße & <co>", "\u00e4 \"quoted\"\n" + r.accounts.length)
	return "Approve"
}

function ApproveTx(r) {
	if (r.transaction.to.toLowerCase() != "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266") { return "Reject" }
	return count("spent") < 3 ? "Approve" : "Reject"
}

function OnApprovedTx(r) { storage.put("spent", String(count("spent") + 1)) }
`

// clefProgram is a real Clef 1.17.3 and the folder that it works in.
type clefProgram struct{ path, home string }

// findClef returns the Clef that the Makefile builds, or that CLEF names.
func findClef(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CLEF")
	if path == "" {
		path = "../../.ci/tools/bin/clef"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Clef: make .ci/tools/bin/clef builds it")
	}
	return path
}

// command runs a command of Clef, which reads lines.
func (c clefProgram) command(t *testing.T, lines []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.path, append([]string{"--suppress-bootwarn", "--lightkdf", "--nousb", "--configdir", c.config(), "--keystore", c.keystore()}, args...)...)
	command.Dir = c.home
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("clef %q: %v\n%s", args, err, text)
	}
}

func (c clefProgram) config() string   { return filepath.Join(c.home, "config") }
func (c clefProgram) keystore() string { return filepath.Join(c.home, "keystore") }
func (c clefProgram) rules() string    { return filepath.Join(c.home, "rules.js") }
func (c clefProgram) ipc() string      { return filepath.Join(c.config(), "clef.ipc") }

// run runs Clef as a signer until the function returns.
func (c clefProgram) run(t *testing.T, do func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.path, "--suppress-bootwarn", "--lightkdf", "--nousb", "--configdir", c.config(), "--keystore", c.keystore(),
		"--chainid", clefChain, "--rules", c.rules(), "--auditlog", "", "--4bytedb-custom", filepath.Join(c.config(), fourByteName))
	command.Dir = c.home
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		_ = os.Remove(c.ipc())
		if t.Failed() {
			t.Logf("clef said:\n%s", said.Bytes())
		}
	}()
	if _, err := stdin.Write([]byte(clefPassword + "\n")); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		client, err := rpc.DialContext(ctx, c.ipc())
		if err == nil {
			client.Close()
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("clef does not listen: %v", err)
		}
	}
	do()
}

// signs lets a signer sign, and reports whether it does.
func signs(t *testing.T, endpoint string) bool {
	t.Helper()
	sender, err := signTx(endpoint, endpoint, clefChain)
	if err != nil && err.Error() != "request denied" && err.Error() != "Request denied" {
		t.Fatalf("signing at %s: %v", endpoint, err)
	}
	if err == nil && sender.Hex() != clefAccount {
		t.Fatalf("signed by %v", sender)
	}
	return err == nil
}

// makeClef has a real Clef make everything that it keeps.
func makeClef(t *testing.T, path, home string) clefProgram {
	t.Helper()
	c := clefProgram{path, home}
	if err := os.Mkdir(c.config(), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		file := filepath.Join(home, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("rules.js", clefRules)
	sum := sha256.Sum256([]byte(clefRules))
	c.command(t, []string{clefPassword, clefPassword}, "init")
	key := write("key.hex", clefKey)
	c.command(t, []string{clefAccountSecret, clefAccountSecret}, "importraw", key)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	c.command(t, []string{clefAccountSecret, clefAccountSecret, clefPassword}, "setpw", clefAccount)
	c.command(t, []string{clefPassword}, "attest", hex.EncodeToString(sum[:]))
	c.run(t, func() {
		for range 2 {
			if !signs(t, c.ipc()) {
				t.Fatal("Clef refuses one of the first two transactions")
			}
		}
		c.teachSelector(t)
	})
	return c
}

// teachSelector sends call data with a method that go-ethereum does not know,
// which Clef writes into its custom file. The rules reject the transaction.
func (c clefProgram) teachSelector(t *testing.T) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), c.ipc())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var result json.RawMessage
	err = client.CallContext(t.Context(), &result, "account_signTransaction", map[string]string{
		"from": clefAccount, "to": "0x00000000000000000000000000000000CaFE0001", "value": "0x0", "nonce": "0x0", "gas": "0x5208",
		"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1", "chainId": "0x539", "data": hexutil.Encode(append(crypto.Keccak256([]byte(clefMethod))[:4], make([]byte, 32)...)),
	}, clefMethod)
	if err == nil {
		t.Fatal("Clef signs a call that its rules reject")
	}
}

// copyClef copies what make clefdirs made, with the modes that Clef gives files
// and a checkout does not keep.
func copyClef(t *testing.T, home string) clefProgram {
	t.Helper()
	if err := copyTree(clefHome, home); err != nil {
		t.Fatal(err)
	}
	return clefProgram{home: home}
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o700); err != nil {
				return err
			}
			return os.Chmod(target, 0o700)
		}
		if entry.Type()&fs.ModeSocket != 0 {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if entry.Name() == "masterseed.json" {
			mode = 0o400
		}
		return os.WriteFile(target, data, mode)
	})
}

// TestMakeClefDirs makes the directory that the other tests rest on anew:
// make clefdirs.
func TestMakeClefDirs(t *testing.T) {
	if os.Getenv("KVCLEF_MAKE_CLEFDIRS") == "" {
		t.Skip("make clefdirs runs it")
	}
	home := t.TempDir()
	makeClef(t, findClef(t), home)
	if err := os.RemoveAll(clefHome); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(home, clefHome); err != nil {
		t.Fatal(err)
	}
}
